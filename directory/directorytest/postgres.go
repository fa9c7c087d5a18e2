//go:build unix

package directorytest

import (
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	adminRole = "postgres"
	role      = "doorward"
	password  = `p@ss/w?rd#1:%& "'\é`
)

// Postgres is a real PostgreSQL server on a free port of the loopback, that
// waits for its disk as in production. Its URLs are of an ordinary role, whose
// password is of awkward characters.
type Postgres struct {
	*server
	t testing.TB

	making sync.Mutex
	url    string // what URL returns; empty before it is asked
}

// StartPostgres runs a PostgreSQL server until the test ends. Without its
// programs the test fails: a test that is skipped proves nothing. They are
// looked for in PATH and in /usr/lib/postgresql. Run by root, the server runs
// as the user postgres, or nobody if there is no such user.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	return startPostgres(t, "")
}

// StartPostgresOnSmallDisk is StartPostgres with the tables of its role on a
// file system of a few megabytes, which Fill fills. The server's log of changes
// (WAL) is elsewhere: a server that cannot write that one ends. It takes root,
// as SmallDisk does.
func StartPostgresOnSmallDisk(t testing.TB) *Postgres {
	t.Helper()
	return startPostgres(t, SmallDisk(t, 4<<20))
}

func startPostgres(t testing.TB, disk string) *Postgres {
	t.Helper()
	s, err := newServer(disk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	return &Postgres{server: s, t: t}
}

var shared = sync.OnceValues(func() (*server, error) { return newServer("") })

// SharedPostgres returns a server that all tests of the process share, and that
// ends with the process. It is for tests that want a database and do nothing to
// the server: making a server takes seconds, making a database a fraction of
// one. URL is another database for each caller.
func SharedPostgres(t testing.TB) *Postgres {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return &Postgres{server: s, t: t}
}

// URL returns the URL of a database that was empty when it was first asked for.
func (p *Postgres) URL() string {
	p.t.Helper()
	p.making.Lock()
	defer p.making.Unlock()
	if p.url == "" {
		p.url = p.NewDatabase()
	}
	return p.url
}

// NewDatabase returns the URL of another empty database.
func (p *Postgres) NewDatabase() string {
	p.t.Helper()
	name := p.nextDatabase()
	statement := fmt.Sprintf(`CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING 'UTF8'`, name, role)
	if _, err := p.query(p.t.Context(), "postgres", statement); err != nil {
		p.t.Fatal(err)
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password),
		Host: net.JoinHostPort("127.0.0.1", p.port), Path: "/" + name, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SuperuserURL returns a URL of the same database as one of NewDatabase, for the
// superuser, whom the server lets in while others use up its connections.
func (p *Postgres) SuperuserURL(of string) string {
	p.t.Helper()
	config, err := pgx.ParseConfig(of)
	if err != nil {
		p.t.Fatal("SuperuserURL wants a URL of NewDatabase")
	}
	u := url.URL{
		Scheme: "postgres", User: url.User(adminRole), Path: "/" + config.Database,
		RawQuery: url.Values{"host": {p.dir}, "port": {p.port}}.Encode(),
	}
	return u.String()
}

// Query runs a statement as the superuser in the database of URL, and returns
// the rows: the columns as text with | in between, NULL as nothing.
func (p *Postgres) Query(statement string, args ...any) []string {
	p.t.Helper()
	return p.QueryIn(p.URL(), statement, args...)
}

// QueryIn is Query for a database of NewDatabase.
func (p *Postgres) QueryIn(of, statement string, args ...any) []string {
	p.t.Helper()
	config, err := pgx.ParseConfig(of)
	if err != nil {
		p.t.Fatal("QueryIn wants a URL of NewDatabase")
	}
	// Not the context of the test, which has ended when cleanups run.
	rows, err := p.query(noContext, config.Database, statement, args...)
	if err != nil {
		p.t.Fatalf("%s: %v", statement, err)
	}
	return rows
}

// Stop ends the server at once, as a crash would: it writes nothing more, cuts
// every connection, and has to recover when it is started again.
func (p *Postgres) Stop() { p.stop() }

// Restart starts the server again at the same address, with what it had on
// disk, and returns when it takes connections. One that runs is stopped first.
func (p *Postgres) Restart() {
	p.t.Helper()
	p.stop()
	if err := p.start(); err != nil {
		p.t.Fatal(err)
	}
}

// Pause stops every process of the server without closing a connection: it
// accepts, and does not answer.
func (p *Postgres) Pause() {
	p.t.Helper()
	if err := p.pause(p.t.Context()); err != nil {
		p.t.Fatalf("pausing PostgreSQL: %v", err)
	}
}

// Resume lets a paused server go on.
func (p *Postgres) Resume() { p.resume() }

// DropConnections cuts every connection to the server. What a transaction did
// that was under way is undone.
func (p *Postgres) DropConnections() {
	p.t.Helper()
	_, err := p.query(p.t.Context(), "postgres", `
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
	if err != nil {
		p.t.Fatal(err)
	}
}

// Set changes a setting of the whole server, one that needs no restart. New
// connections have it when Set returns; a process that was busy may take some
// moments more.
func (p *Postgres) Set(name, value string) {
	p.t.Helper()
	conn, err := p.connect(p.t.Context(), "postgres")
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(noContext)
	quoted, err := conn.PgConn().EscapeString(value)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, statement := range []string{`ALTER SYSTEM SET ` + name + ` = '` + quoted + `'`, `SELECT pg_reload_conf()`} {
		if _, err := conn.Exec(p.t.Context(), statement); err != nil {
			p.t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(startPatience); ; time.Sleep(time.Millisecond) {
		var got string
		if err := conn.QueryRow(p.t.Context(), `SELECT current_setting($1)`, name).Scan(&got); err != nil {
			p.t.Fatal(err)
		}
		if got == value {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s stays %q, want %q", name, got, value)
		}
	}
}

// Fill fills the disk of StartPostgresOnSmallDisk to the last byte.
func (p *Postgres) Fill() {
	p.t.Helper()
	FillDisk(p.t, p.smallDisk())
}

// Free gives back what Fill took.
func (p *Postgres) Free() {
	p.t.Helper()
	FreeDisk(p.t, p.smallDisk())
}

func (p *Postgres) smallDisk() string {
	p.t.Helper()
	if p.disk == "" {
		p.t.Fatal("this server was not started by StartPostgresOnSmallDisk")
	}
	return p.disk
}
