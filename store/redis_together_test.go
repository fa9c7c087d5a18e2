package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// Of the keys that travel together one has moved to another node, one has not, one
// is at neither, and one is elsewhere.
var travelling = []string{"{moving}stays", "{moving}goes", "{moving}missing", "elsewhere"}

func TestKeysThatMoveAreReplacedAndDeletedTogether(t *testing.T) {
	for name, o := range map[string]store.RedisOptions{
		"a cluster":                        {},
		"a cluster whose replicas confirm": {Replicas: 1, ReplicaTimeout: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := storetest.StartCluster(t, calm...)
			o.URL = c.URL()
			r := openRedis(t, o)
			putTravelling(t, r)
			_, finish := move(t, c, "doorward:key:{moving}goes")
			wantReplaced(t, r, "on the way")
			if err := r.DeleteAll(t.Context(), "{moving}stays", "elsewhere"); err != nil {
				t.Errorf("DeleteAll on the way = %v, want nil", err)
			}
			finish()
			putTravelling(t, r)
			wantReplaced(t, r, "after the move")
			if err := r.DeleteAll(t.Context(), travelling...); err != nil {
				t.Errorf("DeleteAll after the move = %v, want nil", err)
			}
			for _, key := range travelling {
				if got, err := r.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Get(%q) after DeleteAll = %q, %v, want ErrNotFound", key, got, err)
				}
			}
		})
	}
}

// One of two changes is refused, and made at the node that has the key now. It is
// confirmed there; the other one is confirmed by nobody.
func TestRefusalOfOneChangeDoesNotConfirmTheOther(t *testing.T) {
	c := storetest.StartCluster(t, calm...)
	patient := openRedis(t, store.RedisOptions{URL: c.URL(), Replicas: 1, ReplicaTimeout: 10 * time.Second})
	r := openRedis(t, store.RedisOptions{URL: c.URL(), Replicas: 1, ReplicaTimeout: 300 * time.Millisecond})
	for _, key := range []string{"{moving}goes", "{moving}first", "{moving}last"} {
		if err := patient.Put(t.Context(), key, []byte("value"), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	const goes = "doorward:key:{moving}goes"
	from := c.Primary(goes)
	move(t, c, goes)
	replica := c.Nodes[slices.Index(c.Nodes, from)+len(c.Nodes)/2]
	replica.Pause()
	defer replica.Resume()
	// The one that is refused is the first in one round, and the last in the other.
	for _, keys := range [][]string{{"{moving}goes", "{moving}last"}, {"{moving}first", "{moving}goes"}} {
		var entries []store.Entry
		for _, key := range keys {
			entries = append(entries, store.Entry{Key: key, Value: []byte("replaced"), TTL: time.Hour})
		}
		if err := r.ReplaceAll(t.Context(), entries...); err == nil || !strings.Contains(err.Error(), "confirmed") {
			t.Errorf("ReplaceAll of %q = %v, want that it was not confirmed", keys, err)
		}
		if err := r.DeleteAll(t.Context(), keys...); err == nil || !strings.Contains(err.Error(), "confirmed") {
			t.Errorf("DeleteAll of %q = %v, want that it was not confirmed", keys, err)
		}
	}
	if err := r.ReplaceAll(t.Context(), store.Entry{Key: "{moving}goes", TTL: time.Hour}); err != nil {
		t.Errorf("ReplaceAll of what only the other node has = %v, want nil", err)
	}
}

// A server that refuses one command of a pipeline carries out the others.
func TestRefusalOfOneChangeIsAFailureOfAll(t *testing.T) {
	server := storetest.StartRedis(t)
	server.Must("acl", "setuser", "ann", "reset", "on", ">s3cret", "~doorward:open", "~doorward:key:mine*", "+@all")
	r := openRedis(t, store.RedisOptions{URL: as("ann", server.URL())})
	for _, keys := range [][]string{{"mine", "theirs"}, {"theirs", "mine"}, {"mine 1", "theirs", "mine 2"}} {
		var entries []store.Entry
		for _, key := range keys {
			entries = append(entries, store.Entry{Key: key, TTL: time.Hour})
		}
		if err := r.ReplaceAll(t.Context(), entries...); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("ReplaceAll of %q = %v, want that it is not permitted", keys, err)
		}
	}
}

func putTravelling(t *testing.T, s store.Store) {
	t.Helper()
	for _, key := range travelling {
		if strings.HasSuffix(key, "missing") {
			continue
		}
		if err := s.Put(t.Context(), key, []byte("value"), time.Hour); err != nil {
			t.Fatalf("Put(%q): %v", key, err)
		}
	}
}

func wantReplaced(t *testing.T, s store.Store, when string) {
	t.Helper()
	var entries []store.Entry
	for _, key := range travelling {
		entries = append(entries, store.Entry{Key: key, Value: []byte(key + " " + when), TTL: time.Hour})
	}
	if err := s.ReplaceAll(t.Context(), entries...); err != nil {
		t.Errorf("ReplaceAll %s = %v, want nil", when, err)
	}
	for _, e := range entries {
		got, err := s.Get(t.Context(), e.Key)
		if strings.HasSuffix(e.Key, "missing") {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("ReplaceAll %s has made %q: %q, %v", when, e.Key, got, err)
			}
		} else if err != nil || string(got) != string(e.Value) {
			t.Errorf("ReplaceAll %s has left %q with %q, %v, want %q", when, e.Key, got, err, e.Value)
		}
	}
}
