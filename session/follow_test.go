package session_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// follow has a set follow the keys until the test ends, or ctx does.
func (b *bunch) follow(ctx context.Context, report func(error)) {
	b.h.t.Helper()
	must(b.h.t, b.Follow(ctx, report))
}

func noReport(t *testing.T) func(error) {
	return func(err error) { t.Errorf("reported: %v", err) }
}

func TestNodesHearOfNewKeys(t *testing.T) {
	server := storetest.StartRedis(t)
	for name, open := range map[string]func(testing.TB, *clock) store.Store{
		"in a file": openEmbedded,
		"in Redis":  func(t testing.TB, _ *clock) store.Store { return openRedis(t, server, "keys") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, open)
			h.keys.Store = h.store
			b, other := h.bunch(), h.bunch()
			other.follow(t.Context(), noReport(t))
			made := b.rotate(true)
			began := time.Now()
			h.eventually("the other node publishes the key", func() bool { return slices.Contains(other.published(), made.ID) })
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v: it was not told", took)
			}
		})
	}
}

func TestNodesThatAreNotToldLookWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t) // whose nodes share keys and are told nothing of them
		b, other := h.bunch(), h.bunch()
		other.follow(t.Context(), noReport(t))
		made := b.rotate(false)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := other.published(); !slices.Contains(got, made.ID) {
			t.Errorf("published 11s later: %q, want %q among them", got, made.ID)
		}
	})
}

func TestNodesThatWereStartedTogetherLookAtDifferentTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t) // whose nodes share keys and are told nothing of them
		for range 10 {
			h.bunch().follow(t.Context(), noReport(t))
		}
		var looks []int
		for range 40 {
			h.chest.mu.Lock()
			before := h.chest.reads
			h.chest.mu.Unlock()
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			h.chest.mu.Lock()
			looks = append(looks, h.chest.reads-before)
			h.chest.mu.Unlock()
		}
		if most := slices.Max(looks); most == 10 {
			t.Errorf("all look in the same half second: %v", looks)
		}
	})
}

func TestTroubleWithTheKeysIsReportedWhenItBeginsAndWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t) // whose nodes share keys and are told nothing of them
		b := h.bunch()
		var mu sync.Mutex
		var reports []error
		ctx, stop := context.WithCancel(t.Context())
		b.follow(ctx, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			reports = append(reports, err)
		})
		away := errors.New("directory away")
		time.Sleep(time.Minute)
		h.chest.fail(away)
		time.Sleep(10 * time.Minute)
		h.chest.fail(nil)
		time.Sleep(time.Minute)
		mu.Lock()
		if len(reports) != 2 || !errors.Is(reports[0], away) || reports[1] != nil {
			t.Errorf("reports = %v, want the beginning and the end of one failure", reports)
		}
		mu.Unlock()

		stop()
		synctest.Wait()
		h.chest.mu.Lock()
		before := h.chest.reads
		h.chest.mu.Unlock()
		time.Sleep(10 * time.Minute)
		h.chest.mu.Lock()
		defer h.chest.mu.Unlock()
		if got := h.chest.reads - before; got != 0 {
			t.Errorf("after its context ended it looked %d times", got)
		}
	})
}
