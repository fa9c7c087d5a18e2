package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// refusals are the ways in which a server that runs refuses changes, and what it
// says then.
var refusals = map[string]func(t *testing.T, server *storetest.Redis){
	"OOM":      func(_ *testing.T, server *storetest.Redis) { server.Must("config", "set", "maxmemory", "1") },
	"READONLY": func(_ *testing.T, server *storetest.Redis) { server.Must("replicaof", "127.0.0.1", "1") },
	"NOREPLICAS": func(_ *testing.T, server *storetest.Redis) {
		server.Must("config", "set", "min-replicas-to-write", "1")
	},
	"MISCONF": func(t *testing.T, server *storetest.Redis) {
		// It cannot save where it is told to.
		server.Must("config", "set", "save", "3600 1")
		if err := os.RemoveAll(filepath.Dir(server.Socket)); err != nil {
			t.Fatal(err)
		}
		server.Must("bgsave")
		deadline := time.Now().Add(10 * time.Second)
		for !strings.Contains(server.Must("info", "persistence").(string), "rdb_last_bgsave_status:err") {
			if time.Now().After(deadline) {
				t.Fatal("the server could save")
			}
			<-time.After(10 * time.Millisecond)
		}
	},
}

func TestRedisRefusalsAreFailures(t *testing.T) {
	for refusal, start := range refusals {
		t.Run(refusal, func(t *testing.T) {
			server := storetest.StartRedis(t)
			r := openRedis(t, store.RedisOptions{URL: server.URL()})
			ctx := t.Context()
			if err := r.Put(ctx, "key", []byte("value"), time.Hour); err != nil {
				t.Fatal(err)
			}
			start(t, server)
			_, countErr := r.Count(ctx, "count", time.Hour)
			failures := map[string]error{
				"Put":                    r.Put(ctx, "key", []byte("other"), time.Hour),
				"Replace":                r.Replace(ctx, "key", []byte("other"), time.Hour),
				"Replace of what is not": r.Replace(ctx, "missing", []byte("other"), time.Hour),
				"ReplaceAll":             r.ReplaceAll(ctx, store.Entry{Key: "missing", TTL: time.Hour}, store.Entry{Key: "key", Value: []byte("other"), TTL: time.Hour}),
				"Create":                 r.Create(ctx, "missing", []byte("other"), time.Hour),
				"Create of what is":      r.Create(ctx, "key", []byte("other"), time.Hour),
				"Count":                  countErr,
				"Add":                    r.Add(ctx, "set", "member", time.Hour),
			}
			if refusal != "OOM" { // a full server can still take away
				_, takeErr := r.Take(ctx, "key")
				_, missingErr := r.Take(ctx, "missing")
				failures["Take"], failures["Take of what is not"] = takeErr, missingErr
				failures["Delete"] = r.Delete(ctx, "key")
				failures["Remove"] = r.Remove(ctx, "set", "member")
			}
			for doing, err := range failures {
				if err == nil || !strings.Contains(err.Error(), refusal) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
					t.Errorf("%s = %v, want a failure that says %s", doing, err, refusal)
				}
			}
			if got, err := r.Get(ctx, "key"); err != nil || string(got) != "value" {
				t.Errorf("Get = %q, %v, want the value from before", got, err)
			}
		})
	}
}

// A server that reads its file after a restart accepts connections, and knows
// nothing yet.
func TestLoadingRedisIsAFailureUntilItHasLoaded(t *testing.T) {
	server := storetest.StartRedis(t, "--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024")
	r := openRedis(t, store.RedisOptions{URL: server.URL()})
	if err := r.Put(t.Context(), "key", []byte("value"), time.Hour); err != nil {
		t.Fatal(err)
	}
	server.Must("debug", "populate", "1000", "filler", "1024")
	server.Must("save")
	server.AddArgs("--key-load-delay", "1000") // microseconds: a second for all
	server.Restart()
	for _, key := range []string{"key", "missing"} {
		if got, err := r.Get(t.Context(), key); err == nil || !strings.Contains(err.Error(), "LOADING") {
			t.Errorf("Get(%q) = %q, %v, want that the server is loading", key, got, err)
		}
		if got, err := r.Take(t.Context(), key); err == nil || !strings.Contains(err.Error(), "LOADING") {
			t.Errorf("Take(%q) = %q, %v, want that the server is loading", key, got, err)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		got, err := r.Get(t.Context(), "key")
		if err == nil && string(got) == "value" {
			return
		}
		if errors.Is(err, store.ErrNotFound) || time.Now().After(deadline) {
			t.Fatalf("Get = %q, %v, want a failure until the value is loaded", got, err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// A server that is slow has done what was asked, later than anyone waited.
func TestSlowRedisIsAFailureInTime(t *testing.T) {
	server := storetest.StartRedis(t)
	r := openRedis(t, store.RedisOptions{URL: server.URL(), Timeout: 100 * time.Millisecond})
	server.Must("client", "pause", "500", "all")
	start := time.Now()
	if n, err := r.Count(t.Context(), "attempts", time.Hour); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Count = %d, %v, want a failure", n, err)
	}
	if took := time.Since(start); took > 400*time.Millisecond {
		t.Errorf("Count took %v, want about 100ms", took)
	}
	wantService(t, r)
}

func TestRedisAwayFailsQuicklyAndComesBack(t *testing.T) {
	server := storetest.StartRedis(t)
	r := openRedis(t, store.RedisOptions{URL: server.URL()})
	received := subscribe(t, r)
	server.Stop()
	start := time.Now()
	storetest.WantFailures(t, t.Context(), r)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("nineteen operations without a server took %v, want less than 5s", took)
	}
	server.Restart()
	wantService(t, r)
	wantMessages(t, r, received)
}

// A server that is stuck is worse than one that is gone: it accepts.
func TestPausedRedisIsAFailureInTime(t *testing.T) {
	server := storetest.StartRedis(t)
	r := openRedis(t, store.RedisOptions{URL: server.URL()})
	received := subscribe(t, r)
	server.Pause()
	start := time.Now()
	if _, err := r.Get(t.Context(), "key"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get = %v, want a failure", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("Get took %v, want about a second", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start = time.Now()
	if _, err := r.Take(ctx, "key"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Take = %v, want a failure", err)
	}
	if took := time.Since(start); took > 800*time.Millisecond {
		t.Errorf("Take took %v, want to respect the deadline of 50ms", took)
	}
	server.Resume()
	wantService(t, r)
	wantMessages(t, r, received)
}

func TestLostConnectionsAreMadeAgain(t *testing.T) {
	server := storetest.StartRedis(t)
	r := openRedis(t, store.RedisOptions{URL: server.URL()})
	received := subscribe(t, r)
	for _, kind := range []string{"normal", "pubsub"} {
		server.Must("client", "kill", "type", kind, "skipme", "yes")
	}
	if err := r.Put(t.Context(), "key", []byte("value"), time.Hour); err != nil {
		t.Errorf("Put after the connection was lost = %v, want nil", err)
	}
	wantMessages(t, r, received)
}

func TestSubscribingWithoutRedisIsAFailure(t *testing.T) {
	server := storetest.StartRedis(t)
	r := openRedis(t, store.RedisOptions{URL: server.URL()})
	server.Pause()
	defer server.Resume()
	start := time.Now()
	if err := r.Subscribe(t.Context(), "topic", func([]byte) {}); err == nil {
		t.Error("Subscribe = nil, want a failure")
	}
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("Subscribe took %v, want to give up", took)
	}
}

// subscribe returns the messages of "topic". The receiver never blocks for long.
func subscribe(t *testing.T, s store.Store) <-chan string {
	t.Helper()
	received := make(chan string, 1000)
	if err := s.Subscribe(t.Context(), "topic", func(message []byte) { received <- string(message) }); err != nil {
		t.Fatal(err)
	}
	return received
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// wantService waits until s works again.
func wantService(t *testing.T, s store.Store) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := s.Put(t.Context(), "key", []byte("value"), time.Hour)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Put still fails: %v", err)
		}
	}
	if got, err := s.Take(t.Context(), "key"); err != nil || string(got) != "value" {
		t.Errorf("Take = %q, %v, want the value", got, err)
	}
}

// wantMessages publishes to "topic" until a message arrives. Those from before
// the subscription was made again are lost, as documented.
func wantMessages(t *testing.T, s store.Store, received <-chan string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for i := 0; ; i++ {
		if err := s.Publish(t.Context(), "topic", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-received:
			return
		case <-deadline:
			t.Fatal("the subscription has not come back")
		case <-time.After(50 * time.Millisecond):
		}
	}
}
