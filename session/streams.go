package session

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	// errChanged ends a stream whose app was told of somebody who is now another.
	errChanged = errors.New("session: the identity has changed")

	// errUnchecked ends a stream whose session could not be looked at for too long.
	errUnchecked = errors.New("session: the store could not be asked")

	// errClosed ends the streams of a store that is closed.
	errClosed = errors.New("session: the store is closed")

	// errNotAdmitted ends a stream of somebody whom no judge admits any more.
	errNotAdmitted = errors.New("session: no longer admitted")
)

// Streams are requests that stay open: WebSockets and event streams. Each ends
// with the session that it was let in for. It is safe for concurrent use, and
// holds what is open and nothing else.
//
// Streams belong to a store: all [Sessions] on one store share them, one after
// the other as well, so that a stream outlives the Sessions that it was opened
// under, and whichever Sessions are there look after it.
type Streams struct {
	wake chan struct{} // holds one token when somebody shall look at what is queued

	mu       sync.Mutex
	closed   bool
	judges   []*judge
	sessions map[string]*openSession // by ID
	urgent   []*openSession          // to be looked at now: something was told of them
	queue    []*openSession          // to be looked at when their turn comes
	asked    time.Time               // when the first look began since one was answered; zero for none
}

// openSession is a session that has streams open.
type openSession struct {
	id, subject string
	streams     map[*openStream]struct{}
	last        *Visitor  // as it was last found alive
	next        time.Time // when to look again
	asked       time.Time // when the first look began since the one that found last; zero for none
	looks       int       // under way
	waits       waiting
}

// waiting says which list a session waits in for a look. What was left behind in
// another list is passed over.
type waiting int

const (
	waitsNot waiting = iota
	waitsInTurn
	waitsAhead
)

// openStream is one open request.
type openStream struct {
	visitor *Visitor // whom the app was told of
	site    string   // the origin where it is open
	end     context.CancelCauseFunc
}

// NewStreams returns a registry without streams.
func NewStreams() *Streams {
	return &Streams{wake: make(chan struct{}, 1), sessions: make(map[string]*openSession)}
}

// Close ends all streams, and those that are still to come.
func (t *Streams) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, o := range t.sessions {
		t.end(o, errClosed)
	}
}

// add notes a stream of v, whose session is to be looked at at next, if it is not
// already.
func (t *Streams) add(x *openStream, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		x.end(errClosed)
		return
	case !t.admits(x):
		x.end(errNotAdmitted)
		return
	}
	o := t.sessions[x.visitor.ID]
	if o == nil {
		o = &openSession{
			id: x.visitor.ID, subject: x.visitor.Subject, streams: make(map[*openStream]struct{}),
			last: x.visitor, next: next,
		}
		t.sessions[o.id] = o
	}
	o.streams[x] = struct{}{}
}

// remove forgets a stream that is over.
func (t *Streams) remove(x *openStream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.sessions[x.visitor.ID]; o != nil {
		delete(o.streams, x)
		t.release(o)
	}
}

// release forgets a session that has no streams any more. t.mu must be held.
func (t *Streams) release(o *openSession) {
	if len(o.streams) == 0 && t.sessions[o.id] == o {
		delete(t.sessions, o.id)
	}
}

// end ends all streams of a session. t.mu must be held.
func (t *Streams) end(o *openSession, why error) {
	for x := range o.streams {
		x.end(why)
	}
	clear(o.streams)
	t.release(o)
}

// forget ends the streams of a session that was ended. Those of a subject who has
// changed are looked at: perhaps nothing that the app was told has.
func (t *Streams) forget(all names) {
	t.mu.Lock()
	defer t.mu.Unlock()
	subjects := false
	for f := range all {
		if o := t.sessions[f.session]; o != nil {
			t.end(o, ErrEnded)
		}
		subjects = subjects || f.session == ""
	}
	if !subjects {
		return
	}
	for _, o := range t.sessions {
		if _, changed := all[forgotten{subject: o.subject}]; changed {
			t.hasten(o)
		}
	}
}

// subjects returns those of the named subjects who have open streams, each as often.
func (t *Streams) subjects(all names) (here []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.sessions {
		if _, named := all[forgotten{subject: o.subject}]; named {
			here = append(here, o.subject)
		}
	}
	return here
}

// open reports whether there is a stream.
func (t *Streams) open() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sessions) > 0
}

// urge has the session with an ID looked at now.
func (t *Streams) urge(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.sessions[id]; o != nil {
		t.hasten(o)
	}
}

// hasten has a session looked at before those that are merely due, by a look that
// has not begun yet. t.mu must be held.
func (t *Streams) hasten(o *openSession) {
	if o.waits != waitsAhead {
		o.waits = waitsAhead
		t.urgent = append(t.urgent, o)
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// sweep queues the sessions that are due at now, and ends the streams of those
// that the store has been asked about for longer than patience without an answer.
// It returns how many are queued.
//
// A session that waits for its turn has not been asked about, and its streams go
// on, except while no look is answered at all: then the store is as silent for
// those in the queue as for those at its head, and they end once they were last
// found alive longer than overdue ago.
func (t *Streams) sweep(now time.Time, patience, overdue time.Duration) (queued int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	silent := longAgo(t.asked, now, patience)
	for _, o := range t.sessions {
		switch {
		case longAgo(o.asked, now, patience), silent && longAgo(o.last.began, now, overdue):
			t.end(o, errUnchecked)
		case now.Before(o.next), o.waits != waitsNot:
		case o.looks == 0:
			o.waits = waitsInTurn
			t.queue = append(t.queue, o)
		case o.asked.IsZero(): // by a look that was overtaken by the one that found last
			o.asked = now
		}
	}
	return len(t.urgent) + len(t.queue)
}

// longAgo reports whether at is longer than d before now. The zero time is not.
func longAgo(at, now time.Time, d time.Duration) bool {
	return !at.IsZero() && now.Sub(at) > d
}

// take returns a session that is to be looked at now, as it was last found alive,
// or nil. Whoever takes one says with found or missed what came of it. It is due
// again at next, unless the look says otherwise.
func (t *Streams) take(now, next time.Time) (o *openSession, last *Visitor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for o = t.pop(); o != nil; o = t.pop() {
		if len(o.streams) == 0 {
			continue
		}
		o.next = next
		o.looks++
		if o.asked.IsZero() {
			o.asked = now
		}
		if t.asked.IsZero() {
			t.asked = now
		}
		return o, o.last
	}
	return nil, nil
}

// pop returns the session that has waited longest, those ahead first, or nil.
// t.mu must be held.
func (t *Streams) pop() (o *openSession) {
	for len(t.urgent) > 0 {
		if o, t.urgent = t.urgent[0], t.urgent[1:]; o.waits == waitsAhead {
			o.waits = waitsNot
			return o
		}
	}
	for len(t.queue) > 0 {
		if o, t.queue = t.queue[0], t.queue[1:]; o.waits == waitsInTurn {
			o.waits = waitsNot
			return o
		}
	}
	t.urgent, t.queue = nil, nil
	return nil
}

// found notes what a look at o has found: v, or why it has ended. Streams go on
// whose app would be told the same today, and whom a judge admits. The next look
// is at next.
func (t *Streams) found(o *openSession, v *Visitor, ended error, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.looks--
	t.asked = time.Time{}
	if ended != nil {
		t.end(o, ended)
		return
	}
	if !v.began.Before(o.last.began) {
		o.last, o.next, o.asked = v, next, time.Time{}
	}
	for x := range o.streams {
		switch {
		case !x.visitor.Identity.equal(v.Identity):
			x.end(errChanged)
		case !t.admits(x):
			x.end(errNotAdmitted)
		default:
			continue
		}
		delete(o.streams, x)
	}
	t.release(o)
}

// missed notes that a look at o was not answered.
func (t *Streams) missed(o *openSession) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.looks--
}
