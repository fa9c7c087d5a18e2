package directory_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

// An opener returns another handle to one database each time it is called.
type opener func(t testing.TB) *directory.Directory

// onEach runs a test on every kind of database that a directory can be in,
// empty at the start.
func onEach(t *testing.T, test func(t *testing.T, open opener)) {
	t.Helper()
	onEachRaw(t, nil, func(t *testing.T, open opener, _ func(string, ...any)) { test(t, open) })
}

// onEachRaw is onEach for tests that need a certain clock, or write to the
// database behind the directory's back. Without a clock, time passes whenever
// it is asked for.
func onEachRaw(t *testing.T, now func() time.Time, test func(t *testing.T, open opener, exec func(statement string, args ...any))) {
	t.Helper()
	clockOr := func(now func() time.Time) func() time.Time {
		if now != nil {
			return now
		}
		c := &clock{t: epoch}
		return c.now
	}
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "directory.db")
		now := clockOr(now)
		test(t,
			func(t testing.TB) *directory.Directory { return openSQLite(t, path, now) },
			func(statement string, args ...any) { execRaw(t, path, statement, args...) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		p := directorytest.SharedPostgres(t)
		now := clockOr(now)
		test(t,
			func(t testing.TB) *directory.Directory {
				d := openPostgres(t, p.URL(), now)
				d.IgnoreSkew() // the server knows no other time than its machine's
				return d
			},
			func(statement string, args ...any) { p.Query(statement, args...) })
	})
}

func openSQLite(t testing.TB, path string, now func() time.Time) *directory.Directory {
	t.Helper()
	d := directory.NewSQLite(directory.SQLiteOptions{Path: path, Now: now})
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func openPostgres(t testing.TB, url string, now func() time.Time) *directory.Directory {
	t.Helper()
	d := newPostgres(t, directory.PostgresOptions{URL: url, Now: now})
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// newPostgres returns a Directory that is closed when the test ends.
func newPostgres(t testing.TB, o directory.PostgresOptions) *directory.Directory {
	t.Helper()
	d, err := directory.NewPostgres(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

var epoch = time.Date(2026, 2, 3, 4, 5, 6, 789_000, time.UTC)

// A clock goes on by a second each time someone looks at it.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(time.Second)
	return c.t
}

// TestMain is also the main of the processes that the tests start and kill.
func TestMain(m *testing.M) {
	if place := os.Getenv(childPlace); place != "" {
		if err := child(context.Background(), place); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func address(t testing.TB, s string) directory.Address {
	t.Helper()
	a, err := directory.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func createUser(t testing.TB, d *directory.Directory, s string) directory.User {
	t.Helper()
	u, err := d.CreateUser(t.Context(), directory.NewUser{Address: address(t, s)})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func addPasskey(t testing.TB, d *directory.Directory, p directory.Passkey) directory.Passkey {
	t.Helper()
	if p.PublicKey == nil {
		p.PublicKey = []byte("key of " + string(p.ID))
	}
	if err := d.AddPasskey(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// wantErr fails the test unless err is want, or nil if want is nil.
func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

func TestADirectoryAnswersOnlyWhileItIsOpen(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		u := createUser(t, d, "alice@example.com")
		if err := d.Ping(t.Context()); err != nil {
			t.Errorf("Ping of an open directory: %v", err)
		}
		for range 2 { // a second Close has nothing to do
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}

		if err := d.Ping(t.Context()); err == nil {
			t.Error("Ping of a closed directory succeeded")
		}
		if _, err := d.User(t.Context(), u.ID); err == nil || errors.Is(err, directory.ErrNotFound) {
			t.Errorf("User of a closed directory: got error %v, want a failure", err)
		}
		if err := d.SetName(t.Context(), u.ID, "Alice"); err == nil || errors.Is(err, directory.ErrNotFound) {
			t.Errorf("SetName in a closed directory: got error %v, want a failure", err)
		}

		for range 2 { // nor has a second Open
			if err := d.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.User(t.Context(), u.ID); err != nil {
			t.Errorf("User of a directory opened again: %v", err)
		}
	})
}

func TestACancelledChangeLeavesNoTrace(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.CreateUser(ctx, directory.NewUser{Address: "alice@example.com"}); !errors.Is(err, context.Canceled) {
			t.Errorf("CreateUser: got error %v, want %v", err, context.Canceled)
		}
		_, err := d.UserByAddress(t.Context(), "alice@example.com")
		wantErr(t, "UserByAddress", err, directory.ErrNotFound)
	})
}
