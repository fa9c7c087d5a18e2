package caddymodule

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
)

// openKeySets returns key sets, each on a directory of its own that is the same
// file, as several processes have it. They are not refreshed.
func openKeySets(t *testing.T, n int, secrets ...string) []*session.KeySet {
	t.Helper()
	return openKeySetsIn(t, filepath.Join(t.TempDir(), "directory.db"), n, secrets...)
}

func openKeySetsIn(t *testing.T, path string, n int, secrets ...string) []*session.KeySet {
	t.Helper()
	var raw [][]byte
	for _, s := range secrets {
		raw = append(raw, []byte(strings.Repeat(s, secret.MinLength)))
	}
	ring, err := secret.NewRing(raw...)
	if err != nil {
		t.Fatal(err)
	}
	var sets []*session.KeySet
	for range n {
		d := directory.NewSQLite(directory.SQLiteOptions{Path: path})
		if err := d.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		set, err := session.NewKeySet(session.KeyOptions{
			Storage: keyStorage{d}, Sealer: ring.Sealer("signing keys"), TokenLifetime: 12 * time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	return sets
}

func listedKeys(t *testing.T, set *session.KeySet) []session.KeyInfo {
	t.Helper()
	list, err := set.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestProcessesThatStartAtOnceMakeOneKeyInOneDirectory(t *testing.T) {
	sets := openKeySets(t, 6, "a")
	var group sync.WaitGroup
	for _, set := range sets {
		group.Go(func() {
			if err := set.Refresh(context.Background()); err != nil {
				t.Errorf("Refresh: %v", err)
			}
		})
	}
	group.Wait()
	for _, set := range sets {
		if got, want := string(set.JWKS()), string(sets[0].JWKS()); got != want || len(listedKeys(t, set)) != 1 {
			t.Errorf("keys %s, want one: %s", got, want)
		}
	}
}

func TestProcessesThatRotateAtOnceRotateOnce(t *testing.T) {
	sets := openKeySets(t, 6, "a")
	if err := sets[0].Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := make([]session.KeyInfo, len(sets))
	var group sync.WaitGroup
	for i, set := range sets {
		group.Go(func() {
			var err error
			if next[i], err = set.Rotate(context.Background(), false); err != nil {
				t.Errorf("Rotate: %v", err)
			}
		})
	}
	group.Wait()
	for _, info := range next {
		if info.ID != next[0].ID {
			t.Errorf("two next keys: %s and %s", info.ID, next[0].ID)
		}
	}
	if got := listedKeys(t, sets[0]); len(got) != 2 {
		t.Errorf("%d keys, want 2: %+v", len(got), got)
	}
}

// What the session package keeps comes back from the directory as it was.
func TestKeysAreInTheDirectoryAsTheyWereListed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory.db")
	set := openKeySetsIn(t, path, 1, "a")[0]
	if err := set.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	made, err := set.Rotate(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	want := listedKeys(t, set)
	if len(want) != 2 || !sameKey(want[1], made) || want[0].RetiresAt.IsZero() {
		t.Fatalf("keys %+v, want a second one, %+v, and the first to retire", want, made)
	}
	if n, err := openKeySetsIn(t, path, 1, "b", "a")[0].Reseal(t.Context()); n != 2 || err != nil {
		t.Errorf("Reseal = %d, %v, want 2", n, err)
	}
	got := listedKeys(t, openKeySetsIn(t, path, 1, "b")[0])
	if len(got) != len(want) {
		t.Fatalf("%d keys, want %d", len(got), len(want))
	}
	for i := range want {
		if !sameKey(got[i], want[i]) {
			t.Errorf("key %d = %+v, want %+v", i, got[i], want[i])
		}
	}
}

func sameKey(a, b session.KeyInfo) bool {
	return a.ID == b.ID && a.Algorithm == b.Algorithm && a.State == b.State &&
		a.CreatedAt.Equal(b.CreatedAt) && a.SignsFrom.Equal(b.SignsFrom) && a.RetiresAt.Equal(b.RetiresAt)
}
