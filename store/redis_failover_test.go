package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// A failover is servers whose primary goes while the store works with them.
type failover struct {
	o       store.RedisOptions
	enough  bool   // there is service before the old primary is back
	key     string // of which the primary goes
	fail    func() // the primary goes
	over    func() // returns when there is another
	mend    func() // the old primary comes back
	primary func() *storetest.Redis
}

func sentinelFailover(replicas int, fail, mend func(s *storetest.Sentinels, primary *storetest.Redis)) func(t *testing.T) failover {
	return func(t *testing.T) failover {
		s := storetest.StartSentinels(t)
		old := s.Primary()
		return failover{
			enough:  replicas < 2,
			o:       store.RedisOptions{URL: s.URL(), Replicas: replicas},
			key:     "key",
			fail:    func() { fail(s, old) },
			over:    func() { s.WaitForPrimary(old) },
			mend:    func() { mend(s, old); s.WaitForReplicas(2) },
			primary: s.Primary,
		}
	}
}

// clusterFailover is one of the primary that has the subscriptions to "topic" as
// well, or of another one.
func clusterFailover(replicas int, subscriptions bool, fail, mend func(primary *storetest.Redis)) func(t *testing.T) failover {
	return func(t *testing.T) failover {
		c := storetest.StartCluster(t)
		const topic = "doorward:topic:topic"
		key := "key"
		for i := 0; (c.Primary("doorward:key:"+key) == c.Primary(topic)) != subscriptions; i++ {
			key = fmt.Sprint("key ", i)
		}
		old := c.Primary("doorward:key:" + key)
		return failover{
			enough:  replicas < 1,
			o:       store.RedisOptions{URL: c.URL(), Replicas: replicas},
			key:     key,
			fail:    func() { fail(old) },
			over:    func() { c.WaitForPrimary("doorward:key:"+key, old) },
			mend:    func() { mend(old); c.WaitUntilWhole() },
			primary: func() *storetest.Redis { return c.Primary("doorward:key:" + key) },
		}
	}
}

// failovers are the ways in which a primary goes. One that is killed takes no more
// changes, so that the confirmation of one replica of two is enough; one that is
// told to go has to be kept from going on with the other. In a cluster, where each
// primary has one replica here, changes fail until there is another.
var failovers = map[string]func(t *testing.T) failover{
	"sentinels, confirmed, primary killed": sentinelFailover(1,
		func(_ *storetest.Sentinels, old *storetest.Redis) { old.Stop() },
		func(_ *storetest.Sentinels, old *storetest.Redis) { old.Restart() }),
	"sentinels, primary stuck": sentinelFailover(0,
		func(_ *storetest.Sentinels, old *storetest.Redis) { old.Pause() },
		func(_ *storetest.Sentinels, old *storetest.Redis) { old.Resume() }),
	"sentinels, confirmed by all, told to fail over": sentinelFailover(2,
		func(s *storetest.Sentinels, _ *storetest.Redis) { s.FailOver() },
		func(*storetest.Sentinels, *storetest.Redis) {}),
	"cluster, confirmed, primary killed": clusterFailover(1, true, (*storetest.Redis).Stop, (*storetest.Redis).Restart),
	"cluster, primary stuck":             clusterFailover(0, false, (*storetest.Redis).Pause, (*storetest.Redis).Resume),
}

func TestFailover(t *testing.T) {
	for name, start := range failovers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			r := openRedis(t, f.o)
			received := subscribe(t, r)
			work := startWork(t, r)
			work.waitForRounds(10)
			f.fail()
			f.over()
			if f.enough {
				since := time.Now()
				work.waitForRounds(10)
				t.Logf("in service %v after there was another primary", time.Since(since).Round(time.Millisecond))
				if took := time.Since(since); took > 15*time.Second {
					t.Errorf("in service %v after there was another primary, want a few seconds", took)
				}
			}
			f.mend()
			since := time.Now()
			work.waitForRounds(10)
			t.Logf("in service %v after the old primary was back", time.Since(since).Round(time.Millisecond))
			work.check(f.o.Replicas > 0)
			wantMessages(t, r, received)
			for deadline := time.Now().Add(20 * time.Second); ; { // a replica may be slow once more
				err := r.Put(t.Context(), f.key, []byte("value"), time.Hour)
				if err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("Put = %v, want nil", err)
				}
			}
			if got := f.primary().Must("get", "doorward:key:"+f.key); got != "value" {
				t.Errorf("the primary has %v, want the value", got)
			}
		})
	}
}

// work is traffic, and what it was told.
type work struct {
	t      *testing.T
	s      store.Store
	cancel context.CancelFunc
	done   sync.WaitGroup
	rounds []atomic.Int64 // without a failure, by worker
	failed atomic.Int64   // operations

	mu      sync.Mutex
	tickets []ticket
	counted map[int64]int // how often a number was the answer
}

// A ticket is a value that was put, and what became of those who tried to take it.
type ticket struct {
	key            string
	taken, nothing int
	failed         int
}

// startWork runs four workers until check.
func startWork(t *testing.T, s store.Store) *work {
	ctx, cancel := context.WithCancel(t.Context())
	w := &work{t: t, s: s, cancel: cancel, rounds: make([]atomic.Int64, 4), counted: map[int64]int{}}
	t.Cleanup(func() {
		cancel()
		w.done.Wait()
	})
	for i := range w.rounds {
		w.done.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				if w.round(fmt.Sprintf("ticket/%d/%d", i, round)) {
					w.rounds[i].Add(1)
				}
				<-time.After(10 * time.Millisecond) // nobody asks faster than that
			}
		})
	}
	return w
}

// round puts a ticket, has three rivals take it, each until it has an answer, and
// counts. It tells whether nothing failed.
func (w *work) round(key string) bool {
	ctx := context.WithoutCancel(w.t.Context())
	n, err := w.s.Count(ctx, "counter", time.Hour)
	if err == nil {
		w.mu.Lock()
		w.counted[n]++
		w.mu.Unlock()
	} else {
		w.failed.Add(1)
	}
	if w.s.Put(ctx, key, []byte("value"), time.Hour) != nil {
		w.failed.Add(1)
		return false
	}
	mine := ticket{key: key}
	var mu sync.Mutex
	var rivals sync.WaitGroup
	for range 3 {
		rivals.Go(func() {
			for tries := 0; tries < 10; tries++ {
				value, takeErr := w.s.Take(ctx, key)
				mu.Lock()
				switch {
				case takeErr == nil && string(value) == "value":
					mine.taken++
				case errors.Is(takeErr, store.ErrNotFound):
					mine.nothing++
				default:
					mine.failed++
					w.failed.Add(1)
				}
				mu.Unlock()
				if takeErr == nil || errors.Is(takeErr, store.ErrNotFound) {
					return
				}
			}
		})
	}
	rivals.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tickets = append(w.tickets, mine)
	return err == nil && mine.failed == 0
}

// waitForRounds waits until each worker has done n more rounds without a failure.
func (w *work) waitForRounds(n int64) {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for i := range w.rounds {
		for until := w.rounds[i].Load() + n; w.rounds[i].Load() < until; {
			if time.Now().After(deadline) {
				w.t.Fatal("the store is not back in service")
			}
			<-time.After(5 * time.Millisecond)
		}
	}
}

// check ends the work, and compares what it was told with what is promised.
func (w *work) check(confirmed bool) {
	w.t.Helper()
	w.cancel()
	w.done.Wait()
	for _, ticket := range w.tickets {
		if !confirmed {
			continue // both may be lost with the primary: the value, and that it was taken
		}
		if ticket.taken > 1 {
			w.t.Errorf("%s was taken %d times, want once", ticket.key, ticket.taken)
		}
		if ticket.taken == 0 && ticket.failed == 0 {
			w.t.Errorf("%s was put and nobody got it, want the failure that took it", ticket.key)
		}
	}
	for n, times := range w.counted {
		if confirmed && times != 1 {
			w.t.Errorf("%d was the count %d times, want each number once", n, times)
		}
	}
	w.t.Logf("%d tickets, %d counts, %d failures", len(w.tickets), len(w.counted), w.failed.Load())
	if w.failed.Load() == 0 {
		w.t.Error("nothing has failed: the primary did not go")
	}
}
