package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
)

var races = []Promise{
	{"of 100 concurrent Takes one gets the value", takeRace},
	{"of 100 concurrent Creates one makes the key", createRace},
	{"a key that is created and taken again and again is each time one's", createTakeRace},
	{"200 concurrent callers count each number once", countRace},
	{"Replace racing Delete never brings the value back", replaceRace},
	{"Replace racing Take never brings the value back", replaceTakeRace},
	{"ReplaceAll racing Delete never brings a value back", replaceAllRace},
	{"concurrent members are all added", addRace},
}

func takeRace(t *testing.T, s store.Store, _ func(time.Duration)) {
	put(t, s, "challenge", "value", time.Hour)
	if got := takers(t, 100, s); got != 1 {
		t.Errorf("%d of 100 concurrent Takes got the value, want 1", got)
	}
}

func createRace(t *testing.T, s store.Store, _ func(time.Duration)) {
	wantOneCreator(t, 100, s)
}

// createTakeRace lets callers hold a key as one holds a lock: whoever creates it
// has it alone until they take it back.
func createTakeRace(t *testing.T, s store.Store, _ func(time.Duration)) {
	var holders, held atomic.Int64
	atOnce(10, func(i int) {
		mine := fmt.Sprint("caller ", i)
		for range 10 {
			err := s.Create(t.Context(), "lock", []byte(mine), time.Hour)
			if errors.Is(err, store.ErrExists) {
				continue
			}
			if err != nil {
				t.Errorf("Create: %v", err)
				return
			}
			if n := holders.Add(1); n != 1 {
				t.Errorf("%d callers have created the key, want 1", n)
			}
			held.Add(1)
			holders.Add(-1)
			if got, err := s.Take(t.Context(), "lock"); err != nil || string(got) != mine {
				t.Errorf("Take = %q, %v, want %q", got, err, mine)
			}
		}
	})
	if held.Load() == 0 {
		t.Error("nobody has created the key")
	}
	wantGone(t, s, "lock")
}

func countRace(t *testing.T, s store.Store, _ func(time.Duration)) {
	wantEachOnce(t, countAtOnce(t, 200, s))
}

func replaceRace(t *testing.T, s store.Store, _ func(time.Duration)) {
	replaceWhile(t, s, func() error { return s.Delete(t.Context(), "session") })
}

func replaceTakeRace(t *testing.T, s store.Store, _ func(time.Duration)) {
	replaceWhile(t, s, func() error {
		_, err := s.Take(t.Context(), "session")
		return err
	})
}

// replaceWhile ends a session while others keep touching it: once end has
// returned no touch finds it, and none has put it back.
func replaceWhile(t *testing.T, s store.Store, end func() error) {
	t.Helper()
	for range 5 {
		put(t, s, "session", "value", time.Hour)
		var over atomic.Bool
		atOnce(9, func(i int) {
			if i == 0 {
				if err := end(); err != nil {
					t.Errorf("ending the session: %v", err)
				}
				over.Store(true)
				return
			}
			for more := 3; more > 0; {
				before := over.Load()
				err := s.Replace(t.Context(), "session", []byte("touched"), time.Hour)
				if err == nil && before {
					t.Error("Replace found the session after it had ended")
				}
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Replace: %v", err)
					return
				}
				if before {
					more--
				}
			}
		})
		wantGone(t, s, "session")
	}
}

func replaceAllRace(t *testing.T, s store.Store, _ func(time.Duration)) {
	entries := make([]store.Entry, 10)
	for i := range entries {
		entries[i] = store.Entry{Key: fmt.Sprint("session ", i), Value: []byte("touched"), TTL: time.Hour}
	}
	for range 5 {
		for _, e := range entries {
			put(t, s, e.Key, "value", time.Hour)
		}
		atOnce(8, func(i int) {
			if i < 4 {
				if err := s.ReplaceAll(t.Context(), entries...); err != nil {
					t.Errorf("ReplaceAll: %v", err)
				}
				return
			}
			for j := i - 4; j < len(entries); j += 4 {
				if err := s.Delete(t.Context(), entries[j].Key); err != nil {
					t.Errorf("Delete: %v", err)
				}
			}
		})
		for _, e := range entries {
			wantGone(t, s, e.Key)
		}
	}
}

func addRace(t *testing.T, s store.Store, _ func(time.Duration)) {
	want := make([]string, 50)
	for i := range want {
		want[i] = string(rune('A' + i))
	}
	atOnce(len(want), func(i int) {
		if err := s.Add(t.Context(), "set", want[i], time.Hour); err != nil {
			t.Errorf("Add: %v", err)
		}
	})
	wantMembers(t, s, "set", want...)
}
