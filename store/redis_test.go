package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// openRedis returns an open store at url, closed with the test.
func openRedis(t testing.TB, o store.RedisOptions) *store.Redis {
	t.Helper()
	r, err := store.NewRedis(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	// Servers that were started a moment ago may have replicas still on the way.
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := r.Open(context.Background())
		if err == nil {
			return r
		}
		if o.Replicas == 0 || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// wait lets d pass on the server's clock, which counts in milliseconds and keeps
// a key until its last one is over.
func wait(d time.Duration) { <-time.After(d + 2*time.Millisecond) }

func TestMessagesReachOtherNodes(t *testing.T) {
	server := storetest.StartRedis(t)
	a := openRedis(t, store.RedisOptions{URL: server.URL()})
	b := openRedis(t, store.RedisOptions{URL: server.URL()})
	apart := openRedis(t, store.RedisOptions{URL: server.URL(), Prefix: "other:"})
	received, elsewhere := make(chan string, 1), make(chan string, 1)
	for s, messages := range map[*store.Redis]chan string{b: received, apart: elsewhere} {
		err := s.Subscribe(t.Context(), "ended", func(message []byte) { messages <- string(message) })
		if err != nil {
			t.Fatal(err)
		}
	}
	publish(t, a, "session")
	if got := storetest.Receive(t, received); got != "session" {
		t.Errorf("received %q, want %q", got, "session")
	}
	publish(t, apart, "own")
	if got := storetest.Receive(t, elsewhere); got != "own" {
		t.Errorf("received %q under another prefix, want %q", got, "own")
	}
}

func TestPrefixesAndDatabasesAreApart(t *testing.T) {
	server := storetest.StartRedis(t)
	o := store.RedisOptions{URL: server.URL()}
	first := openRedis(t, o)
	if err := first.Put(t.Context(), "key", []byte("value"), time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, other := range []store.RedisOptions{
		{URL: o.URL, Prefix: "other:"},
		{URL: "redis://" + server.Addr + "/1"},
		{URL: "unix://" + server.Socket + "?db=2"},
	} {
		if got, err := openRedis(t, other).Get(t.Context(), "key"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get with %+v = %q, %v, want ErrNotFound", other, got, err)
		}
	}
	if keys := server.Must("keys", "*").([]any); len(keys) != 1 || keys[0] != "doorward:key:key" {
		t.Errorf("keys in database 0 = %q, want doorward:key:key", keys)
	}
}

// What has no time to live stays until someone notices that Redis is full.
func TestEveryRedisKeyExpires(t *testing.T) {
	server := storetest.StartRedis(t)
	r := openRedis(t, store.RedisOptions{URL: server.URL()})
	ctx := t.Context()
	for _, err := range []error{
		r.Put(ctx, "put", nil, time.Hour),
		r.Put(ctx, "replaced", nil, time.Minute),
		r.Replace(ctx, "replaced", nil, time.Hour),
		r.Add(ctx, "set", "a", time.Hour),
		r.Add(ctx, "set", "b", time.Second),
		r.Add(ctx, "shorter", "a", 2*time.Hour),
		r.Add(ctx, "shorter", "a", time.Hour),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := r.Count(ctx, "count", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	keys := server.Must("keys", "*").([]any)
	if len(keys) != 5 {
		t.Fatalf("keys = %q, want 5", keys)
	}
	for _, key := range keys {
		ttl := time.Duration(server.Must("pttl", key.(string)).(int64)) * time.Millisecond
		if ttl <= 59*time.Minute || ttl > time.Hour {
			t.Errorf("%s lives for %v, want an hour", key, ttl)
		}
	}
}

func TestOpenNeedsAServerThatCanTake(t *testing.T) {
	server := storetest.StartRedis(t, "--rename-command", "GETDEL", "")
	r, err := store.NewRedis(store.RedisOptions{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "6.2") {
		t.Errorf("Open = %v, want an error that names Redis 6.2", err)
	}
	// Redis repeats what it does not understand, and a key may be a secret.
	if _, err := r.Take(t.Context(), "s3cret"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("Take = %v, want an error that does not contain the key", err)
	}
}

func TestPasswordIsUsedAndNeverPrinted(t *testing.T) {
	server := storetest.StartRedis(t, "--requirepass", "s3cret")
	openRedis(t, store.RedisOptions{URL: "redis://:s3cret@" + server.Addr})
	openRedis(t, store.RedisOptions{URL: "unix://:s3cret@" + server.Socket})
	for _, url := range []string{"redis://" + server.Addr, "redis://:wr0ng@" + server.Addr} {
		r, err := store.NewRedis(store.RedisOptions{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.Open(t.Context()); err == nil || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("Open = %v, want an error without the password", err)
		}
		storetest.WantFailures(t, t.Context(), r)
	}
}

func publish(t *testing.T, s store.Store, message string) {
	t.Helper()
	if err := s.Publish(t.Context(), "ended", []byte(message)); err != nil {
		t.Fatal(err)
	}
}
