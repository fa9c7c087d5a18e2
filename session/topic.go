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

// names are several of them.
type names map[forgotten]struct{}

// have reports whether v is named.
func (n names) have(v *Visitor) bool {
	if len(n) == 0 {
		return false
	}
	_, session := n[forgotten{session: v.ID}]
	_, subject := n[forgotten{subject: v.Subject}]
	return session || subject
}

// id returns the ID of the session or of the subject.
func (f forgotten) id() string {
	if f.session != "" {
		return f.session
	}
	return f.subject
}

func (f forgotten) message() string {
	if f.session != "" {
		return messageSession + f.session
	}
	return messageSubject + f.subject
}

// named returns what a message names.
func named(message string) (f forgotten, ok bool) {
	if id, ok := strings.CutPrefix(message, messageSession); ok {
		return forgotten{session: id}, id != ""
	}
	subject, ok := strings.CutPrefix(message, messageSubject)
	return forgotten{subject: subject}, ok
}

// forget drops cached checks here at once, and tells the other nodes. Where they
// cannot be told they read it in the journal, so that is no failure of what was asked;
// the store says for itself that it is unwell.
func (s *Sessions) forget(ctx context.Context, f forgotten) {
	s.drop(names{f: {}})
	_ = s.store.Publish(ctx, topic, []byte(f.message()))
}

// drop forgets the checks that are named, and has the open streams follow.
func (s *Sessions) drop(all names) {
	if len(all) == 0 {
		return
	}
	s.cache.forget(all)
	s.streams.forget(all)
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
	if f, ok := named(string(message)); ok {
		s.drop(names{f: {}})
	}
}
