package session

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// askAhead is how long before an identity is no longer good the directory is asked
	// in the background: long enough for it to answer in time, so that no request waits.
	askAhead = 10 * time.Second

	// askEvery is the longest time until that is done for whoever it is time for.
	askEvery = time.Second

	// askAtOnce is how many subjects are in one question, which costs the directory a
	// fraction of as many questions.
	askAtOnce = 64

	// askUnused is how often it is done for a check that nobody has used since: after
	// some minutes a visitor has gone, and is asked for when they are back.
	askUnused = 4
)

// toAsk returns the checks whose subjects are to be asked for now, by subject.
func (c *cache) toAsk(now time.Time) map[string][]digest {
	list := make(map[string][]digest)
	at, vouched := c.at(now), c.vouched.Load()
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		for i := range s.entries {
			e := &s.entries[i]
			if at < e.due-askAhead || atomic.LoadInt32(&e.unused) >= askUnused || e.standing(at, vouched) == stale ||
				e.visitor.Identity.within(identityRefresh-askAhead, now) {
				continue
			}
			atomic.AddInt32(&e.unused, 1)
			list[e.visitor.Subject] = append(list[e.visitor.Subject], e.digest)
		}
		s.mu.RUnlock()
	}
	return list
}

// askAround asks the directory for the subjects of checks in use whose identities will
// not be good for much longer, and renews the checks of all who are as they were. Whoever
// could not be asked for is asked for by a request, when that is due.
func (s *Sessions) askAround(ctx context.Context) {
	list := s.cache.toAsk(s.now())
	for few := range slices.Chunk(slices.Collect(maps.Keys(list)), askAtOnce) {
		found, err := s.askAllAgain(ctx, few...)
		if err != nil {
			return
		}
		for subject, identity := range found {
			s.answered(ctx, identity, list[subject])
		}
	}
}

// answered renews the checks of a subject whom the directory says to be who they were. If
// they are not, they have changed, here or there, since one of the two was read.
func (s *Sessions) answered(ctx context.Context, found Identity, checks []digest) {
	for _, d := range checks {
		previous, standing := s.cache.get(d, s.now())
		if standing == stale {
			continue
		}
		if !found.equal(previous.Identity) {
			if now, err := s.ask(ctx, found.Subject); err == nil && !now.equal(previous.Identity) {
				_, _ = s.identityIs(ctx, now) // who cannot be told finds out when they ask
			}
			return
		}
		v := previous.copy()
		v.Identity.At = found.At
		s.cache.renew(d, previous, v, s.due(v))
	}
}
