package session

import (
	"cmp"
	"context"
	"slices"
	"time"
)

const (
	// askAhead is how long before an identity is no longer good the directory is asked
	// in the background: long enough for it to answer in time, so that no request waits.
	askAhead = 10 * time.Second

	// askEvery is the longest time until that is done for whoever it is time for, and
	// askRound how long it goes on before it is looked again who that is.
	askEvery = time.Second
	askRound = 5 * time.Second

	// askMost is how many subjects are in one question at most, which costs the directory
	// a fraction of as many questions.
	askMost = 64

	// askFailures is how many questions of a round may fail: as many as it takes to find
	// the one subject among askMost about whom the directory cannot answer.
	askFailures = 8
)

// asking is how the directory is asked in the background. It has a rest of its own: that
// the directory fails to answer for many at once says nothing of what it does for one, and
// that it failed to answer for one, nothing of the others.
type asking struct {
	atOnce int       // subjects in one question; fewer after one that failed
	failed time.Time // when one did
}

// A question is about the subject of a check.
type question struct {
	digest  digest
	visitor *Visitor
	asks    time.Duration
}

// questions returns those that are to be asked now, the most pressing first: about
// visitors who were here in the last minute. Others are asked for when they are back.
func (c *cache) questions(now time.Time) []question {
	var list []question
	at, vouched, told := c.at(now), c.vouched.Load(), c.told.Load()
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		for i := range s.entries {
			e := &s.entries[i]
			asks := e.asks
			if told.holds(e.asked, at+askAhead) {
				asks = e.asked + identityLasts
			}
			if at >= asks-askAhead && at-e.lastUsed() < identityRefresh && e.standing(at, vouched, told) != stale {
				list = append(list, question{e.digest, e.visitor, asks})
			}
		}
		s.mu.RUnlock()
	}
	slices.SortFunc(list, func(a, b question) int { return cmp.Compare(a.asks, b.asks) })
	return list
}

// askAround asks the directory for the subjects of checks whose identities will not be
// good for much longer, and renews the checks. Whoever could not be asked for is asked for
// by a request, when that is due.
func (s *Sessions) askAround(ctx context.Context) {
	a, now := &s.asking, s.now()
	if now.Sub(a.failed).Abs() < directoryRest {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askRound)
	defer cancel()
	list := s.cache.questions(now)
	for failures := 0; len(list) > 0 && failures < askFailures; {
		n := min(len(list), a.atOnce)
		err := s.askFor(ctx, list[:n])
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			a.atOnce = min(2*a.atOnce, askMost)
			list = list[n:]
			continue
		case n > 1:
			a.atOnce = n / 2
		default: // keeps nobody else waiting
			list = list[1:]
		}
		failures++
		a.failed = s.now()
	}
}

// askFor asks one question about several subjects. It fails if the directory does. If it
// answers, it is also there for requests again.
func (s *Sessions) askFor(ctx context.Context, list []question) error {
	subjects := make([]string, len(list))
	for i, q := range list {
		subjects[i] = q.visitor.Subject
	}
	failed := s.refusedAt.Load()
	found, err := s.askAll(ctx, subjects...)
	if err != nil {
		return err
	}
	s.refusedAt.CompareAndSwap(failed, nil)
	for _, q := range list {
		if current, _ := s.cache.get(q.digest, s.now()); current != q.visitor {
			continue // somebody has asked or looked since, and what they found is newer
		}
		identity := found[q.visitor.Subject]
		if !identity.equal(q.visitor.Identity) {
			if ctx.Err() == nil {
				_, _ = s.identityIs(ctx, identity) // a request finds out where that cannot be told
			}
			continue
		}
		v := q.visitor.copy()
		v.Identity.saidAgain(identity)
		s.cache.renew(q.digest, q.visitor, v, s.renewal(v))
	}
	return nil
}
