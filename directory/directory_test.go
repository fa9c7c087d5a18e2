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
)

// An opener returns another handle to one database each time it is called.
type opener func(t testing.TB) *directory.Directory

// onEach runs a test on every kind of database that a directory can be in,
// empty at the start.
func onEach(t *testing.T, test func(t *testing.T, open opener)) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "directory.db")
		c := &clock{t: epoch}
		test(t, func(t testing.TB) *directory.Directory { return openSQLite(t, path, c.now) })
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
	if path := os.Getenv(childPath); path != "" {
		if err := child(context.Background(), path); err != nil {
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
