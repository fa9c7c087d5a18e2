package storetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
)

var races = []Promise{
	{"of 100 concurrent Takes one gets the value", takeRace},
	{"200 concurrent callers count each number once", countRace},
	{"Replace racing Delete never brings the value back", replaceRace},
	{"Replace racing Take never brings the value back", replaceTakeRace},
	{"concurrent members are all added", addRace},
}

func takeRace(t *testing.T, s store.Store, _ func(time.Duration)) {
	put(t, s, "challenge", "value", time.Hour)
	if got := takers(t, 100, s); got != 1 {
		t.Errorf("%d of 100 concurrent Takes got the value, want 1", got)
	}
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
