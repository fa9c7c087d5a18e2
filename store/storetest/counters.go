package storetest

import (
	"testing"
	"time"

	"github.com/doorward/doorward/store"
)

var counters = []Promise{
	{"counting starts at one and goes up by one", countsUp},
	{"counting does not extend the time to live", countExpires},
	{"a counter under a millisecond is never kept", counterNeverLived},
	{"a counter can be deleted, and replaced by a value", counterDeleted},
	{"a counter has no value and a value has no count", kindsAreNotMixed},
}

func countsUp(t *testing.T, s store.Store, _ func(time.Duration)) {
	for want := range int64(5) {
		wantCount(t, s, "attempts", time.Hour, want+1)
	}
	wantCount(t, s, "other", time.Hour, 1)
}

func countExpires(t *testing.T, s store.Store, wait func(time.Duration)) {
	wantCount(t, s, "attempts", 2*time.Second, 1)
	wait(time.Second)
	wantCount(t, s, "attempts", time.Hour, 2)
	wait(time.Second)
	wantCount(t, s, "attempts", 2*time.Second, 1)
	// Nor is the ttl of a counter that has expired taken over.
	wait(time.Second)
	wantCount(t, s, "attempts", 2*time.Second, 2)
}

func counterNeverLived(t *testing.T, s store.Store, _ func(time.Duration)) {
	for _, ttl := range []time.Duration{0, -1, -time.Hour, time.Millisecond - 1} {
		wantCount(t, s, "attempts", ttl, 1)
		wantCount(t, s, "attempts", ttl, 1)
	}
	// It is not the time to live of a counter that runs already.
	wantCount(t, s, "running", time.Hour, 1)
	wantCount(t, s, "running", 0, 2)
	wantCount(t, s, "running", time.Hour, 3)
}

func counterDeleted(t *testing.T, s store.Store, wait func(time.Duration)) {
	wantCount(t, s, "key", time.Hour, 1)
	wantCount(t, s, "key", time.Hour, 2)
	must(t, s.Delete(t.Context(), "key"))
	wantCount(t, s, "key", time.Hour, 1)
	put(t, s, "key", "value", time.Millisecond)
	wait(time.Millisecond)
	wantGone(t, s, "key")
	wantCount(t, s, "key", time.Hour, 1)
}

func kindsAreNotMixed(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx := t.Context()
	wantCount(t, s, "counter", time.Hour, 1)
	_, err := s.Get(ctx, "counter")
	wantFailure(t, "Get of a counter", err)
	_, err = s.Take(ctx, "counter")
	wantFailure(t, "Take of a counter", err)
	wantCount(t, s, "counter", time.Hour, 2)

	put(t, s, "value", "12", time.Hour)
	_, err = s.Count(ctx, "value", time.Hour)
	wantFailure(t, "Count of a value", err)
	wantValue(t, s, "value", "12")
}
