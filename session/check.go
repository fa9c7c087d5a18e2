package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/doorward/doorward/store"
)

// checkTimeout bounds a check that several requests may be waiting for.
const checkTimeout = 5 * time.Second

// lastingMost is how long a check is good where the journal vouches for it: then the
// store is asked, in case that it changed in a way that nobody could announce.
const lastingMost = 5 * time.Minute

// Check returns the visitor whom a session token names, at the site whose origin
// is audience: the one where the session began, or another that it is good for.
//
// This is the hot path: a token that was checked less than CheckInterval ago, or some
// minutes where the journal is read (see [Sessions.Follow]), costs a hash and a
// look-up, no I/O and no signature. Of several requests that need a check of one token
// at the same time, one makes it. That time is read from the monotonic clock: setting
// the clock back makes no check last longer.
//
// It returns ErrNone, ErrInvalid, ErrExpired or ErrEnded for a request to be
// refused (see [Refused]); any other error is a failure to find out.
func (s *Sessions) Check(ctx context.Context, token, audience string) (*Visitor, error) {
	if token == "" {
		return nil, ErrNone
	}
	d := digestOf(token)
	v, standing := s.cache.use(d, s.now())
	if standing != good {
		var err error
		if v, err = s.recheck(ctx, d, v, token, audience); err != nil {
			return nil, err
		}
	}
	if !v.For(audience) {
		return nil, ErrInvalid
	}
	return v, nil
}

// Inspect is Check by somebody who is not the visitor: it does not count as use of
// the session, and asks the store each time.
func (s *Sessions) Inspect(ctx context.Context, token, audience string) (*Visitor, error) {
	if token == "" {
		return nil, ErrNone
	}
	id, err := s.verify(ctx, token, audience)
	if err != nil {
		return nil, err
	}
	d := digestOf(token)
	began, since := s.now(), s.cache.mark()
	previous, _ := s.cache.get(d, began)
	v, err := s.see(ctx, previous, id)
	if err != nil {
		if Refused(err) {
			s.cache.remove(d)
		}
		return nil, err
	}
	s.keep(d, v, began, since)
	if !v.For(audience) {
		return nil, ErrInvalid
	}
	return v, nil
}

// recheck checks a token that is unknown (previous is nil), or whose last check
// is no longer good. Only an unknown one is verified, and before anybody waits
// for it: garbage costs its sender a signature at most, and nobody else anything.
func (s *Sessions) recheck(ctx context.Context, d digest, previous *Visitor, token, audience string) (*Visitor, error) {
	var id string
	if previous != nil {
		id = previous.ID
	} else {
		var err error
		if id, err = s.verify(ctx, token, audience); err != nil {
			return nil, err
		}
	}
	for {
		c, err := s.checkOnce(ctx, d, id)
		if err != nil {
			return nil, err
		}
		// The check may have been another's, and over before the session was ended,
		// which was before we came.
		if !s.cache.history.holds(c.visitor, c.since) {
			return c.visitor, nil
		}
	}
}

// checked is a visitor, and a mark that was made before the visitor was read.
type checked struct {
	visitor *Visitor
	since   uint64
}

// verify returns the ID of the session that token names.
func (s *Sessions) verify(ctx context.Context, token, audience string) (string, error) {
	id, err := s.keys.verifySession(token, audience, s.now())
	var unknown unknownKeyError
	if errors.As(err, &unknown) {
		if err := s.keys.look(ctx, unknown.kid); err != nil {
			return "", fmt.Errorf("looking for a new signing key: %w", err)
		}
		if _, known := s.keys.verifier(unknown.kid); known {
			return s.keys.verifySession(token, audience, s.now())
		}
	}
	return id, err
}

// checkOnce is check, made once for all who wait for it at the same time, and
// not given up when the one who began it hangs up.
func (s *Sessions) checkOnce(ctx context.Context, d digest, id string) (checked, error) {
	result := s.checks.DoChan(d.key(), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		defer cancel()
		return s.check(ctx, d, id)
	})
	select {
	case <-ctx.Done():
		return checked{}, ctx.Err()
	case r := <-result:
		if r.Err != nil {
			return checked{}, r.Err
		}
		return r.Val.(checked), nil
	}
}

// check renews a check that lasts, or looks at what the store has of a session and
// keeps the result.
func (s *Sessions) check(ctx context.Context, d digest, id string) (checked, error) {
	for {
		if err := ctx.Err(); err != nil {
			return checked{}, err
		}
		began, since := s.now(), s.cache.mark()
		previous, standing := s.cache.get(d, began)
		if standing == good { // by a check that ended just before this one began, or renewed
			return checked{previous, since}, nil
		}
		v, err := s.renewOrLook(ctx, d, previous, standing, id)
		if err != nil {
			if Refused(err) {
				s.cache.remove(d)
			}
			return checked{}, err
		}
		if v != nil && s.keep(d, v, began, since) {
			return checked{v, since}, nil
		}
		// The check was renewed, and is to be looked at; or the session was ended or its
		// subject changed, here or elsewhere, since the store was read. Read again.
	}
}

// renewOrLook renews a check, and returns nil, or makes a new one.
func (s *Sessions) renewOrLook(ctx context.Context, d digest, previous *Visitor, standing standing, id string) (*Visitor, error) {
	if standing != due {
		return s.look(ctx, previous, id)
	}
	v, err := s.renew(ctx, previous)
	if err == nil && v != nil {
		s.cache.renew(d, previous, v, s.renewal(v))
	}
	return nil, err
}

// keep keeps a check that began at began: for CheckInterval, and where the journal
// can be read for longer, unless it names the visitor. Whoever is seen only in the
// cache is not noted as seen, so that a check must not be good for as long as the
// idle limit. Adding to began, rather than taking the session's end, keeps the reading
// of the monotonic clock.
func (s *Sessions) keep(d digest, v *Visitor, began time.Time, since uint64) bool {
	at, left, next := s.cache.at(began), v.endsAt().Sub(began), s.renewal(v)
	valid := validity{
		began: at,
		fresh: min(at+min(s.o.CheckInterval, v.Idle/seenParts, left), next.asks, next.due),
		lasts: at + min(lastingMost-rand.N(lastingMost/5), left), // not all in step

		renewal: next,
	}
	if s.journal.inDoubt(v) {
		valid.lasts = valid.fresh
	}
	return s.cache.put(d, v, valid, since)
}

// renewal returns when a check that lasts is to be renewed: when it is to be asked who
// the subject is, or to be noted that the session is in use.
func (s *Sessions) renewal(v *Visitor) renewal {
	now := s.now()
	at, age := s.cache.at(now), now.Sub(v.Identity.At)
	if age < 0 { // somebody's clock is wrong
		return renewal{never, at, at}
	}
	next := renewal{never, at + identityRefresh - age, at + identityLasts - age}
	if v.Identity.here {
		next.asked = at - age
	}
	next.due = min(next.due, at+v.Idle/seenParts-now.Sub(v.LastSeenAt))
	return next
}

// renew does what is due of a session whose record has not changed: it asks who the
// subject is, unless that is known (see hearChanges) or was done in the background (see
// askAround), and notes that the session is in use. It returns the visitor as they are
// now, or nil if the subject has changed and the store has to be asked.
func (s *Sessions) renew(ctx context.Context, previous *Visitor) (*Visitor, error) {
	v := previous.copy()
	if !s.known(v.Identity) {
		found, err := s.askAgain(ctx, v.Subject)
		switch {
		case err != nil:
			v.Identity.At, v.Identity.here = s.askedInVain(), false
		case found.equal(v.Identity):
			v.Identity.saidAgain(found)
		default:
			_, err := s.identityIs(ctx, found)
			return nil, err
		}
	}
	if now := s.now(); v.unnoted(now) {
		return v, s.note(ctx, &v.Session, now)
	}
	return v, nil
}

// look does the work of check. previous is the visitor of an earlier check, or
// nil.
func (s *Sessions) look(ctx context.Context, previous *Visitor, id string) (*Visitor, error) {
	v, err := s.see(ctx, previous, id)
	if err != nil {
		return nil, err
	}
	if now := s.now(); v.unnoted(now) {
		if err := s.note(ctx, &v.Session, now); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// see is look by somebody who is not the visitor: that the session was looked at
// is not noted.
func (s *Sessions) see(ctx context.Context, previous *Visitor, id string) (*Visitor, error) {
	began, since := s.now(), s.cache.mark()
	record, err := s.record(ctx, id)
	if err != nil {
		return nil, err
	}
	if !s.now().Before(record.endsAt()) {
		return nil, errors.Join(ErrExpired, s.End(ctx, record.Subject, id))
	}
	identity, err := s.identity(ctx, record.Subject, previous)
	if err != nil {
		return nil, err
	}
	if identity.Disabled {
		return nil, errors.Join(ErrEnded, s.End(ctx, record.Subject, id))
	}
	v := &Visitor{Session: record, Identity: identity, began: began, since: since}
	v.compact(&s.common)
	if previous != nil && previous.Identity.equal(v.Identity) {
		v.assertions.list = previous.assertions.kept()
	}
	return v, nil
}

// record returns the record of a session, or ErrEnded.
func (s *Sessions) record(ctx context.Context, id string) (Session, error) {
	value, err := s.store.Get(ctx, sessionKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return Session{}, ErrEnded
	}
	if err != nil {
		return Session{}, fmt.Errorf("reading session: %w", err)
	}
	var record Session
	if err := json.Unmarshal(value, &record); err != nil {
		return Session{}, fmt.Errorf("reading session: %w", err)
	}
	return record, nil
}

// put keeps a session's record until the session ends by itself.
func (s *Sessions) put(ctx context.Context, record *Session, how func(context.Context, string, []byte, time.Duration) error) error {
	value, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return how(ctx, sessionKey(record.ID), value, record.endsAt().Sub(s.now()))
}
