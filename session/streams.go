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
)

// Streams are requests that stay open: WebSockets and event streams. Each ends
// with the session that it was let in for. It is safe for concurrent use, and
// holds what is open and nothing else.
//
// Streams belong to a store: all [Sessions] on one store share them, one after
// the other as well, so that a stream outlives the Sessions that it was opened
// under, and whichever Sessions are there look after it.
type Streams struct {
	wake chan struct{} // holds one token when somebody shall look at queue

	mu       sync.Mutex
	closed   bool
	sessions map[string]*openSession // by ID
	queue    []*openSession          // to be looked at now
}

// openSession is a session that has streams open.
type openSession struct {
	id, subject string
	streams     map[*openStream]struct{}
	last        *Visitor  // as it was last found alive
	next        time.Time // when to look again
	queued      bool
}

// openStream is one open request.
type openStream struct {
	visitor *Visitor // whom the app was told of
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
	if t.closed {
		x.end(errClosed)
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
func (t *Streams) forget(f forgotten) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.sessions[f.session]; o != nil {
		t.end(o, ErrEnded)
	}
	if f.session != "" {
		return
	}
	for _, o := range t.sessions {
		if o.subject == f.subject {
			t.enqueue(o)
		}
	}
	t.rouse()
}

// urge has the session with an ID looked at now.
func (t *Streams) urge(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.sessions[id]; o != nil {
		t.enqueue(o)
		t.rouse()
	}
}

// enqueue has a session looked at, by a look that has not begun yet. t.mu must be
// held.
func (t *Streams) enqueue(o *openSession) {
	if !o.queued {
		o.queued = true
		t.queue = append(t.queue, o)
	}
}

func (t *Streams) rouse() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// sweep queues the sessions that are due at now, and ends the streams of those
// that were not found alive since oldest. It returns how many are queued.
func (t *Streams) sweep(now, oldest time.Time) (queued int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.sessions {
		switch {
		case o.last.began.Before(oldest):
			t.end(o, errUnchecked)
		case !now.Before(o.next):
			t.enqueue(o)
		}
	}
	return len(t.queue)
}

// take returns a session that is to be looked at, as it was last found alive, or
// nil. It is due again at next, unless the look says otherwise.
func (t *Streams) take(next time.Time) (o *openSession, last *Visitor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) > 0 {
		o, t.queue = t.queue[0], t.queue[1:]
		o.queued = false
		if len(o.streams) > 0 {
			o.next = next
			return o, o.last
		}
	}
	t.queue = nil
	return nil, nil
}

// found notes what a look at o has found: v, or why it has ended. Streams go on
// whose app would be told the same today. The next look is at next.
func (t *Streams) found(o *openSession, v *Visitor, ended error, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ended != nil {
		t.end(o, ended)
		return
	}
	if v.began.After(o.last.began) {
		o.last, o.next = v, next
	}
	for x := range o.streams {
		if !x.visitor.Identity.equal(v.Identity) {
			x.end(errChanged)
			delete(o.streams, x)
		}
	}
	t.release(o)
}
