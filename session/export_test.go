package session

import (
	"context"
	"strconv"
	"time"
)

// Fill puts n visitors into the cache, as if they had been checked just now.
func (s *Sessions) Fill(n int) {
	hence := s.cache.at(s.now().Add(time.Hour))
	valid := validity{fresh: hence, renewal: renewal{asks: hence, due: hence}}
	for i := range n {
		s.cache.put(digestOf(strconv.Itoa(i)), &Visitor{Session: Session{ID: strconv.Itoa(i)}}, valid, s.cache.mark())
	}
}

// SignSession returns a session token of v.
func (k *KeySet) SignSession(v *Visitor, issuer string) (string, error) {
	return k.signSession(v, issuer)
}

// Forget makes the cache forget, as when a session was ended.
func (s *Sessions) Forget(id string) { s.cache.forget(names{{session: id}: {}}) }

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

// ReadJournal reads the journal once, as Follow does.
func (s *Sessions) ReadJournal(ctx context.Context) error { return s.readJournal(ctx) }

// WriteSeen writes what is to be noted, as Follow does.
func (s *Sessions) WriteSeen(ctx context.Context) error { return s.writeSeen(ctx) }

// AskAround asks for who it is time for, as Follow does.
func (s *Sessions) AskAround(ctx context.Context) { s.askAround(ctx) }

// HearChanges asks the directory who has changed, as Follow does.
func (s *Sessions) HearChanges(ctx context.Context) {
	s.hearChanges(ctx)
	s.tellNews(ctx)
}

// FollowByHand is Follow for a test that reads and writes by itself.
func (s *Sessions) FollowByHand() { s.following.Store(true) }

// Tidy forgets what nobody may need any more, as Follow does.
func (s *Sessions) Tidy() { s.tidy() }

// Assertions returns how many assertions are in memory.
func (s *Sessions) Assertions() (n int) {
	for i := range s.cache.shards {
		for _, e := range s.cache.shards[i].entries {
			n += len(e.visitor.assertions.kept())
		}
	}
	return n
}

// JournalMost is how many entries of the journal are read.
const JournalMost = journalMost

// SubjectKey is where the store has who a subject is.
func SubjectKey(subject string) string { return subjectKey(subject) }
