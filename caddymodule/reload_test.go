package caddymodule

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// T142: a reload fails no request that is answered, and leaves nothing behind.
// Go's server closes connections without an answer while it shuts down
// (http.Server.Shutdown), and the kernel those that wait at a closed socket; as
// browsers do for a GET (RFC 9110, section 9.2.2), the clients here ask again.
func TestReloadsUnderTrafficFailNoRequestAndLeaveNothingBehind(t *testing.T) {
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(n int) string {
		return fmt.Sprintf("{%s\n\tdoorward {\n\t\tmail log\n\t\tsession {\n\t\t\tcheck_interval 100ms\n\t\t}\n\t}\n}\n%s {\n\tdoorward {\n\t\tallow *@example.com\n\t\tbypass /n%d\n\t}\n\trespond ok\n}\n", quiet, base, n)
	}
	if err := load(t, site(0)); err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + signIn(t, running(t), "ann@example.com", base)

	var served, refused, again atomic.Int64
	traffic := func(reload func()) {
		var clients sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			c := client(t)
			clients.Go(func() {
				defer c.CloseIdleConnections()
				for {
					select {
					case <-stop:
						return
					default:
					}
					got, err := fetch(c, "GET", base+"/", "", "Authorization", bearer)
					for tries := 0; err != nil && tries < 5; tries++ {
						again.Add(1)
						got, err = fetch(c, "GET", base+"/", "", "Authorization", bearer)
					}
					if err != nil || got.status != http.StatusOK || got.body != "ok" {
						refused.Add(1)
						t.Errorf("status %d, error %v: %s", got.status, err, got.body)
						return
					}
					served.Add(1)
				}
			})
		}
		reload()
		close(stop)
		clients.Wait()
	}
	reload := func(from, to int) func() {
		return func() {
			for n := from; n < to; n++ {
				if err := load(t, site(n)); err != nil {
					t.Error(err)
				}
				before := served.Load()
				for deadline := time.Now().Add(20 * time.Second); served.Load() < before+8 && refused.Load() == 0; runtime.Gosched() {
					if time.Now().After(deadline) {
						t.Fatal("no request was served after a reload")
					}
				}
			}
		}
	}
	traffic(reload(1, 6))
	goroutines, files := settle(t, 0, 0)
	traffic(reload(6, 26))
	if t.Failed() {
		return
	}
	settle(t, goroutines+5, files+2)
	t.Logf("%d requests during 25 reloads, %d of them asked again", served.Load(), again.Load())
	store, _ := embeddedPath("", "store.db")
	if got := references(poolKey{"store", store}); got != 1 {
		t.Errorf("%d configurations hold the store, want 1", got)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if keys := pooled(); len(keys) > 0 {
		t.Errorf("left in the pool after the end: %q", keys)
	}
}

// settle waits until there are no more goroutines and open files than given, or,
// if none are given, until their numbers stay the same.
func settle(t *testing.T, maxGoroutines, maxFiles int) (goroutines, files int) {
	t.Helper()
	steady := 0
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		g, f := runtime.NumGoroutine(), openFiles(t)
		if g == goroutines && f == files {
			steady++
		} else {
			steady = 0
		}
		goroutines, files = g, f
		if maxGoroutines == 0 && steady == 25 || g <= maxGoroutines && f <= maxFiles {
			return goroutines, files
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines and %d open files, want at most %d and %d\n%s", g, f, maxGoroutines, maxFiles, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not tell which files are open")
	}
	return len(entries)
}
