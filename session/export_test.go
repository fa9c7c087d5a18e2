package session

import (
	"strconv"
	"time"
)

// Fill puts n visitors into the cache, as if they had been checked just now.
func (s *Sessions) Fill(n int) {
	now := s.now()
	for i := range n {
		s.cache.put(digestOf(strconv.Itoa(i)), &Visitor{Session: Session{ID: strconv.Itoa(i)}}, now.Add(time.Hour), s.cache.mark())
	}
}

// SignSession returns a session token of v.
func (k *KeySet) SignSession(v *Visitor, issuer string) (string, error) {
	return k.signSession(v, issuer)
}

// Forget makes the cache forget, as when a session was ended.
func (s *Sessions) Forget(id string) { s.cache.forget(forgotten{session: id}) }

// Len returns how many streams are kept, and of how many sessions.
func (t *Streams) Len() (streams, sessions int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.sessions {
		streams += len(o.streams)
	}
	return streams, len(t.sessions)
}

// Streams returns the open streams of s.
func (s *Sessions) Streams() *Streams { return s.streams }

// Woken reports whether somebody was woken to look at what is queued, and has it
// forgotten.
func (t *Streams) Woken() bool {
	select {
	case <-t.wake:
		return true
	default:
		return false
	}
}
