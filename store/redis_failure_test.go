package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

func TestRedisRefusalsAreFailures(t *testing.T) {
	for name, setting := range map[string][]any{
		"full":    {"config", "set", "maxmemory", "1"},
		"replica": {"replicaof", "127.0.0.1", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			server := storetest.StartRedis(t)
			r := openRedis(t, store.RedisOptions{URL: server.URL()})
			ctx := t.Context()
			if err := r.Put(ctx, "key", []byte("value"), time.Hour); err != nil {
				t.Fatal(err)
			}
			if err := admin(t, server).Do(ctx, setting...).Err(); err != nil {
				t.Fatal(err)
			}
			_, countErr := r.Count(ctx, "count", time.Hour)
			for doing, err := range map[string]error{
				"Put":                    r.Put(ctx, "key", []byte("other"), time.Hour),
				"Replace":                r.Replace(ctx, "key", []byte("other"), time.Hour),
				"Replace of what is not": r.Replace(ctx, "missing", []byte("other"), time.Hour),
				"Count":                  countErr,
				"Add":                    r.Add(ctx, "set", "member", time.Hour),
			} {
				if err == nil || errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s = %v, want a failure", doing, err)
				}
			}
			if got, err := r.Get(ctx, "key"); err != nil || string(got) != "value" {
				t.Errorf("Get = %q, %v, want the value from before", got, err)
			}
		})
	}
}

func TestRedisAwayFailsQuicklyAndComesBack(t *testing.T) {
	server := storetest.StartRedis(t)
	r := openRedis(t, store.RedisOptions{URL: server.URL()})
	received := subscribe(t, r)
	server.Stop()
	start := time.Now()
	storetest.WantFailures(t, t.Context(), r)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("a dozen operations without a server took %v, want less than 5s", took)
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
		if err := admin(t, server).ClientKillByFilter(t.Context(), "TYPE", kind, "SKIPME", "yes").Err(); err != nil {
			t.Fatal(err)
		}
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

// A Count whose answer is lost has counted, and fails. Sent again behind the
// caller's back it would use up two attempts; a Take would find nothing.
func TestCommandIsNeverSentTwice(t *testing.T) {
	server := storetest.StartRedis(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var cut atomic.Bool
	forward(t, listener, server.Addr, &cut)
	r := openRedis(t, store.RedisOptions{URL: "redis://" + listener.Addr().String()})
	if n, err := r.Count(t.Context(), "attempts", time.Hour); err != nil || n != 1 {
		t.Fatalf("Count = %d, %v, want 1", n, err)
	}
	cut.Store(true)
	if n, err := r.Count(t.Context(), "attempts", time.Hour); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Count without an answer = %d, %v, want a failure", n, err)
	}
	if n, err := r.Count(t.Context(), "attempts", time.Hour); err != nil || n != 3 {
		t.Errorf("Count after one that had no answer = %d, %v, want 3", n, err)
	}
}

// forward passes the connections of listener on to addr. When cut is set it
// closes one connection instead of passing its next answer back, and clears cut.
func forward(t *testing.T, listener net.Listener, addr string, cut *atomic.Bool) {
	t.Cleanup(func() { listener.Close() })
	pass := func(client, server net.Conn) {
		defer client.Close()
		defer server.Close()
		answer := make([]byte, 64<<10)
		for {
			n, err := server.Read(answer)
			if err != nil || cut.CompareAndSwap(true, false) {
				return
			}
			if _, err := client.Write(answer[:n]); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				client.Close()
				continue
			}
			go pass(client, server)
			go func() {
				defer server.Close()
				io.Copy(server, client)
			}()
		}
	}()
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
