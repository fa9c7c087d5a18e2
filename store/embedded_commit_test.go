package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A heldUp store has a commit under way that ends when the test says so. Until then
// all changes wait.
type heldUp struct {
	*Embedded
	path    string
	release func() // lets the commit end
	led     error  // what the change that held it up has come to, after wait
	waiting sync.WaitGroup
}

func holdUp(t *testing.T) *heldUp {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	s := &heldUp{Embedded: NewEmbedded(EmbeddedOptions{Path: path}), path: path}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	begun, released := make(chan struct{}), make(chan struct{})
	s.release = sync.OnceFunc(func() { close(released) })
	t.Cleanup(s.release)
	s.waiting.Go(func() {
		s.led = s.write(context.Background(), func(*database) error {
			close(begun)
			<-released
			return nil
		})
	})
	<-begun
	return s
}

// queue asks for a change, and returns when it waits in its place.
func (s *heldUp) queue(t *testing.T, f func() error, into *error) {
	t.Helper()
	before := s.queued()
	s.waiting.Go(func() { *into = f() })
	s.wantQueued(t, before+1)
}

func (s *heldUp) queued() int {
	q := &s.opened.Load().commits
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

func (s *heldUp) wantQueued(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for s.queued() != want {
		if time.Now().After(deadline) {
			t.Fatalf("%d changes wait, want %d", s.queued(), want)
		}
		<-time.After(time.Millisecond)
	}
}

// put is a change that puts a value, and calls inside before it is committed.
func (s *heldUp) put(key string, inside func(db *database) error) func() error {
	return func() error {
		return s.write(context.Background(), func(db *database) error {
			if _, err := db.put.Exec(key, []byte("value"), s.millis(time.Hour)); err != nil {
				return err
			}
			return inside(db)
		})
	}
}

func nothing(*database) error { return nil }

// fails is a change that SQLite refuses: an entry without value and count.
func fails(db *database) error {
	_, err := db.put.Exec("neither", nil, 0)
	return err
}

func (s *heldUp) wantThere(t *testing.T, there bool, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, err := s.Get(t.Context(), key); there && err != nil || !there && !errors.Is(err, ErrNotFound) {
			t.Errorf("Get(%q) = %v, want that it is there: %v", key, err, there)
		}
	}
}

func TestChangesThatWaitShareACommit(t *testing.T) {
	s := holdUp(t)
	errs := make([]error, 3)
	s.queue(t, s.put("first", nothing), &errs[0])
	s.queue(t, s.put("second", nothing), &errs[1])
	// No reader sees of a transaction what is not committed.
	var seen error
	s.queue(t, s.put("third", func(*database) error {
		_, seen = s.Get(context.Background(), "second")
		return nil
	}), &errs[2])
	s.release()
	s.waiting.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if !errors.Is(seen, ErrNotFound) {
		t.Errorf("Get of what was put before in the same commit = %v, want ErrNotFound", seen)
	}
	s.wantThere(t, true, "first", "second", "third")
}

func TestAnswersOfChangesThatShareACommitAreTheirOwn(t *testing.T) {
	s := holdUp(t)
	ctx := context.Background()
	var errs [6]error
	var counts [2]int64
	s.queue(t, func() error { return s.Create(ctx, "key", []byte("first"), time.Hour) }, &errs[0])
	s.queue(t, func() error { return s.Create(ctx, "key", []byte("second"), time.Hour) }, &errs[1])
	s.queue(t, func() (err error) { counts[0], err = s.Count(ctx, "count", time.Hour); return err }, &errs[2])
	s.queue(t, func() (err error) { counts[1], err = s.Count(ctx, "count", time.Hour); return err }, &errs[3])
	s.queue(t, func() error { _, err := s.Take(ctx, "key"); return err }, &errs[4])
	s.queue(t, func() error { _, err := s.Take(ctx, "key"); return err }, &errs[5])
	s.release()
	s.waiting.Wait()
	for i, want := range []error{nil, ErrExists, nil, nil, nil, ErrNotFound} {
		if errs[i] != want {
			t.Errorf("change %d = %v, want %v", i, errs[i], want)
		}
	}
	if counts != [2]int64{1, 2} {
		t.Errorf("counts = %v, want 1 and 2: first come, first served", counts)
	}
	s.wantThere(t, false, "key")
}

func TestFailureOfAChangeIsNotThatOfOthersInItsCommit(t *testing.T) {
	s := holdUp(t)
	var errs [5]error
	s.queue(t, s.put("first", nothing), &errs[0])
	s.queue(t, s.put("second", nothing), &errs[1])
	s.queue(t, func() error { return s.write(context.Background(), fails) }, &errs[2])
	s.queue(t, func() error {
		return s.transact(context.Background(), func(db *database) error {
			if _, err := db.put.Exec("half", []byte("value"), s.millis(time.Hour)); err != nil {
				return err
			}
			return fails(db)
		})
	}, &errs[3])
	s.queue(t, s.put("last", nothing), &errs[4])
	s.release()
	s.waiting.Wait()
	for i, fails := range []bool{false, false, true, true, false} {
		if (errs[i] != nil) != fails {
			t.Errorf("change %d = %v, want a failure: %v", i, errs[i], fails)
		}
	}
	s.wantThere(t, true, "first", "second", "last")
	s.wantThere(t, false, "half", "neither")
}

// SQLite undoes a transaction by itself when the disk is full, for instance.
func TestCommitThatFailsIsAFailureOfAllInIt(t *testing.T) {
	s := holdUp(t)
	errs := make([]error, 3)
	s.queue(t, s.put("first", nothing), &errs[0])
	s.queue(t, s.put("second", nothing), &errs[1])
	s.queue(t, s.put("third", func(db *database) error {
		_, err := db.rollback.Exec()
		return err
	}), &errs[2])
	s.release()
	s.waiting.Wait()
	for i, err := range errs {
		if !isFailure(err) {
			t.Errorf("change %d = %v, want a failure: nothing was committed", i, err)
		}
	}
	s.wantThere(t, false, "first", "second", "third")
	if err := s.Put(t.Context(), "later", nil, time.Hour); err != nil {
		t.Errorf("Put after it = %v, want nil", err)
	}
}

// A panic in a handler is the server's to survive, and with it everybody who waits.
func TestPanicInACommitIsAFailureOfAllInItAndOfNobodyElse(t *testing.T) {
	s := holdUp(t)
	errs := make([]error, 3)
	var panicked any
	s.queue(t, func() error {
		defer func() { panicked = recover() }()
		return s.put("leader", nothing)()
	}, &errs[0])
	s.queue(t, s.put("first", nothing), &errs[1])
	s.queue(t, s.put("second", func(*database) error { panic("at the disco") }), &errs[2])
	s.release()
	s.waiting.Wait()
	if panicked == nil {
		t.Error("the leader did not panic")
	}
	for i, err := range errs[1:] {
		if err == nil {
			t.Errorf("change %d = nil, want a failure", i+1)
		}
	}
	s.wantThere(t, false, "leader", "first", "second")
	if err := s.Put(t.Context(), "later", nil, time.Hour); err != nil {
		t.Errorf("Put after it = %v, want nil", err)
	}
	s.wantThere(t, true, "later")
}

func TestChangeThatIsGivenUpWhileItWaitsIsNotMade(t *testing.T) {
	s := holdUp(t)
	var first, last error
	s.queue(t, s.put("first", nothing), &first)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() { given <- s.Put(ctx, "given up", nil, time.Hour) }()
	s.wantQueued(t, 2)
	s.queue(t, s.put("last", nothing), &last)
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %v, want that it was cancelled, while the commit before it goes on", err)
	}
	s.release()
	s.waiting.Wait()
	if err := errors.Join(s.led, first, last); err != nil {
		t.Errorf("the others = %v, want nil", err)
	}
	s.wantThere(t, true, "first", "last")
	s.wantThere(t, false, "given up")
}

func TestChangeThatIsGivenUpWhileItIsMadeIsMade(t *testing.T) {
	s := holdUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	var first, second error
	s.queue(t, s.put("first", func(*database) error { cancel(); return nil }), &first)
	s.queue(t, func() error { return s.Put(ctx, "second", nil, time.Hour) }, &second)
	s.release()
	s.waiting.Wait()
	if err := errors.Join(first, second); err != nil {
		t.Errorf("Put = %v, want nil: both were made", err)
	}
	s.wantThere(t, true, "first", "second")
}

func TestNobodyWaitsForMoreChangesThanShareACommit(t *testing.T) {
	s := holdUp(t)
	errs := make([]error, 2*commitAtOnce+1)
	for i := range errs {
		s.queue(t, s.put(fmt.Sprint("key ", i), nothing), &errs[i])
	}
	var seen int
	var last error
	s.queue(t, s.put("last", func(db *database) error {
		// What the commits before it have made, everybody can see.
		return db.reader.QueryRow("SELECT count(*) FROM entries").Scan(&seen)
	}), &last)
	s.release()
	s.waiting.Wait()
	if err := errors.Join(append(errs, last)...); err != nil {
		t.Error(err)
	}
	if want := 2 * commitAtOnce; seen != want {
		t.Errorf("%d changes are seen by the %dth, want %d", seen, len(errs)+1, want)
	}
}

func TestClosingWaitsForTheChangesThatWait(t *testing.T) {
	s := holdUp(t)
	errs := make([]error, 10)
	for i := range errs {
		s.queue(t, s.put(fmt.Sprint("key ", i), nothing), &errs[i])
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("Close = %v, while changes wait", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.release()
	if err := <-closed; err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
	s.waiting.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("changes from before Close = %v, want nil", err)
	}
	if err := s.Put(t.Context(), "late", nil, time.Hour); err == nil {
		t.Error("Put after Close = nil, want a failure")
	}
	again := &heldUp{Embedded: NewEmbedded(EmbeddedOptions{Path: s.path})}
	defer again.Close()
	if err := again.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range errs {
		again.wantThere(t, true, fmt.Sprint("key ", i))
	}
}
