package session

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// askAhead is how long before an identity is no longer good it is put on the list of
	// those to be asked for: long enough for the directory to answer in time, so that no
	// request waits for it.
	askAhead = 10 * time.Second

	// askEvery is the longest time until the directory is asked for who is on the list.
	askEvery = time.Second

	// askAtOnce is how many subjects are in one question.
	askAtOnce = 64
)

// asking is the list of those to be asked for: the subjects of checks that are in use.
// One question about many costs the directory a fraction of many questions.
type asking struct {
	mu       sync.Mutex
	subjects map[string][]digest // and the checks to be renewed with the answer
}

func (a *asking) add(subject string, d digest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subjects == nil {
		a.subjects = make(map[string][]digest)
	}
	a.subjects[subject] = append(a.subjects[subject], d)
}

// take returns the list, which is the caller's now.
func (a *asking) take() map[string][]digest {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.subjects
	a.subjects = nil
	return taken
}

// askListed asks the directory who is on the list, and renews the checks of all who are
// as they were. Whoever could not be asked for is asked for by a request, when that is due.
func (s *Sessions) askListed(ctx context.Context) {
	listed := s.asking.take()
	subjects := make([]string, 0, len(listed))
	for subject := range listed {
		subjects = append(subjects, subject)
	}
	for few := range slices.Chunk(subjects, askAtOnce) {
		found, err := s.askAllAgain(ctx, few...)
		if err != nil {
			return
		}
		for subject, identity := range found {
			s.answered(ctx, identity, listed[subject])
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
		s.cache.renew(d, previous, v, s.due(v, askAhead))
	}
}
