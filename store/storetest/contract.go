// Package storetest holds the contract of [store.Store] as tests: every store
// passes them, and a new rule is written here first. It also runs real Redis
// servers for the tests that want them: one alone, replicas, sentinels, a cluster,
// each with TLS or without, to be killed, paused and started again.
//
// It does not test what only one store has: a file, a connection to lose.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
)

// Promise is one line of the contract. Check runs it against an open, empty
// store; wait lets d pass for the store and the test.
type Promise struct {
	Name  string
	Check func(t *testing.T, s store.Store, wait func(d time.Duration))
}

// Contract is what a Store promises.
var Contract = slices.Concat(values, counters, sets, topics, races, answers)

// Shared is what a Store promises to two handles on the same state, in one
// process or in two.
var Shared = []struct {
	Name  string
	Check func(t *testing.T, a, b store.Store)
}{
	{"each handle sees what the other wrote", seesWrites},
	{"a value is taken once, whichever handle asks", takenOnceByTwo},
	{"two handles count together", countedByTwo},
	{"a key is created once, whichever handle asks", createdOnceByTwo},
	{"what one handle has deleted the other cannot replace", replacedByTwo},
}

func seesWrites(t *testing.T, a, b store.Store) {
	ctx := t.Context()
	put(t, a, "key", "value", time.Hour)
	wantValue(t, b, "key", "value")
	must(t, a.Add(ctx, "set", "member", time.Hour))
	wantMembers(t, b, "set", "member")
	must(t, b.Remove(ctx, "set", "member"))
	wantMembers(t, a, "set")
	must(t, b.Delete(ctx, "key"))
	wantGone(t, a, "key")
}

func takenOnceByTwo(t *testing.T, a, b store.Store) {
	for range 20 {
		put(t, a, "challenge", "value", time.Hour)
		if got := takers(t, 10, a, b); got != 1 {
			t.Fatalf("%d of 10 Takes through two handles got the value, want 1", got)
		}
	}
}

func countedByTwo(t *testing.T, a, b store.Store) {
	wantEachOnce(t, countAtOnce(t, 100, a, b))
}

func createdOnceByTwo(t *testing.T, a, b store.Store) {
	for range 20 {
		wantOneCreator(t, 10, a, b)
		must(t, b.Delete(t.Context(), "promise"))
	}
}

func replacedByTwo(t *testing.T, a, b store.Store) {
	put(t, a, "session", "value", time.Hour)
	must(t, b.Delete(t.Context(), "session"))
	if err := a.Replace(t.Context(), "session", []byte("touched"), time.Hour); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Replace after the other handle's Delete = %v, want ErrNotFound", err)
	}
	wantGone(t, b, "session")
}

// takers lets n callers take "challenge" at once and returns how many got it.
func takers(t *testing.T, n int, handles ...store.Store) int {
	t.Helper()
	var mu sync.Mutex
	taken := 0
	atOnce(n, func(i int) {
		value, err := handles[i%len(handles)].Take(t.Context(), "challenge")
		switch {
		case err == nil && string(value) == "value":
			mu.Lock()
			taken++
			mu.Unlock()
		case !errors.Is(err, store.ErrNotFound):
			t.Errorf("Take = %q, %v, want the value or ErrNotFound", value, err)
		}
	})
	return taken
}

// wantOneCreator lets n callers create "promise" at once, and checks that one
// does, and that its value is what all find.
func wantOneCreator(t *testing.T, n int, handles ...store.Store) {
	t.Helper()
	var mu sync.Mutex
	var creators []string
	atOnce(n, func(i int) {
		value := fmt.Sprint("caller ", i)
		err := handles[i%len(handles)].Create(t.Context(), "promise", []byte(value), time.Hour)
		switch {
		case err == nil:
			mu.Lock()
			creators = append(creators, value)
			mu.Unlock()
		case !errors.Is(err, store.ErrExists):
			t.Errorf("Create = %v, want nil or ErrExists", err)
		}
	})
	if len(creators) != 1 {
		t.Fatalf("%d of %d concurrent Creates succeeded, want 1", len(creators), n)
	}
	for _, s := range handles {
		wantValue(t, s, "promise", creators[0])
	}
}

// countAtOnce lets n callers count at once and returns the counts, sorted.
func countAtOnce(t *testing.T, n int, handles ...store.Store) []int64 {
	t.Helper()
	counts := make([]int64, n)
	atOnce(n, func(i int) {
		var err error
		if counts[i], err = handles[i%len(handles)].Count(t.Context(), "attempts", time.Hour); err != nil {
			t.Errorf("Count: %v", err)
		}
	})
	slices.Sort(counts)
	return counts
}

func wantEachOnce(t *testing.T, counts []int64) {
	t.Helper()
	for i, got := range counts {
		if want := int64(i + 1); got != want {
			t.Fatalf("count %d of %d = %d, want %d: each number once", i+1, len(counts), got, want)
		}
	}
}

// atOnce runs f(0) to f(n-1) together and waits for them.
func atOnce(n int, f func(i int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	group.Wait()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s store.Store, key, value string, ttl time.Duration) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(value), ttl); err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
}

func wantValue(t *testing.T, s store.Store, key, want string) {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	if err != nil || !bytes.Equal(got, []byte(want)) {
		t.Errorf("Get(%q) = %q, %v, want %q", key, got, err, want)
	}
}

func wantGone(t *testing.T, s store.Store, key string) {
	t.Helper()
	if got, err := s.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get(%q) = %q, %v, want ErrNotFound", key, got, err)
	}
}

func wantExists(t *testing.T, s store.Store, key string, ttl time.Duration) {
	t.Helper()
	if err := s.Create(t.Context(), key, []byte("another"), ttl); !errors.Is(err, store.ErrExists) {
		t.Errorf("Create(%q) for %v = %v, want ErrExists", key, ttl, err)
	}
}

func wantCount(t *testing.T, s store.Store, key string, ttl time.Duration, want int64) {
	t.Helper()
	if got, err := s.Count(t.Context(), key, ttl); err != nil || got != want {
		t.Errorf("Count(%q) = %d, %v, want %d", key, got, err, want)
	}
}

func wantMembers(t *testing.T, s store.Store, set string, want ...string) {
	t.Helper()
	got, err := s.Members(t.Context(), set)
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Members(%q) = %q, %v, want %q", set, got, err, want)
	}
}

// wantFailure checks that err is neither success nor an answer.
func wantFailure(t *testing.T, doing string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
		t.Errorf("%s = %v, want a failure", doing, err)
	}
}

// ended returns a context that has ended.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
