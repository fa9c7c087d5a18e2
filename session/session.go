// Package session says who a request comes from. It begins, checks and ends
// sessions, signs the tokens that name them and the assertions that introduce
// them to the app, keeps the keys that sign, and owns everything of a session
// that travels in HTTP: the cookie, the bearer token and the identity headers.
//
// A session is a record in the store, and a signed JWT that names it. The
// record is the truth: it can be ended, and it knows when its owner was last
// seen. The signature lets a node refuse garbage without asking the store.
//
// What a session says of its subject (name, address, groups) is kept once for
// each subject, not in each session, so that a change takes effect everywhere
// in one step. See [Identity].
//
// A check that was made against the store less than [Options.CheckInterval] ago
// is good for the next request, without I/O; a session that is ended is told to
// all nodes, which forget that check. A node that reads what is ended makes a check
// only every few minutes. See [Sessions.Check] and [Sessions.Follow].
//
// A request that stays open, such as a WebSocket, ends with its session, or when
// what the app was told of its visitor is no longer so. See [Sessions.Stream].
//
// All nodes sign with the same keys, which are made and changed in one place for
// all. See [KeySet].
//
// The package does not decide who may sign in or pass; that is the policy's.
package session

import (
	"errors"
	"slices"
	"time"
)

// Why a request has no session. Any other error that [Sessions.Check] returns is
// a failure of the gateway, and not for the visitor to mend by signing in.
var (
	// ErrNone: no session token was presented.
	ErrNone = errors.New("session: none presented")

	// ErrInvalid: the token is not one of ours, or is meant for another site.
	ErrInvalid = errors.New("session: invalid token")

	// ErrExpired: the session reached its absolute or its idle limit, and the store
	// has not forgotten it yet.
	ErrExpired = errors.New("session: expired")

	// ErrEnded: somebody ended the session, its subject may no longer sign in, or
	// it expired.
	ErrEnded = errors.New("session: ended")
)

// Refused reports whether err says that a request has no session, and so that
// signing in would help. Every other error is a failure of the gateway.
func Refused(err error) bool {
	return errors.Is(err, ErrNone) || errors.Is(err, ErrInvalid) || errors.Is(err, ErrExpired) || errors.Is(err, ErrEnded)
}

// A Session is the fact that a subject signed in at a site.
type Session struct {
	ID         string        `json:"id"`              // sid
	Subject    string        `json:"sub"`             // the user's ID
	Audience   string        `json:"aud"`             // the origin of the site: "https://app.example.com"
	Sites      []string      `json:"sites,omitempty"` // origins of other sites that the session is good for, too
	Methods    []Method      `json:"methods"`         // how the subject signed in, latest last
	StartedAt  time.Time     `json:"started"`         // auth_time
	LastSeenAt time.Time     `json:"seen"`            // within a small part of the idle limit
	ExpiresAt  time.Time     `json:"expires"`         // absolute limit
	Idle       time.Duration `json:"idle"`            // idle limit
	Agent      string        `json:"agent"`           // what signed in, for its owner to recognise: "Firefox on Linux"
	Address    string        `json:"address"`         // the client's address when it signed in
}

// A Method is one way in which a subject proved who they are.
type Method struct {
	Name string    `json:"name"` // one of the constants below
	At   time.Time `json:"at"`
}

// Authentication method references, RFC 8176. A passkey is proof of possession
// of a key; one that verified its user is two factors at once.
const (
	MethodPasscode     = "otp"
	MethodPasskey      = "pop"
	MethodUserVerified = "mfa"
)

// AMR returns the names of the session's methods, each once: the amr claim.
func (s *Session) AMR() []string {
	var names []string
	for _, m := range s.Methods {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

// Fresh reports whether the subject proved who they are within d before now. A
// proof from the future, which a clock that was set back makes, is not fresh.
func (s *Session) Fresh(now time.Time, d time.Duration) bool {
	return slices.ContainsFunc(s.Methods, func(m Method) bool {
		age := now.Sub(m.At)
		return -Leeway <= age && age <= d
	})
}

// For reports whether the session is good for the site at origin.
func (s *Session) For(origin string) bool {
	return s.Audience == origin || slices.Contains(s.Sites, origin)
}

// IdleAt returns when the session ends if its owner is not seen again.
func (s *Session) IdleAt() time.Time { return s.LastSeenAt.Add(s.Idle) }

// endsAt returns when the session ends on its own: the idle or the absolute
// limit, whichever is first.
func (s *Session) endsAt() time.Time {
	if idle := s.IdleAt(); idle.Before(s.ExpiresAt) {
		return idle
	}
	return s.ExpiresAt
}

// An Identity is what the directory knows of a subject: what requests are judged
// by, and what the app is told.
type Identity struct {
	Subject       string    `json:"sub"`
	Name          string    `json:"name,omitempty"`
	Email         string    `json:"email,omitempty"` // the primary address, canonical
	EmailVerified bool      `json:"email_verified,omitempty"`
	Groups        []string  `json:"groups,omitempty"`   // sorted
	Added         bool      `json:"added,omitempty"`    // by an operator, rather than by signing up
	Disabled      bool      `json:"disabled,omitempty"` // may not sign in
	here          bool      // this node was told so by the directory
	At            time.Time `json:"at"` // when the directory said so
}

// saidAgain notes that the directory has said the same, in b.
func (a *Identity) saidAgain(b Identity) { a.At, a.here = b.At, b.here }

// equal reports whether the directory says the same in a and b.
func (a Identity) equal(b Identity) bool {
	return a.Subject == b.Subject && a.Name == b.Name && a.Email == b.Email && a.EmailVerified == b.EmailVerified &&
		slices.Equal(a.Groups, b.Groups) && a.Added == b.Added && a.Disabled == b.Disabled
}

// A Visitor is somebody who is signed in: their session and who they are. It is
// shared between requests and never changes.
type Visitor struct {
	Session
	Identity Identity

	began time.Time // when the check began that found this to be so
	since uint64    // a mark of the cache from then

	assertions cachedAssertions
}

// copy returns a visitor of the same check, to be changed in when they were seen and asked
// for.
func (v *Visitor) copy() *Visitor {
	c := &Visitor{Session: v.Session, Identity: v.Identity, began: v.began, since: v.since}
	c.assertions.list = v.assertions.kept()
	return c
}
