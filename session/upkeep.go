package session

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// journalEvery is the longest time between two readings of the journal.
	journalEvery = time.Second

	// restAfter is how long after the last request with a session nothing is read any
	// more. A gateway that nobody uses lets the disk sleep.
	restAfter = 2 * identityRefresh

	// seenEvery is the longest time until it is written that a session was seen, and
	// seenPause the longest pause after that failed.
	seenEvery = time.Second
	seenPause = 30 * time.Second

	// tidyEvery is how often memory is given back that nobody may need any more.
	tidyEvery = 30 * time.Second
)

// Follow reads the journal until ctx ends, writes when sessions were seen, and hears from
// the directory who has changed, or asks for the subjects of sessions that are in use. While
// the journal can be read, a check is good for minutes rather than for CheckInterval,
// without asking the store: what is ended or changed is heard of.
//
// report is called with the error when one of the first two can no longer be done, and with
// nil when it can be again; while the journal cannot be read, sessions are checked one by
// one. A directory that does not answer is not reported: checks go on without it.
// The function that Follow returns waits until all that was seen is written, once ctx has
// ended.
func (s *Sessions) Follow(ctx context.Context, report func(error)) (wait func()) {
	var working sync.WaitGroup
	s.following.Store(true)
	working.Go(func() { s.followJournal(ctx, report) })
	working.Go(func() { s.followSeen(ctx, report) })
	go s.followChanges(ctx)
	go s.followIdentities(ctx)
	return working.Wait
}

func (s *Sessions) followJournal(ctx context.Context, report func(error)) {
	told, tidied := reporter{report: report}, s.now()
	for rest(ctx, max(min(s.o.CheckInterval/5, journalEvery), time.Millisecond)) {
		now := s.now()
		if now.Sub(tidied) >= tidyEvery {
			s.tidy()
			tidied = now
		}
		if s.unused() {
			continue
		}
		told.of(ctx, within(ctx, s.readJournal))
	}
}

func (s *Sessions) followSeen(ctx context.Context, report func(error)) {
	told := reporter{report: report}
	for pause := seenEvery; rest(ctx, pause); {
		err := within(ctx, s.writeSeen)
		told.of(ctx, err)
		if err == nil {
			pause = seenEvery
		} else {
			pause = min(2*pause, seenPause)
		}
	}
	s.following.Store(false)
	_ = within(context.WithoutCancel(ctx), s.writeSeen)
}

func (s *Sessions) followChanges(ctx context.Context) {
	for rest(ctx, askEvery) {
		if !s.unused() || s.streams.open() {
			s.hearChanges(ctx)
		}
		s.tellNews(ctx)
	}
}

func (s *Sessions) followIdentities(ctx context.Context) {
	for rest(ctx, askEvery) {
		s.askAround(ctx)
	}
}

// unused reports whether nobody has come with a session for so long that nothing is read
// for them.
func (s *Sessions) unused() bool {
	return s.cache.at(s.now())-time.Duration(s.cache.usedAt.Load()) > restAfter
}

// A reporter reports when something begins to fail, and when that is over.
type reporter struct {
	report  func(error)
	failing bool
}

func (r *reporter) of(ctx context.Context, err error) {
	if failing := err != nil; failing != r.failing && ctx.Err() == nil {
		r.failing = failing
		r.report(err)
	}
}

// tidy forgets the assertions that are due to be signed anew: the longer part of what
// a visitor takes who has not been seen for some minutes.
func (s *Sessions) tidy() {
	now := s.now()
	for i := range s.cache.shards {
		shard := &s.cache.shards[i]
		shard.mu.RLock()
		for i := range shard.entries {
			shard.entries[i].visitor.assertions.tidy(now)
		}
		shard.mu.RUnlock()
	}
}

// rest waits for d at most, and for half of it at least, so that nodes do not all ask at
// once. It reports whether to go on.
func rest(ctx context.Context, d time.Duration) bool {
	wait := time.NewTimer(d/2 + rand.N(d/2))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}

// within does what takes no longer than a check.
func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return do(ctx)
}
