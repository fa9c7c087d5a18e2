package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/store"
)

// ErrNoIdentity is returned by [Identities] for a subject that does not exist
// (any more).
var ErrNoIdentity = errors.New("session: no such subject")

// Identities says who a subject is. The directory is one.
type Identities interface {
	// Identity returns who the subject is now, ErrNoIdentity, or a failure.
	Identity(ctx context.Context, subject string) (Identity, error)
}

const (
	// identityRefresh is how long an identity is good before the directory is
	// asked again. Changes made through Doorward do not wait for it.
	identityRefresh = time.Minute

	// askTimeout bounds a question to the directory. It leaves a check the time
	// to go on with what the store has.
	askTimeout = 2 * time.Second
)

// identity returns who a subject is: from the store, which all nodes share, and
// once a minute from the directory. While the directory is away, what the store
// has goes on being true.
func (s *Sessions) identity(ctx context.Context, subject string, previous *Visitor) (Identity, error) {
	value, err := s.store.Get(ctx, subjectKey(subject))
	if errors.Is(err, store.ErrNotFound) {
		return s.refreshIdentity(ctx, subject)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("reading subject: %w", err)
	}
	var stored Identity
	if err := json.Unmarshal(value, &stored); err != nil {
		return Identity{}, fmt.Errorf("reading subject: %w", err)
	}
	if previous != nil && previous.Identity.At.After(stored.At) {
		stored.At = previous.Identity.At // we asked since, in vain
	}
	now := s.now()
	if now.Sub(stored.At).Abs() < identityRefresh { // Abs: the clock may have been set back
		return stored, nil
	}
	n, err := s.store.Count(ctx, subjectKey(subject)+"/refresh", identityRefresh)
	if err != nil {
		return Identity{}, fmt.Errorf("reading subject: %w", err)
	}
	if n == 1 {
		if fresh, err := s.ask(ctx, subject); err == nil {
			return s.keepIdentity(ctx, fresh)
		}
	}
	// The directory is away, or another session or node is asking it.
	stored.At = now
	return stored, nil
}

// refreshIdentity returns who a subject is from the directory, and keeps it.
func (s *Sessions) refreshIdentity(ctx context.Context, subject string) (Identity, error) {
	identity, err := s.ask(ctx, subject)
	if err != nil {
		return Identity{}, err
	}
	return s.keepIdentity(ctx, identity)
}

// ask returns who a subject is from the directory. One who is gone is disabled.
func (s *Sessions) ask(ctx context.Context, subject string) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	at := s.now()
	identity, err := s.o.Identities.Identity(ctx, subject)
	if errors.Is(err, ErrNoIdentity) {
		return Identity{Subject: subject, Disabled: true, At: at}, nil
	}
	if err != nil {
		return Identity{}, fmt.Errorf("looking up subject: %w", err)
	}
	identity.At = at
	return identity, nil
}

// keepIdentity tells all nodes who a subject is, and returns who that is. It
// asks the directory again after it has written: a change that was made since
// identity was read has been written by IdentityChanged already, and this must
// not put back what was true before. Whoever writes last asks after all others
// have written, so that what stays is what the directory says.
func (s *Sessions) keepIdentity(ctx context.Context, identity Identity) (Identity, error) {
	for range 3 {
		value, err := json.Marshal(identity)
		if err != nil {
			return Identity{}, err
		}
		if err := s.store.Put(ctx, subjectKey(identity.Subject), value, s.o.Lifetime); err != nil {
			return Identity{}, fmt.Errorf("keeping subject: %w", err)
		}
		now, err := s.ask(ctx, identity.Subject)
		if err != nil || now.equal(identity) {
			return identity, nil
		}
		identity = now
		s.forget(ctx, forgotten{subject: identity.Subject}) // somebody may have read it
	}
	return identity, nil
}

// IdentityChanged makes a change of the directory take effect on all nodes. Call
// it after the directory was written: with who the subject is now. A subject
// that is disabled is signed out everywhere. It is done even if ctx ends, as the
// directory was written.
func (s *Sessions) IdentityChanged(ctx context.Context, identity Identity) error {
	ctx = context.WithoutCancel(ctx)
	identity.At = s.now()
	_, err := s.keepIdentity(ctx, identity)
	s.forget(ctx, forgotten{subject: identity.Subject}) // also if that failed: it may be done
	if err != nil {
		return err
	}
	if identity.Disabled {
		return s.EndAll(ctx, identity.Subject, "")
	}
	return nil
}
