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

	// restAfter is how long after the last check of a session nobody keeps anything up:
	// longer than a check that lasts goes without being renewed. A gateway that nobody
	// uses lets the disk sleep.
	restAfter = 2 * identityRefresh

	// seenEvery is the longest time until it is written that a session was seen, and
	// seenPause the longest pause after that failed.
	seenEvery = time.Second
	seenPause = 30 * time.Second

	// tidyEvery is how often memory is given back that nobody may need any more.
	tidyEvery = 30 * time.Second
)

// Follow reads the journal until ctx ends, and writes when sessions were seen. While
// it can be read, a check is good for minutes rather than for CheckInterval, without
// asking the store: what is ended or changed is heard of.
//
// report is called with the error when the journal can no longer be read, and with nil
// when that is over; meanwhile sessions are checked one by one. The function that
// Follow returns waits until all that was seen is written, once ctx has ended.
func (s *Sessions) Follow(ctx context.Context, report func(error)) (wait func()) {
	var working sync.WaitGroup
	s.following.Store(true)
	working.Go(func() { s.followJournal(ctx, report) })
	working.Go(func() { s.followSeen(ctx) })
	return working.Wait
}

func (s *Sessions) followJournal(ctx context.Context, report func(error)) {
	away, tidied := false, s.now()
	for rest(ctx, max(min(s.o.CheckInterval/5, journalEvery), time.Millisecond)) {
		now := s.now()
		if now.Sub(tidied) >= tidyEvery {
			s.tidy()
			tidied = now
		}
		if s.cache.at(now)-time.Duration(s.checkedAt.Load()) > restAfter {
			continue
		}
		err := within(ctx, s.readJournal)
		if failed := err != nil; failed != away && ctx.Err() == nil {
			away = failed
			report(err)
		}
	}
}

func (s *Sessions) followSeen(ctx context.Context) {
	for pause := seenEvery; rest(ctx, pause); {
		if within(ctx, s.writeSeen) == nil {
			pause = seenEvery
		} else {
			pause = min(2*pause, seenPause)
		}
	}
	s.following.Store(false)
	_ = within(context.WithoutCancel(ctx), s.writeSeen)
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
