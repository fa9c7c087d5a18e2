package store_test

import (
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// Everyone who waits for a connection waits in vain, one after the other: that must
// not add up.
func TestThousandRequestsFailInTimeWhileRedisIsStuck(t *testing.T) {
	server := storetest.StartRedis(t)
	r := openRedis(t, store.RedisOptions{URL: server.URL()})
	server.Pause()
	var mu sync.Mutex
	var longest time.Duration
	var waiting sync.WaitGroup
	for range 1000 {
		waiting.Go(func() {
			start := time.Now()
			if got, err := r.Take(t.Context(), "key"); err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("Take = %q, %v, want a failure", got, err)
			}
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, time.Since(start))
		})
	}
	waiting.Wait()
	if longest > 5*time.Second {
		t.Errorf("the last of a thousand took %v, want 4s at most", longest)
	}
	t.Logf("the last of a thousand took %v", longest.Round(time.Millisecond))
	server.Resume()
	start := time.Now()
	wantService(t, r)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("back in service after %v, want less than 3s", took)
	}
}

// away are the ways in which all servers may be away. Each returns the options, and
// what brings them back; a black hole never comes back.
var away = map[string]func(t *testing.T) (o store.RedisOptions, back func()){
	"one server that was killed": func(t *testing.T) (store.RedisOptions, func()) {
		server := storetest.StartRedis(t)
		server.Stop()
		return store.RedisOptions{URL: server.URL()}, server.Restart
	},
	"one server that is stuck": func(t *testing.T) (store.RedisOptions, func()) {
		server := storetest.StartRedis(t)
		server.Pause()
		return store.RedisOptions{URL: server.URL()}, server.Resume
	},
	"one address that swallows everything": func(t *testing.T) (store.RedisOptions, func()) {
		return store.RedisOptions{URL: "redis://" + blackHole(t)}, nil
	},
	"sentinels that are stuck, and their servers": func(t *testing.T) (store.RedisOptions, func()) {
		s := storetest.StartSentinels(t)
		return store.RedisOptions{URL: s.URL()}, stuck(slices.Concat(s.Sentinels, s.Servers))
	},
	"sentinels that swallow everything": func(t *testing.T) (store.RedisOptions, func()) {
		return store.RedisOptions{URL: "redis+sentinel://" + blackHole(t) + "," + blackHole(t) + "/primary"}, nil
	},
	"a cluster that is stuck": func(t *testing.T) (store.RedisOptions, func()) {
		c := storetest.StartCluster(t)
		return store.RedisOptions{URL: c.URL()}, stuck(c.Nodes)
	},
	"a cluster that swallows everything": func(t *testing.T) (store.RedisOptions, func()) {
		return store.RedisOptions{URL: "redis+cluster://" + blackHole(t) + "," + blackHole(t) + "," + blackHole(t)}, nil
	},
}

// An outage may last, and must not use up the machine meanwhile.
func TestOutageCostsNoGoroutinesAndEndsByItself(t *testing.T) {
	for name, start := range away {
		t.Run(name, func(t *testing.T) {
			o, back := start(t)
			o.DialTimeout, o.Timeout, o.PoolTimeout = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
			o.PoolSize = 5
			r, err := store.NewRedis(o)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()

			const callers = 50
			before := runtime.NumGoroutine()
			until := time.Now().Add(1500 * time.Millisecond)
			var calling sync.WaitGroup
			for range callers {
				calling.Go(func() {
					for time.Now().Before(until) {
						start := time.Now()
						if n, err := r.Count(t.Context(), "attempts", time.Hour); err == nil || errors.Is(err, store.ErrNotFound) {
							t.Errorf("Count = %d, %v, want a failure", n, err)
						}
						if took := time.Since(start); took > 1200*time.Millisecond {
							t.Errorf("Count took %v, want 600ms at most", took)
						}
						<-time.After(time.Millisecond)
					}
				})
			}
			most := 0
			for time.Now().Before(until) {
				most = max(most, runtime.NumGoroutine())
				<-time.After(10 * time.Millisecond)
			}
			calling.Wait()
			// Two for each connection that is being made to one of six servers, and who
			// looks for servers.
			if extra, want := most-before-callers, 2*o.PoolSize*6+20; extra > want {
				t.Errorf("%d goroutines more than there are callers, want %d at most", extra, want)
			}
			wantGoroutines(t, before+5)
			if back != nil {
				back()
				began := time.Now()
				wantService(t, r)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("back in service after %v, want less than 5s", took)
				}
			}
		})
	}
}

// stuck pauses servers and returns what lets them go on.
func stuck(servers []*storetest.Redis) (back func()) {
	for _, server := range servers {
		server.Pause()
	}
	return func() {
		for _, server := range servers {
			server.Resume()
		}
	}
}

// wantGoroutines waits until there are no more than n.
func wantGoroutines(t *testing.T, n int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > n {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			t.Fatalf("%d goroutines, want %d at most:\n%s", runtime.NumGoroutine(), n, stacks)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// blackHole returns an address where connections are neither accepted nor refused:
// the queue of its listener is full, and the kernel drops what would join it.
func blackHole(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(socket, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", itoa(int64(name.(*syscall.SockaddrInet4).Port)))
	for range 20 {
		conn, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if err != nil {
			if !strings.Contains(err.Error(), "timeout") {
				t.Fatal(err)
			}
			return addr
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the queue does not fill")
	return ""
}
