package directory_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

// changeURL returns a URL of a database with other parts.
func changeURL(t testing.TB, database string, change func(u *url.URL)) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal("no URL")
	}
	change(u)
	return u.String()
}

// withParameter returns a URL of a database with one more parameter.
func withParameter(t testing.TB, database, name, value string) string {
	t.Helper()
	return changeURL(t, database, func(u *url.URL) {
		q := u.Query()
		q.Set(name, value)
		// url.Values writes a space as +, which is a plus to PostgreSQL.
		u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	})
}

// wantNoSecret fails the test if the error holds a piece of a password.
func wantNoSecret(t testing.TB, err error, pieces ...string) {
	t.Helper()
	if err == nil {
		t.Error("got no error")
		return
	}
	for text, unwrapped := "", err; unwrapped != nil; unwrapped = errors.Unwrap(unwrapped) {
		text += fmt.Sprintf("%v %+v %q", unwrapped, unwrapped, unwrapped)
		for _, piece := range pieces {
			if strings.Contains(text, piece) {
				t.Errorf("the error holds %q of the password: %v", piece, unwrapped)
			}
		}
	}
}

func TestNewPostgresAsksNobody(t *testing.T) {
	for _, s := range []string{
		"postgres://doorward:password@nowhere.invalid/doorward",
		"postgresql://nowhere.invalid",
		"postgres://a.invalid:5432,b.invalid:5433/db?target_session_attrs=primary&sslmode=require",
		"postgres:///db?host=/var/run/postgresql",
		"postgres://a%40b:p%40ss%2Fw%3Frd@[::1]:5432/db?application_name=me%40here",
	} {
		d, err := directory.NewPostgres(directory.PostgresOptions{URL: s})
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if err := d.Close(); err != nil {
			t.Errorf("Close of what was never opened: %v", err)
		}
	}
	if _, err := directory.NewPostgres(directory.PostgresOptions{URL: "postgres://localhost/db", MaxConnections: -1}); err == nil {
		t.Error("a negative number of connections is no error")
	}
}

// Where a URL is written wrongly, a part of the password counts as something
// else, which errors name.
func TestAnErrorAboutAURLHoldsNothingOfIt(t *testing.T) {
	for _, s := range []string{
		"",
		"s3cret",
		"user=doorward password=s3cret host=localhost",
		"password=s3cret",
		"mysql://doorward:s3cret@localhost/db",
		"postgres:doorward:s3cret@localhost/db",
		"postgres://doorward:s3cret@localhost:port/db",
		"postgres://doorward:s3cret@localhost:54321111/db",
		"postgres://doorward:s3cret%zz@localhost/db",
		"postgres://doorward:a@s3cret@localhost/db",
		"postgres://doorward:123/s3cret@localhost/db",
		"postgres://doorward:123/4?s3cret=x@localhost/db",
		"postgres://doorward:x?s3cret@localhost/db",
		"postgres://doorward:x#s3cret@localhost/db",
		"postgres://doorward:x:s3cret@localhost/db",
		"postgres://doorward:s3cret@localhost/db?sslmode=s3cret",
		"postgres://doorward:s3cret@localhost/db?sslmode=verified",
		"postgres://doorward:s3cret@localhost/db?target_session_attrs=standby",
		"postgres://doorward:s3cret@localhost/db?target_session_attrs=prefer-standby",
		"postgres://doorward:s3cret@localhost/db?default_query_exec_mode=fast",
		"postgres://doorward:s3cret@localhost/db?connect_timeout=s3cret",
		"postgres://doorward:s3cret@localhost/db?channel_binding=s3cret",
		"postgres://doorward:s3cret@localhost/db?statement_cache_capacity=s3cret",
		"postgres://doorward:s3cret@localhost/db?sslmode=verify-full&sslrootcert=/nowhere/root.crt",
		"postgres://localhost/db?password=s3cret&sslmode=x",
		"postgres://doorward:s3cret@a:1,b:2,c/db?port=1,2",
		"postgres://doorward:s3cret@local\x00host/db",
		"postgres://doorward:s3cret@localhost/db?%zz=s3cret",
		"postgres://doorward:s3cret@localhost/db\n",
	} {
		d, err := directory.NewPostgres(directory.PostgresOptions{URL: s})
		if err == nil {
			d.Close()
			t.Errorf("%s: no error", s)
			continue
		}
		wantNoSecret(t, err, "s3cret", "123")
	}

	// What can be said is said.
	for s, want := range map[string]string{
		"postgres://localhost/db?sslmode=verified":                                  "verify-full",
		"postgres://localhost/db?target_session_attrs=standby":                      "read-write",
		"postgres://localhost/db?sslmode=verify-full&sslrootcert=/nowhere/root.crt": "/nowhere/root.crt",
		"user=doorward": "postgres://user:password@host",
	} {
		if _, err := directory.NewPostgres(directory.PostgresOptions{URL: s}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one that says %q", s, err, want)
		}
	}
}

func TestAServerThatRefusesIsNotToldThePasswordInTheError(t *testing.T) {
	good := directorytest.SharedPostgres(t).URL()
	u, err := url.Parse(good)
	if err != nil {
		t.Fatal("no URL")
	}
	password, _ := u.User.Password()
	pieces := []string{password, url.QueryEscape(password), url.PathEscape(password), "w?rd", "w%3Frd", "s3cret"}

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, s := range map[string]string{
		"wrong password":    changeURL(t, good, func(u *url.URL) { u.User = url.UserPassword("doorward", "s3cret") }),
		"wrong user":        changeURL(t, good, func(u *url.URL) { u.User = url.UserPassword("nobody", password) }),
		"unknown database":  changeURL(t, good, func(u *url.URL) { u.Path = "/nothing" }),
		"unknown host":      changeURL(t, good, func(u *url.URL) { u.Host = "nowhere.invalid" }),
		"nobody listens":    changeURL(t, good, func(u *url.URL) { u.Host = closed.Addr().String() }),
		"no TLS":            withParameter(t, good, "sslmode", "require"),
		"unknown parameter": withParameter(t, good, "ssl_mode", "require"),
		"wrong setting":     withParameter(t, good, "statement_timeout", "soon"),
	} {
		d := newPostgres(t, directory.PostgresOptions{URL: s})
		err := d.Open(t.Context())
		wantNoSecret(t, err, pieces...)
		if errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: got %v, want a failure", name, err)
		}
	}
}

func TestEveryWayToSendAQueryWorks(t *testing.T) {
	for _, mode := range []string{"", "cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			s := directorytest.SharedPostgres(t).URL()
			if mode != "" {
				s = withParameter(t, s, "default_query_exec_mode", mode)
			}
			d := openPostgres(t, s, time.Now)
			u, err := d.CreateUser(t.Context(), directory.NewUser{Address: "alice@example.com", Name: `Alice \ ' " $1 Šmíd`, Groups: []string{"staff"}})
			if err != nil {
				t.Fatal(err)
			}
			addPasskey(t, d, directory.Passkey{ID: []byte{0, 1, '\'', 0xff}, UserID: u.ID, SignCount: 5})
			for range 2 { // the second time it may be prepared
				if got, err := d.UserByAddress(t.Context(), "alice@example.com"); err != nil || got.Name != u.Name || !slices.Equal(got.Groups, u.Groups) {
					t.Errorf("got %+v, %v, want %+v", got, err, u)
				}
			}
			use := directory.PasskeyUse{ID: []byte{0, 1, '\'', 0xff}, UserID: u.ID, SignCount: 6, UserVerified: true}
			if err := d.UsePasskey(t.Context(), use); err != nil {
				t.Error(err)
			}
			wantErr(t, "UsePasskey again", d.UsePasskey(t.Context(), use), directory.ErrSignCount)
			addKeys(t, d, key("a", 0))
			wantKeys(t, d, key("a", 0))
			if err := d.Record(t.Context(), directory.Event{Type: "sign-in", UserID: u.ID}); err != nil {
				t.Error(err)
			}
			if events, err := d.Events(t.Context(), u.ID, 10); err != nil || len(events) != 1 {
				t.Errorf("got %+v, %v, want 1 event", events, err)
			}
		})
	}
}

func TestConnectionsAreFewAndSayWhoTheyAre(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	for name, want := range map[string]string{"": "doorward", "door two": "door two"} {
		database := p.NewDatabase()
		s := database
		if name != "" {
			s = withParameter(t, s, "application_name", name)
		}
		d := newPostgres(t, directory.PostgresOptions{URL: s, MaxConnections: 3})
		if err := d.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		errs := concurrently(20, func(i int) error {
			_, err := d.CreateUser(t.Context(), directory.NewUser{Address: directory.Address(fmt.Sprintf("user%d@example.com", i))})
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		connections := p.QueryIn(database, `SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND usename = 'doorward'`)
		if len(connections) == 0 || len(connections) > 3 || slices.ContainsFunc(connections, func(s string) bool { return s != want }) {
			t.Errorf("got connections %q, want 1 to 3 called %q", connections, want)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the connections to go", func() bool {
			return p.QueryIn(database, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'doorward'`)[0] == "0"
		})
	}
}

// A role may come with settings that another application wants. What the
// directory's rules rest on is said with each transaction.
func TestSettingsOfTheRoleDoNotChangeTheRules(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	for _, setting := range []string{
		`default_transaction_isolation = 'serializable'`, `default_transaction_isolation = 'repeatable read'`,
		`statement_timeout = 1000`, `lock_timeout = 1`, `search_path = '$user', public`,
		`standard_conforming_strings = on`, `timezone = 'Asia/Kathmandu'`, `client_min_messages = 'debug1'`,
	} {
		name, _, _ := strings.Cut(setting, " ")
		p.Query(`ALTER ROLE doorward IN DATABASE ` + databaseOf(t, p.URL()) + ` SET ` + setting)
		d := openPostgres(t, p.URL(), time.Now)
		a := address(t, fmt.Sprintf("%d@example.com", time.Now().UnixNano()))
		u, err := d.CreateUser(t.Context(), directory.NewUser{Address: a})
		if err != nil {
			t.Fatalf("%s: %v", setting, err)
		}
		id := u.Handle()
		addPasskey(t, d, directory.Passkey{ID: id, UserID: u.ID, PublicKey: []byte{0, '\\', 0xff}})
		errs := concurrently(12, func(i int) error {
			switch i % 3 {
			case 0:
				return d.SetGroups(t.Context(), u.ID, []string{"a", "b", fmt.Sprint(i)})
			case 1:
				return d.UsePasskey(t.Context(), directory.PasskeyUse{ID: id, UserID: u.ID})
			default:
				return d.ChangeKeys(t.Context(), func(keys []directory.Key) ([]directory.Key, error) {
					return append(keys, directory.Key{ID: fmt.Sprint(u.ID, i)}), nil
				})
			}
		})
		if err := errors.Join(errs...); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
		if passkey, err := d.Passkey(t.Context(), id); err != nil || string(passkey.PublicKey) != "\x00\\\xff" {
			t.Errorf("%s: got %q, %v", setting, passkey.PublicKey, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		p.Query(`ALTER ROLE doorward IN DATABASE ` + databaseOf(t, p.URL()) + ` RESET ` + name)
	}
}

func databaseOf(t testing.TB, s string) string {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal("no URL")
	}
	return strings.TrimPrefix(u.Path, "/")
}

// An operator's transaction may take locks in another order than ours. The
// server then undoes one of the two, and ours is done again.
func TestADeadlockWithAnOperatorIsTriedAgain(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	// The directory notices the deadlock, late enough for it to be there.
	p.Query(`ALTER ROLE doorward IN DATABASE ` + databaseOf(t, p.URL()) + ` SET deadlock_timeout = '2s'`)
	d := openPostgres(t, p.URL(), time.Now)
	operator := transaction(t, p, `SET LOCAL deadlock_timeout = '1min'`, `LOCK TABLE emails IN SHARE MODE`)
	created := make(chan error, 1)
	go func() {
		_, err := d.CreateUser(t.Context(), directory.NewUser{Address: "alice@example.com"})
		created <- err
	}()
	waitForLock(t, p)
	if _, err := operator.ExecContext(t.Context(), `LOCK TABLE users IN SHARE MODE`); err != nil {
		t.Fatalf("the operator's lock: %v", err)
	}
	if err := operator.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-created; err != nil {
		t.Errorf("CreateUser: %v", err)
	}
	users, err := d.Users(t.Context(), "", 10)
	if err != nil || len(users) != 1 || len(users[0].Emails) != 1 {
		t.Errorf("got %+v, %v, want one user", users, err)
	}
	if n := p.Query(`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)[0]; n == "0" {
		t.Error("there was no deadlock: the test tests nothing")
	}
}

// transaction returns a transaction of somebody else, as a superuser, in which
// these statements have run. It is rolled back when the test ends.
func transaction(t testing.TB, p *directorytest.Postgres, statements ...string) *sql.Tx {
	t.Helper()
	db, err := sql.Open("pgx", p.SuperuserURL(p.URL()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	for _, statement := range statements {
		if _, err := tx.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return tx
}

// waitForLock waits until somebody waits for a lock in the database.
func waitForLock(t testing.TB, p *directorytest.Postgres) {
	t.Helper()
	waitFor(t, "somebody to wait for a lock", func() bool {
		return len(p.Query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)) > 0
	})
}
