package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
)

var answers = []Promise{
	{"an open store answers", pings},
	{"a request that is over is a failure, never an answer", endedContext},
	{"a closed store fails", closedStore},
}

func pings(t *testing.T, s store.Store, _ func(time.Duration)) {
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v, want nil", err)
	}
}

func endedContext(t *testing.T, s store.Store, _ func(time.Duration)) {
	put(t, s, "key", "value", time.Hour)
	WantFailures(t, ended(t), s)
	wantValue(t, s, "key", "value")
	wantGone(t, s, "missing")
	wantMembers(t, s, "set")
}

func closedStore(t *testing.T, s store.Store, _ func(time.Duration)) {
	must(t, s.Close())
	if err := s.Close(); err != nil {
		t.Errorf("second Close = %v, want nil", err)
	}
	WantFailures(t, t.Context(), s)
}

// WantFailures calls every method of a store that cannot answer, and checks that
// each returns a failure and not [store.ErrNotFound] or [store.ErrExists]. It uses
// the keys "key", "missing" and "count", the set "set" and the topic "topic".
func WantFailures(t *testing.T, ctx context.Context, s store.Store) {
	t.Helper()
	_, err := s.Get(ctx, "key")
	wantFailure(t, "Get", err)
	_, err = s.Take(ctx, "key")
	wantFailure(t, "Take", err)
	_, err = s.Count(ctx, "count", time.Hour)
	wantFailure(t, "Count", err)
	_, err = s.Members(ctx, "set")
	wantFailure(t, "Members", err)
	value := []byte("other value")
	wantFailure(t, "Put", s.Put(ctx, "key", value, time.Hour))
	wantFailure(t, "Replace", s.Replace(ctx, "key", value, time.Hour))
	entries := []store.Entry{{Key: "key", Value: value, TTL: time.Hour}, {Key: "missing", Value: value, TTL: time.Hour}}
	wantFailure(t, "ReplaceAll", s.ReplaceAll(ctx, entries...))
	wantFailure(t, "ReplaceAll of what is not there", s.ReplaceAll(ctx, entries[1:]...))
	wantFailure(t, "Create", s.Create(ctx, "key", value, time.Hour))
	wantFailure(t, "Create of what is not there", s.Create(ctx, "missing", value, time.Hour))
	wantFailure(t, "Delete", s.Delete(ctx, "key"))
	wantFailure(t, "DeleteAll", s.DeleteAll(ctx, "key", "other"))
	wantFailure(t, "Add", s.Add(ctx, "set", "member", time.Hour))
	wantFailure(t, "Remove", s.Remove(ctx, "set", "member"))
	wantFailure(t, "Publish", s.Publish(ctx, "topic", value))
	wantFailure(t, "Subscribe", s.Subscribe(ctx, "topic", func([]byte) {}))
	wantFailure(t, "Ping", s.Ping(ctx))
}
