package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// clock is a time that passes when the test says so.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wait(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// openEmbedded returns an open store in the file at path, closed with the test.
func openEmbedded(t testing.TB, path string, now func() time.Time) *store.Embedded {
	t.Helper()
	e := store.NewEmbedded(store.EmbeddedOptions{Path: path, Now: now})
	t.Cleanup(func() { e.Close() })
	if err := e.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	return e
}

// disk has room for the tests that write to it at the same time. Each write waits
// for the disk, and the lock of a file is not waited for without end.
var disk = make(chan struct{}, 2)

// waitForDisk waits for a place, and returns what gives it back.
func waitForDisk() (leave func()) {
	disk <- struct{}{}
	return func() { <-disk }
}

func TestEmbedded(t *testing.T) {
	for _, promise := range storetest.Contract {
		t.Run(promise.Name, func(t *testing.T) {
			t.Parallel()
			defer waitForDisk()()
			clock := newClock()
			promise.Check(t, openEmbedded(t, filepath.Join(t.TempDir(), "store.db"), clock.Now), clock.Wait)
		})
	}
	for _, promise := range storetest.Shared {
		t.Run(promise.Name, func(t *testing.T) {
			t.Parallel()
			defer waitForDisk()()
			path := filepath.Join(t.TempDir(), "store.db")
			promise.Check(t, openEmbedded(t, path, nil), openEmbedded(t, path, nil))
		})
	}
}

func TestEmbeddedExpiresToTheMillisecond(t *testing.T) {
	clock := newClock()
	e := openEmbedded(t, filepath.Join(t.TempDir(), "store.db"), clock.Now)
	ctx := t.Context()
	if err := e.Put(ctx, "key", []byte("value"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := e.Add(ctx, "set", "member", time.Minute); err != nil {
		t.Fatal(err)
	}
	if n, err := e.Count(ctx, "attempts", time.Minute); err != nil || n != 1 {
		t.Fatalf("Count = %d, %v, want 1", n, err)
	}

	clock.Wait(time.Minute - time.Millisecond)
	if _, err := e.Get(ctx, "key"); err != nil {
		t.Errorf("Get one millisecond before the end = %v, want the value", err)
	}
	if members, err := e.Members(ctx, "set"); err != nil || len(members) != 1 {
		t.Errorf("Members one millisecond before the end = %q, %v, want one", members, err)
	}
	if n, err := e.Count(ctx, "attempts", time.Minute); err != nil || n != 2 {
		t.Errorf("Count one millisecond before the end = %d, %v, want 2", n, err)
	}

	clock.Wait(time.Millisecond)
	if err := e.Replace(ctx, "key", []byte("back"), time.Minute); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Replace at the end = %v, want ErrNotFound", err)
	}
	if _, err := e.Get(ctx, "key"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get at the end = %v, want ErrNotFound", err)
	}
	if members, err := e.Members(ctx, "set"); err != nil || len(members) != 0 {
		t.Errorf("Members at the end = %q, %v, want none", members, err)
	}
	if n, err := e.Count(ctx, "attempts", time.Minute); err != nil || n != 1 {
		t.Errorf("Count at the end = %d, %v, want 1", n, err)
	}
}

func TestLongestTimeToLiveDoesNotOverflow(t *testing.T) {
	e := openEmbedded(t, filepath.Join(t.TempDir(), "store.db"), nil)
	if err := e.Put(t.Context(), "key", []byte("value"), 1<<63-1); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Get(t.Context(), "key"); err != nil {
		t.Errorf("Get = %v, want the value", err)
	}
}

func TestEmbeddedKeepsItsValuesWhenItIsReopened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	first := openEmbedded(t, path, nil)
	if err := first.Put(t.Context(), "key", []byte("value"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openEmbedded(t, path, nil)
	if got, err := second.Get(t.Context(), "key"); err != nil || string(got) != "value" {
		t.Errorf("Get after reopening = %q, %v, want the value", got, err)
	}
}

func TestNewEmbeddedTouchesNoFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	e := store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(dir, "store.db")})
	storetest.WantFailures(t, t.Context(), e)
	if err := e.Close(); err != nil {
		t.Errorf("Close of a store that was never open = %v, want nil", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Stat of the folder = %v, want that it does not exist", err)
	}
}

func TestOnlyTheOwnerCanReadTheFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one", "two")
	e := openEmbedded(t, filepath.Join(dir, "store.db"), nil)
	if err := e.Put(t.Context(), "key", []byte("value"), time.Hour); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		"..": 0o700, ".": 0o700, "store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s = %o, want %o", name, got, want)
		}
	}
}

func TestOddPathsAreFileNames(t *testing.T) {
	for _, name := range []string{"a b", "a?mode=memory", "a#b", "a%20b", "ä'\"", "file:x", "a&_txlock=x"} {
		path := filepath.Join(t.TempDir(), name, name)
		e := openEmbedded(t, path, nil)
		if err := e.Put(t.Context(), "key", []byte("value"), time.Hour); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("the file %q = %v, %v, want one with something in it", name, info, err)
		}
	}
}

func TestOpenIsIdempotentAndConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "store.db")
	handles := make([]*store.Embedded, 8)
	var group sync.WaitGroup
	for i := range handles {
		handles[i] = store.NewEmbedded(store.EmbeddedOptions{Path: path})
		t.Cleanup(func() { handles[i].Close() })
		for range 2 {
			group.Go(func() {
				if err := handles[i].Open(t.Context()); err != nil {
					t.Errorf("Open: %v", err)
				}
			})
		}
	}
	group.Wait()
	for i, e := range handles {
		if n, err := e.Count(t.Context(), "handles", time.Hour); err != nil || n != int64(i+1) {
			t.Errorf("Count through handle %d = %d, %v, want %d", i+1, n, err, i+1)
		}
	}
}

func TestClosedStoreDoesNotOpenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	e := openEmbedded(t, path, nil)
	e.Close()
	if err := e.Open(t.Context()); err == nil {
		t.Error("Open after Close = nil, want an error")
	}
}

func TestOpenFailsWhereItCannotKeepItsPromises(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	db, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 1000"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for name, path := range map[string]string{
		"no path":                  "",
		"a folder":                 dir,
		"a file as folder":         filepath.Join(garbage, "store.db"),
		"not a database":           garbage,
		"made by a newer Doorward": newer,
	} {
		e := store.NewEmbedded(store.EmbeddedOptions{Path: path})
		if err := e.Open(t.Context()); err == nil {
			t.Errorf("%s: Open = nil, want an error", name)
		}
		storetest.WantFailures(t, t.Context(), e)
		e.Close()
	}
}

func TestOpenCanBeTriedAgain(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e := store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(blocked, "store.db")})
	defer e.Close()
	if err := e.Open(t.Context()); err == nil {
		t.Fatal("Open under a file = nil, want an error")
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if err := e.Open(t.Context()); err != nil {
		t.Fatalf("Open once the way is free = %v, want nil", err)
	}
	if err := e.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v, want nil", err)
	}
}

// Another process may hold the file's lock, a backup for instance.
func TestLockedFileIsAFailureInTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	e := openEmbedded(t, path, nil)
	if err := e.Put(t.Context(), "key", []byte("value"), time.Hour); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := lock.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := e.Take(ctx, "key"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Take = %v, want a failure", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("Take took %v, want to respect the deadline of 100ms", took)
	}
	if _, err := e.Get(t.Context(), "key"); err != nil {
		t.Errorf("Get = %v, want the value: a reader needs no lock", err)
	}
	if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if got, err := e.Take(t.Context(), "key"); err != nil || string(got) != "value" {
		t.Errorf("Take once the lock is free = %q, %v, want the value", got, err)
	}
}

func TestSlowReceiverDoesNotHoldUpPublish(t *testing.T) {
	e := openEmbedded(t, filepath.Join(t.TempDir(), "store.db"), nil)
	stuck := make(chan struct{})
	received := make(chan string, 1)
	err := e.Subscribe(t.Context(), "topic", func(message []byte) {
		select {
		case received <- string(message):
		default:
		}
		<-stuck
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		if err := e.Publish(t.Context(), "topic", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	close(stuck)
	if got := storetest.Receive(t, received); got != "0" {
		t.Errorf("first message = %q, want %q", got, "0")
	}
}

func TestClosingLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		e := openEmbedded(t, filepath.Join(t.TempDir(), "store.db"), nil)
		if err := e.Subscribe(t.Context(), "topic", func([]byte) {}); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+5 { // database/sql ends its own a moment later
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines after closing, %d before opening", runtime.NumGoroutine(), before)
		}
		<-time.After(10 * time.Millisecond)
	}
}
