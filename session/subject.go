package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/store"
)

// Identities says who subjects are. The directory is one.
type Identities interface {
	// Of returns who the subjects are now, each under the name that it was asked for by,
	// in any order. A subject that does not exist (any more) is missing.
	Of(ctx context.Context, subjects ...string) ([]Identity, error)

	// Changed returns who may have changed since a mark that it returned before, or since
	// nobody knows when, for an empty one.
	Changed(ctx context.Context, mark string) (Changes, error)
}

const (
	// identityRefresh is how long an identity is good before the directory is
	// asked again. Changes made through Doorward do not wait for it.
	identityRefresh = time.Minute

	// identityLasts is how long it is good where the directory says who changes: then it
	// is asked in any case.
	identityLasts = 5 * time.Minute

	// askTimeout bounds a question to the directory. It leaves a check the time
	// to go on with what the store has.
	askTimeout = 2 * time.Second

	// directoryRest is how long a directory that failed is not asked by checks, which
	// can do without.
	directoryRest = 5 * time.Second
)

// identityKept returns how long the store keeps an identity as it is before it is
// written anew, and sealed with the newest secret.
func (s *Sessions) identityKept() time.Duration { return s.o.Idle / 2 }

// identity returns who a subject is: from the store, which all nodes share, and
// where a minute has passed from the directory. While the directory is away, what the
// store has goes on being true.
func (s *Sessions) identity(ctx context.Context, subject string, previous *Visitor) (Identity, error) {
	stored, err := s.storedIdentity(ctx, subject)
	if errors.Is(err, store.ErrNotFound) {
		return s.currentIdentity(ctx, subject)
	}
	if err != nil {
		return Identity{}, err
	}
	now := s.now()
	old := !stored.within(s.identityKept(), now)
	if previous != nil && previous.Identity.At.After(stored.At) && previous.Identity.equal(stored) {
		stored.At = previous.Identity.At // it was asked for since
	}
	if !old && stored.within(identityRefresh, now) {
		return stored, nil
	}
	found, err := s.askAgain(ctx, subject)
	switch {
	case err != nil:
		stored.At, stored.here = s.askedInVain(), false
		return stored, nil
	case !found.equal(stored):
		return s.identityIs(ctx, found)
	case old:
		if kept, err := s.keepIdentity(ctx, found); err == nil || !kept.equal(found) {
			return kept, err
		}
		// A store that can only be read says the same meanwhile.
	}
	stored.saidAgain(found)
	return stored, nil
}

// currentIdentity returns who a subject is from the directory, and sees to it that the
// store says the same. The directory is asked before the store: if they disagree,
// the subject may have been changed in between, and both are asked again. What the
// store has and cannot be read is written anew.
func (s *Sessions) currentIdentity(ctx context.Context, subject string) (Identity, error) {
	var found Identity
	for range 2 {
		var err error
		if found, err = s.ask(ctx, subject); err != nil {
			return Identity{}, err
		}
		stored, err := s.storedIdentity(ctx, subject)
		switch {
		case errors.Is(err, store.ErrNotFound):
			if err := s.putIdentity(ctx, found, s.store.Create); !errors.Is(err, store.ErrExists) {
				return found, err
			}
		case err == nil && found.equal(stored):
			if stored.within(s.identityKept(), found.At) {
				return found, nil
			}
			return s.keepIdentity(ctx, found)
		}
	}
	return s.identityIs(ctx, found)
}

// storedIdentity returns what the store has of a subject, or [store.ErrNotFound].
func (s *Sessions) storedIdentity(ctx context.Context, subject string) (Identity, error) {
	value, err := s.store.Get(ctx, subjectKey(subject))
	if err != nil {
		return Identity{}, fmt.Errorf("reading subject: %w", err)
	}
	var stored Identity
	if err := json.Unmarshal(value, &stored); err != nil {
		return Identity{}, fmt.Errorf("reading subject: %w", err)
	}
	stored.Subject = subject // which the session has in memory already
	return stored, nil
}

// putIdentity keeps an identity in the store for as long as its sessions may last.
func (s *Sessions) putIdentity(ctx context.Context, identity Identity, how func(context.Context, string, []byte, time.Duration) error) error {
	value, err := json.Marshal(identity)
	if err != nil {
		return err
	}
	if err := how(ctx, subjectKey(identity.Subject), value, s.o.Lifetime); err != nil {
		return fmt.Errorf("keeping subject: %w", err)
	}
	return nil
}

// ask returns who a subject is from the directory.
func (s *Sessions) ask(ctx context.Context, subject string) (Identity, error) {
	found, err := s.askAll(ctx, subject)
	return found[subject], err
}

// askAll returns who subjects are from the directory. Those who are gone are disabled.
func (s *Sessions) askAll(ctx context.Context, subjects ...string) (map[string]Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	at := s.now()
	identities, err := s.o.Identities.Of(ctx, subjects...)
	if err != nil {
		return nil, fmt.Errorf("looking up subjects: %w", err)
	}
	found := make(map[string]Identity, len(subjects))
	for _, subject := range subjects {
		found[subject] = Identity{Subject: subject, Disabled: true, At: at, here: true}
	}
	for _, identity := range identities {
		identity.At, identity.here = at, true
		found[identity.Subject] = identity
	}
	return found, nil
}

// errResting is what checks get of a directory that failed a moment ago.
var errResting = errors.New("session: the directory failed a moment ago")

// askAgain is ask for those who know already who the subject was: a directory that
// fails is left in peace for a while, and requests do not wait for it one by one.
func (s *Sessions) askAgain(ctx context.Context, subject string) (Identity, error) {
	failed, now := s.refusedAt.Load(), s.now()
	if failed != nil && (now.Sub(*failed).Abs() < directoryRest || !s.refusedAt.CompareAndSwap(failed, &now)) {
		return Identity{}, errResting // or somebody else tries
	}
	identity, err := s.ask(ctx, subject)
	switch {
	case err == nil && failed != nil:
		s.refusedAt.Store(nil)
	case err != nil && ctx.Err() == nil:
		now := s.now()
		s.refusedAt.Store(&now)
	}
	return identity, err
}

// askedInVain returns when somebody is taken for having been asked for who could not be:
// they are to be asked for again when the directory has had its rest.
func (s *Sessions) askedInVain() time.Time { return s.now().Add(directoryRest - identityRefresh) }

// within reports whether the directory said so less than d before now. It did not if it
// was to say so later: somebody's clock is wrong.
func (a Identity) within(d time.Duration, now time.Time) bool {
	age := now.Sub(a.At)
	return 0 <= age && age < d
}

// keepIdentity writes anew who a subject is, which is what the store has already. If
// that is no longer so by then, it is a change.
func (s *Sessions) keepIdentity(ctx context.Context, identity Identity) (Identity, error) {
	kept, err := s.putUntilTrue(ctx, identity)
	if err != nil || kept.equal(identity) {
		return kept, err
	}
	return s.identityIs(ctx, kept) // somebody may have read what was put there first
}

// putUntilTrue tells all nodes who a subject is, and returns who that is. It
// asks the directory again after it has written: a change that was made since
// identity was read has been written by IdentityChanged already, and this must
// not put back what was true before. Whoever writes last asks after all others
// have written, so that what stays is what the directory says.
func (s *Sessions) putUntilTrue(ctx context.Context, identity Identity) (Identity, error) {
	for range 3 {
		if err := s.putIdentity(ctx, identity, s.store.Put); err != nil {
			return identity, err
		}
		now, err := s.ask(ctx, identity.Subject)
		if err != nil || now.equal(identity) {
			return identity, nil
		}
		identity = now
	}
	return identity, nil
}

// IdentityChanged makes a change of the directory take effect on all nodes. Call
// it after the directory was written: with who the subject is now. A subject
// that is disabled is signed out everywhere. It is done even if ctx ends, as the
// directory was written.
func (s *Sessions) IdentityChanged(ctx context.Context, identity Identity) error {
	identity.At = s.now()
	_, err := s.identityIs(ctx, identity)
	return err
}

// identityIs does what IdentityChanged says, and returns who the subject is in the
// end.
func (s *Sessions) identityIs(ctx context.Context, identity Identity) (Identity, error) {
	ctx = context.WithoutCancel(ctx)
	err := s.announced(ctx, forgotten{subject: identity.Subject}, func() (err error) {
		identity, err = s.putUntilTrue(ctx, identity)
		if !identity.Disabled {
			return err
		}
		ids, failed := s.others(ctx, identity.Subject, "")
		return errors.Join(err, failed, s.endEach(ctx, identity.Subject, ids))
	})
	return identity, err
}
