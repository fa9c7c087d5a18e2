package session

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"
)

const (
	// mostLookers is how many sessions with open streams are looked at at once at
	// most, however large the machine; lookersPerProcessor how many for each of its
	// processors, for which a Redis client has ten connections unless told
	// otherwise: the others are for requests, which must not wait behind us.
	mostLookers         = 64
	lookersPerProcessor = 6

	// watchEvery is the longest pause between two rounds over the open streams.
	watchEvery = 250 * time.Millisecond
)

// lookers returns how many may be at the store at once for what no request waits for.
func lookers() int { return min(lookersPerProcessor*runtime.GOMAXPROCS(0), mostLookers) }

// Stream returns a context for a request of v that stays open, such as a
// WebSocket, at the site whose origin is site. It ends when ctx does, and soon after any of these:
//
//   - the session is ended, here or on another node;
//   - its subject is disabled or removed, or is no longer who the app was told
//     when the request was let in, by name, address or groups;
//   - the session reaches its absolute or its idle limit: a stream that is open is
//     no sign that its owner is there;
//   - no judge of the streams admits its subject at the site any more, see [Streams.Judge];
//   - the store has not answered for twice CheckInterval and a few seconds.
//
// Soon is at once where the nodes can be told, and within CheckInterval where
// they cannot. [context.Cause] says which it was. Whoever calls Stream calls stop
// when the request is over.
//
// The store is asked about six sessions at once for each processor, and 64 at
// most. Where that is too few to ask about all within CheckInterval, because
// there are very many or the store is slow, they take turns, and what nobody was
// told takes that much longer to end a stream. As long as the store answers,
// streams go on meanwhile: to be busy is not to be in doubt. What is told to the
// nodes does not wait for its turn.
func (s *Sessions) Stream(ctx context.Context, v *Visitor, site string) (stream context.Context, stop context.CancelFunc) {
	stream, end := context.WithCancelCause(ctx)
	x := &openStream{v, site, end}
	s.streams.add(x, s.lookAt(v))
	// What was told to all before the stream was there to hear it.
	if !s.listening.Load() || s.cache.history.holds(v, v.since) {
		s.streams.urge(v.ID)
	}
	return stream, func() {
		s.streams.remove(x)
		end(nil)
	}
}

// round returns the time between two rounds over the open streams.
func (s *Sessions) round() time.Duration {
	return max(min(s.o.CheckInterval/8, watchEvery), time.Millisecond)
}

// lookAt returns when to look again at a session that v was found to have: when
// the check is no longer good, or sooner, so that not all that were opened at one
// time are looked at at one time; and when it reaches a limit.
func (s *Sessions) lookAt(v *Visitor) time.Time {
	at := v.began.Add(s.o.CheckInterval - s.round() - rand.N(s.o.CheckInterval/4+1))
	if ends := v.endsAt(); ends.Before(at) {
		return ends
	}
	return at
}

// watch looks after the open streams until ctx ends. Each session is looked at
// once in a CheckInterval, however many streams it has.
func (s *Sessions) watch(ctx context.Context) {
	tick := time.NewTicker(s.round())
	defer tick.Stop()
	lookers := lookers()
	looking := make(chan struct{}, lookers)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.streams.wake:
		}
		// A look that fails is followed by another within that: a stream ends when the
		// store was asked twice, or did not say a word for all that time.
		patience := s.o.CheckInterval + checkTimeout
		queued := s.streams.sweep(s.now(), patience, patience+s.o.CheckInterval)
		for range min(queued, lookers) {
			select {
			case looking <- struct{}{}:
				go func() {
					defer func() { <-looking }()
					s.lookAround(ctx)
				}()
			default: // all are at it
			}
		}
	}
}

// lookAround looks at the queued sessions until there are none, or ctx ends.
func (s *Sessions) lookAround(ctx context.Context) {
	for ctx.Err() == nil {
		now := s.now()
		o, last := s.streams.take(now, now.Add(s.o.CheckInterval))
		if o == nil {
			return
		}
		s.lookAgain(ctx, o, last)
	}
}

// lookAgain looks at a session that has open streams. If the store cannot be
// asked, the streams go on until that has been so for too long.
func (s *Sessions) lookAgain(ctx context.Context, o *openSession, last *Visitor) {
	within, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	v, err := s.see(within, last, o.id)
	switch {
	case err == nil:
		s.streams.found(o, v, nil, s.lookAt(v))
	case Refused(err):
		s.cache.forget(names{{session: o.id}: {}})
		s.streams.found(o, nil, err, time.Time{})
	default:
		s.streams.missed(o)
		if ctx.Err() != nil {
			s.streams.urge(o.id) // by the Sessions that come after us
		}
	}
}
