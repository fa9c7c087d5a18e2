package directory_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

// recovery is how long a node may take to be back after its database is. It is
// seconds; the machine may be busy.
const recovery = 15 * time.Second

// wantRecovery waits until a node can read and write again.
func wantRecovery(t testing.TB, d *directory.Directory) {
	t.Helper()
	begun := time.Now()
	for {
		_, err := d.CreateUser(t.Context(), directory.NewUser{
			Address: address(t, fmt.Sprintf("recovered%d@example.com", time.Now().UnixNano())), Groups: []string{"staff"},
		})
		if err == nil {
			err = d.Ping(t.Context())
		}
		if err == nil {
			return
		}
		if time.Since(begun) > recovery {
			t.Fatalf("not back after %v: %v", recovery, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// wantFailure fails the test unless err is a failure, as opposed to an answer.
func wantFailure(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, directory.ErrNotFound) || errors.Is(err, directory.ErrTaken) {
		t.Errorf("%s: got error %v, want a failure", what, err)
	}
}

func TestACrashOfTheServerLosesNothingThatWasAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and crashes a server")
	}
	p := directorytest.StartPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)

	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	answered := make(map[directory.Address]string)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				a := directory.Address(fmt.Sprintf("writer%d-%d@example.com", w, i))
				u, err := d.CreateUser(ctx, directory.NewUser{Address: a, Groups: []string{"staff"}})
				if err == nil {
					mu.Lock()
					answered[a] = u.ID
					mu.Unlock()
				} else if errors.Is(err, directory.ErrTaken) || errors.Is(err, directory.ErrNotFound) {
					t.Errorf("CreateUser: got %v, want a failure", err)
				}
			}
		})
	}
	enough := func(n int) {
		t.Helper()
		mu.Lock()
		n += len(answered)
		mu.Unlock()
		waitFor(t, "answers", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(answered) >= n
		})
	}
	for range 3 {
		enough(20)
		p.Restart()
		wantRecovery(t, d)
	}
	enough(20)
	cancel()
	writers.Wait()

	for a, id := range answered {
		if u, err := d.UserByAddress(t.Context(), a); err != nil || u.ID != id {
			t.Errorf("%s: got %+v, %v, want user %s", a, u, err, id)
		}
	}
	wantWholeUsers(t, d)
}

func TestADirectoryWithoutItsServerFailsAndComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and stops a server")
	}
	p := directorytest.StartPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice := createUser(t, d, "alice@example.com")
	p.Stop()
	_, err := d.User(t.Context(), alice.ID)
	wantFailure(t, "User", err)
	_, err = d.UserByAddress(t.Context(), "nobody@example.com")
	wantFailure(t, "UserByAddress", err)
	_, err = d.Passkey(t.Context(), []byte("passkey"))
	wantFailure(t, "Passkey", err)
	_, err = d.CreateUser(t.Context(), directory.NewUser{Address: "bob@example.com"})
	wantFailure(t, "CreateUser", err)
	wantFailure(t, "UsePasskey", d.UsePasskey(t.Context(), directory.PasskeyUse{ID: []byte("passkey"), UserID: alice.ID}))
	wantFailure(t, "Ping", d.Ping(t.Context()))
	another := newPostgres(t, directory.PostgresOptions{URL: p.URL()})
	wantFailure(t, "Open", another.Open(t.Context()))
	wantFailure(t, "ChangeKeys", d.ChangeKeys(t.Context(), func([]directory.Key) ([]directory.Key, error) {
		t.Error("keys were decided about without a look at them")
		return nil, nil
	}))

	p.Restart()
	wantRecovery(t, d)
	if _, err := d.User(t.Context(), alice.ID); err != nil {
		t.Error(err)
	}
}

// The server accepts connections and answers nothing, as one does whose disk
// hangs, or that a network swallows.
func TestAServerThatHangsHoldsNobodyForLong(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	p := directorytest.StartPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice := createUser(t, d, "alice@example.com")
	calls := map[string]func(ctx context.Context) error{
		"User": func(ctx context.Context) error {
			_, err := d.User(ctx, alice.ID)
			return err
		},
		"CreateUser": func(ctx context.Context) error {
			_, err := d.CreateUser(ctx, directory.NewUser{Address: "bob@example.com"})
			return err
		},
		"SetName": func(ctx context.Context) error { return d.SetName(ctx, alice.ID, "Alice") },
		"Ping":    d.Ping,
	}
	check := func(name string, call func(context.Context) error, ctx context.Context, limit time.Duration) {
		begun := time.Now()
		wantFailure(t, name, call(ctx))
		if took := time.Since(begun); took > limit {
			t.Errorf("%s: took %v, want at most %v", name, took, limit)
		}
	}
	p.Pause()
	var all sync.WaitGroup
	for name, call := range calls {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			check(name+" with a deadline", call, ctx, 3*time.Second)
		})
		all.Go(func() { check(name+" without a deadline", call, t.Context(), 14*time.Second) })
	}
	all.Wait()

	p.Resume()
	wantRecovery(t, d)
	if u, err := d.User(t.Context(), alice.ID); err != nil || u.ID != alice.ID {
		t.Errorf("got %+v, %v", u, err)
	}
}

// An operator's transaction that was forgotten holds what everybody needs.
func TestALockThatIsNeverReleasedHoldsNobodyForLong(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice := createUser(t, d, "alice@example.com")
	forgotten := transaction(t, p, `LOCK TABLE users`)
	calls := map[string]func() error{
		"User": func() error {
			_, err := d.User(t.Context(), alice.ID)
			return err
		},
		"SetName": func() error { return d.SetName(t.Context(), alice.ID, "Alice") },
	}
	var all sync.WaitGroup
	for name, call := range calls {
		all.Go(func() {
			begun := time.Now()
			wantErr(t, name, call(), context.DeadlineExceeded)
			if took := time.Since(begun); took > 14*time.Second {
				t.Errorf("%s: took %v, want about 10 s", name, took)
			}
		})
	}
	all.Wait()
	if err := forgotten.Rollback(); err != nil {
		t.Fatal(err)
	}
	if u, err := d.User(t.Context(), alice.ID); err != nil || u.Name != "" {
		t.Errorf("got %+v, %v, want a user without a name", u, err)
	}
}

// A connection that is cut between two statements of one transaction.
func TestAConnectionCutInTheMiddleLeavesNoHalfUser(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice := createUser(t, d, "alice@example.com")
	// Both calls have written when they come to what is locked.
	holder := transaction(t, p, `LOCK TABLE emails, passkeys IN SHARE MODE`)
	calls := []func() error{
		func() error {
			_, err := d.CreateUser(t.Context(), directory.NewUser{Address: "bob@example.com"})
			return err
		},
		func() error {
			return d.AddPasskey(t.Context(), directory.Passkey{ID: []byte("passkey"), UserID: alice.ID, PublicKey: []byte("key")})
		},
	}
	failed := make(chan []error, 1)
	go func() { failed <- concurrently(len(calls), func(i int) error { return calls[i]() }) }()
	const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename = 'doorward'`
	waitFor(t, "both calls to be in the middle", func() bool { return p.Query(`SELECT count(*) ` + waiting)[0] == "2" })
	p.Query(`SELECT pg_terminate_backend(pid) ` + waiting)
	for i, err := range <-failed {
		wantFailure(t, fmt.Sprintf("call %d", i), err)
	}
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := p.Query(`SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM emails), (SELECT count(*) FROM passkeys)`)[0]; got != "1|1|0" {
		t.Errorf("got %s users, addresses and passkeys, want 1|1|0", got)
	}
	if u, err := d.User(t.Context(), alice.ID); err != nil || !u.UpdatedAt.Equal(alice.UpdatedAt) {
		t.Errorf("got %+v, %v, want %+v", u, err, alice)
	}
	wantRecovery(t, d)
}

// Nobody notices that the server was restarted between two requests.
func TestConnectionsThatDiedMeanwhileAreReplaced(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and stops a server")
	}
	p := directorytest.StartPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice := createUser(t, d, "alice@example.com")
	read := func(int) error {
		_, err := d.User(t.Context(), alice.ID)
		return err
	}
	if err := errors.Join(concurrently(10, read)...); err != nil {
		t.Fatal(err)
	}
	p.Restart() // takes longer than a connection is trusted
	if err := errors.Join(concurrently(10, read)...); err != nil {
		t.Errorf("reading after a restart: %v", err)
	}
	if _, err := d.CreateUser(t.Context(), directory.NewUser{Address: "bob@example.com"}); err != nil {
		t.Errorf("writing after a restart: %v", err)
	}
}

func TestAFullServerRefusesToWriteAndReadsOn(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts a file system and starts a server")
	}
	p := directorytest.StartPostgresOnSmallDisk(t)
	wantFullDisk(t, openPostgres(t, p.URL(), time.Now), p.Fill, p.Free, "No space left on device")
}

// wantFullDisk fills the disk under a directory. Writing must fail and say why,
// reading go on; when there is space again nothing must be lost or halved.
func wantFullDisk(t *testing.T, d *directory.Directory, fill, free func(), message string) {
	t.Helper()
	var answered []directory.User
	create := func(i int) error {
		u, err := d.CreateUser(t.Context(), directory.NewUser{
			Address: address(t, fmt.Sprintf("user%d@example.com", i)), Name: strings.Repeat("n", 64), Groups: []string{"staff"},
		})
		if err == nil {
			answered = append(answered, u)
		}
		return err
	}
	if err := create(0); err != nil {
		t.Fatal(err)
	}
	fill()
	n := 1
	for ; n < 5000; n++ { // what was allocated before is used up first
		if err := create(n); err != nil {
			wantFailure(t, "CreateUser", err)
			if !strings.Contains(err.Error(), message) {
				t.Errorf("got error %v, want one that says %q", err, message)
			}
			break
		}
	}
	if n == 5000 {
		t.Fatal("the disk does not get full")
	}
	for _, u := range answered {
		if got, err := d.User(t.Context(), u.ID); err != nil || got.ID != u.ID {
			t.Errorf("reading from a full disk: got %+v, %v, want %+v", got, err, u)
		}
	}
	_, err := d.UserByAddress(t.Context(), address(t, fmt.Sprintf("user%d@example.com", n)))
	wantErr(t, "the refused user", err, directory.ErrNotFound)

	free()
	for range 20 {
		if err := create(n); err != nil {
			t.Fatalf("when there is space again: %v", err)
		}
		n++
	}
	if got := wantWholeUsers(t, d); got != len(answered) {
		t.Errorf("got %d users, want the %d that were answered", got, len(answered))
	}
}

// A database that fails over keeps the old primary as one that takes no writes,
// or brings it back as one.
func TestAServerThatTakesNoWritesIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("starts two servers")
	}
	a, b := directorytest.StartPostgres(t), directorytest.StartPostgres(t)
	ua, err := url.Parse(a.URL())
	if err != nil {
		t.Fatal("no URL")
	}
	ub, err := url.Parse(b.URL())
	if err != nil {
		t.Fatal("no URL")
	}
	if databaseOf(t, a.URL()) != databaseOf(t, b.URL()) {
		t.Fatal("the databases have two names")
	}
	openPostgres(t, b.URL(), time.Now) // has the tables, as a standby would
	b.Set("default_transaction_read_only", "on")

	both := strings.Replace(b.URL(), ub.Host, ub.Host+","+ua.Host, 1)
	d := openPostgres(t, both, time.Now)
	createUser(t, d, "alice@example.com")
	if n := a.Query(`SELECT count(*) FROM users`)[0]; n != "1" {
		t.Errorf("the server that takes writes has %s users, want 1", n)
	}

	a.Set("default_transaction_read_only", "on")
	b.Set("default_transaction_read_only", "off")
	wantRecovery(t, d)
	if n := b.Query(`SELECT count(*) FROM users`)[0]; n != "1" {
		t.Errorf("the server that now takes writes has %s users, want 1", n)
	}
}
