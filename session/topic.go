package session

import (
	"context"
	"fmt"
	"strings"
)

// Messages that tell the other nodes to forget what they checked. They name a
// session or a subject, and are worth nothing to whoever overhears them.
const (
	topic          = "sessions"
	messageSession = "session:"
	messageSubject = "subject:"
)

// forgotten names what is no longer to be taken for checked: one session, or all
// of a subject.
type forgotten struct{ session, subject string }

func (f forgotten) matches(v *Visitor) bool {
	if f.session != "" {
		return v.ID == f.session
	}
	return v.Subject == f.subject
}

func (f forgotten) message() []byte {
	if f.session != "" {
		return []byte(messageSession + f.session)
	}
	return []byte(messageSubject + f.subject)
}

// forget drops cached checks here at once, and tells the other nodes. Where they
// cannot be told they find out within CheckInterval, so that is no failure of
// what was asked; the store says for itself that it is unwell.
func (s *Sessions) forget(ctx context.Context, f forgotten) {
	s.drop(f)
	_ = s.store.Publish(ctx, topic, f.message())
}

// drop forgets the checks that f names, and has the open streams follow.
func (s *Sessions) drop(f forgotten) {
	s.cache.forget(f)
	s.streams.forget(f)
}

// Listen makes s hear what other nodes end or change, and look after the open
// streams, until ctx ends. It returns when it listens.
func (s *Sessions) Listen(ctx context.Context) error {
	if err := s.store.Subscribe(ctx, topic, s.heard); err != nil {
		return fmt.Errorf("listening for ended sessions: %w", err)
	}
	s.listening.Store(true)
	context.AfterFunc(ctx, func() { s.listening.Store(false) })
	go s.watch(ctx)
	return nil
}

func (s *Sessions) heard(message []byte) {
	if id, ok := strings.CutPrefix(string(message), messageSession); ok && id != "" {
		s.drop(forgotten{session: id})
	}
	if subject, ok := strings.CutPrefix(string(message), messageSubject); ok {
		s.drop(forgotten{subject: subject})
	}
}
