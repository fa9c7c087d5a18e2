package directory_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

// off returns a clock that is wrong by d.
func off(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}

func removeAllKeys([]directory.Key) ([]directory.Key, error) { return nil, nil }

// A node that believes to be in another month would make keys that sign in that
// month, and remove those that the others sign with now.
func TestANodeWhoseClockIsWrongChangesNoKeys(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	right := openPostgres(t, p.URL(), time.Now)
	current := key("current", 0)
	addKeys(t, right, current)
	for _, tt := range []struct {
		off  time.Duration
		want string
	}{
		{30 * 24 * time.Hour, "it is 720h0m"},
		{-30 * 24 * time.Hour, "behind"},
		{time.Hour, "ahead"},
		{-time.Hour, "behind"},
		{2*time.Minute + 10*time.Second, "it is 2m"},
		{-2*time.Minute - 10*time.Second, "it is 2m"},
	} {
		wrong := openPostgres(t, p.URL(), off(tt.off))
		called := false
		err := wrong.ChangeKeys(t.Context(), func(keys []directory.Key) ([]directory.Key, error) {
			called = true
			return append(keys, key("wrong", 0)), nil
		})
		if !errors.Is(err, directory.ErrClock) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "set it") {
			t.Errorf("off by %v: got %v, want ErrClock that says %q, and to set the clock", tt.off, err, tt.want)
		}
		if called {
			t.Errorf("off by %v: change was called", tt.off)
		}
		wantKeys(t, right, current)
		wantKeys(t, wrong, current) // to verify with them it needs no clock
	}
	for _, d := range []time.Duration{0, 110 * time.Second, -110 * time.Second} {
		if err := openPostgres(t, p.URL(), off(d)).ChangeKeys(t.Context(), removeAllKeys); err != nil {
			t.Errorf("off by %v: %v", d, err)
		}
		wantKeys(t, right)
		addKeys(t, right, current)
	}
}

// Between two readings of its own clock, a node knows no better than that the
// server's answer is true at one of them.
func TestASlowAnswerIsNotTakenForAWrongClock(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	for _, tt := range []struct {
		name          string
		before, after time.Duration // what the node's clock is off by when it asks, and when it has the answer
		want          error
	}{
		{"the question takes four minutes", -4 * time.Minute, 0, nil},
		{"the answer takes four minutes", 0, 4 * time.Minute, nil},
		{"ahead, and slow", 4 * time.Minute, 8 * time.Minute, directory.ErrClock},
		{"behind, and slow", -8 * time.Minute, -4 * time.Minute, directory.ErrClock},
	} {
		looks := 0
		d := openPostgres(t, p.URL(), func() time.Time {
			looks++
			if looks == 1 {
				return time.Now().Add(tt.before)
			}
			return time.Now().Add(tt.after)
		})
		looks = 0
		if err := d.ChangeKeys(t.Context(), removeAllKeys); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

// A file has the clock of its machine, which there is nothing to compare with.
func TestKeysInAFileChangeByAnyClock(t *testing.T) {
	d := openSQLite(t, filepath.Join(t.TempDir(), "directory.db"), off(30*24*time.Hour))
	addKeys(t, d, key("current", 0))
	wantKeys(t, d, key("current", 0))
}
