package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/doorward/doorward/store"
)

// Options configures [Sessions]. Store, Keys and Identities are required.
type Options struct {
	Store      store.Store
	Keys       *KeySet
	Identities Identities

	// Lifetime is the absolute limit of a session. Default: 12 hours (NIST SP
	// 800-63B, AAL2).
	Lifetime time.Duration

	// Idle is how long a session lasts without a request. Default: 1 hour.
	Idle time.Duration

	// CheckInterval is how long a check of a session against the store is good, or a
	// thirtieth of Idle, if that is less; and how long what was read in the journal is,
	// see [Sessions.Follow]. It is also the longest that an ended session passes on a
	// node that could not be told. Default: 5 seconds.
	CheckInterval time.Duration

	// AssertionLifetime is how long the app may rely on an assertion. Default: 5
	// minutes.
	AssertionLifetime time.Duration

	// Streams are the requests that stay open and end with their session. A
	// registry that outlives these Sessions is given to the next ones, too, which
	// look after the requests that are still open. Default: one of their own.
	Streams *Streams

	// CacheSize is how many checked sessions are kept in memory. Default: 131,072.
	CacheSize int

	Now func() time.Time // default: time.Now
}

// Sessions begins, checks and ends sessions. It is safe for concurrent use.
type Sessions struct {
	o      Options
	store  store.Store
	keys   *KeySet
	now    func() time.Time
	cache  *cache
	common common
	checks singleflight.Group

	journal   journal
	following atomic.Bool // whether what was seen is written
	seen      seen
	asking    asking
	hearing   hearing
	refusedAt atomic.Pointer[time.Time] // when the directory failed last

	streams   *Streams
	listening atomic.Bool
}

// New returns Sessions with o's defaults filled in.
func New(o Options) *Sessions {
	o.Lifetime = orDefault(o.Lifetime, 12*time.Hour)
	o.Idle = min(orDefault(o.Idle, time.Hour), o.Lifetime)
	o.CheckInterval = orDefault(o.CheckInterval, 5*time.Second)
	o.AssertionLifetime = orDefault(o.AssertionLifetime, 5*time.Minute)
	if o.CacheSize == 0 {
		o.CacheSize = 128 << 10
	}
	if o.Streams == nil {
		o.Streams = NewStreams()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sessions{
		o: o, store: o.Store, keys: o.Keys, now: o.Now, cache: newCache(o.CacheSize, o.Now()), streams: o.Streams,
		asking: asking{atOnce: askMost}, hearing: hearing{atOnce: askMost},
	}
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// Lifetime returns the absolute limit of a session.
func (s *Sessions) Lifetime() time.Duration { return s.o.Lifetime }

// Ping reports whether the store can be asked.
func (s *Sessions) Ping(ctx context.Context) error { return s.store.Ping(ctx) }

// A SignIn is what a session begins with: a subject, just proved.
type SignIn struct {
	Subject  string
	Audience string   // the site's origin
	Sites    []string // origins of other sites that the session is good for, too
	Issuer   string   // iss of the session token
	Methods  []string
	Agent    string
	Address  string
}

// Begin starts a session and returns it with its token. It returns ErrEnded for
// a subject who may not sign in any more.
func (s *Sessions) Begin(ctx context.Context, in SignIn) (v *Visitor, token string, err error) {
	now := s.now()
	v = &Visitor{Session: Session{
		ID:         rand.Text(),
		Subject:    in.Subject,
		Audience:   in.Audience,
		Sites:      in.Sites,
		StartedAt:  now,
		LastSeenAt: now,
		ExpiresAt:  now.Add(s.o.Lifetime),
		Idle:       s.o.Idle,
		Agent:      in.Agent,
		Address:    in.Address,
	}, began: now, since: s.cache.mark()}
	for _, name := range in.Methods {
		v.Methods = append(v.Methods, Method{name, now})
	}
	if err := s.put(ctx, &v.Session, s.store.Put); err != nil {
		return nil, "", fmt.Errorf("keeping session: %w", err)
	}
	id := v.ID
	defer func() {
		if err != nil { // nobody gets the token: no session is left behind
			err = errors.Join(err, s.End(ctx, in.Subject, id))
		}
	}()
	if err := s.store.Add(ctx, subjectSet(in.Subject), v.ID, s.o.Lifetime); err != nil {
		return nil, "", fmt.Errorf("listing session: %w", err)
	}
	// The directory is asked after the record is there: a user who is disabled
	// meanwhile is either seen here, or this record is among those being ended.
	if v.Identity, err = s.currentIdentity(ctx, in.Subject); err != nil {
		return nil, "", err
	}
	if v.Identity.Disabled {
		return nil, "", ErrEnded
	}
	if token, err = s.keys.signSession(v, in.Issuer); err != nil {
		return nil, "", err
	}
	return v, token, nil
}

// End ends one session of a subject everywhere. Ending one that has ended is no
// error; a session of another subject is not touched, and ErrEnded. It is done
// even if ctx ends: whoever signs out may close the page at once.
func (s *Sessions) End(ctx context.Context, subject, id string) error {
	ctx = context.WithoutCancel(ctx)
	record, err := s.record(ctx, id)
	if err != nil && !errors.Is(err, ErrEnded) {
		return err
	}
	if err == nil && record.Subject != subject {
		return ErrEnded
	}
	if err != nil {
		ids, err := s.store.Members(ctx, subjectSet(subject))
		if err != nil {
			return fmt.Errorf("listing sessions: %w", err)
		}
		if !slices.Contains(ids, id) { // which is what goes last: all is done
			return nil
		}
	}
	return s.announced(ctx, forgotten{session: id}, func() error { return s.end(ctx, subject, id) })
}

// end removes the record first, which is the truth, and then tells everybody. It is
// announced by the caller.
func (s *Sessions) end(ctx context.Context, subject, id string) error {
	err := s.store.Delete(ctx, sessionKey(id))
	s.forget(ctx, forgotten{session: id}) // also if that failed: it may be done
	if err != nil {
		return fmt.Errorf("ending session: %w", err)
	}
	if err := s.store.Remove(ctx, subjectSet(subject), id); err != nil {
		return fmt.Errorf("ending session: %w", err)
	}
	return nil
}

// EndAll ends every session of a subject but the one with the ID except, which
// may be empty. It is done even if ctx ends.
func (s *Sessions) EndAll(ctx context.Context, subject, except string) error {
	ctx = context.WithoutCancel(ctx)
	ids, err := s.others(ctx, subject, except)
	if err != nil || len(ids) == 0 {
		return err
	}
	return s.announced(ctx, forgotten{subject: subject}, func() error { return s.endEach(ctx, subject, ids) })
}

// others returns the IDs of the sessions of a subject but for one.
func (s *Sessions) others(ctx context.Context, subject, except string) ([]string, error) {
	ids, err := s.store.Members(ctx, subjectSet(subject))
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == except }), nil
}

// endEach ends sessions of a subject, which has been announced. It is announced again
// where that takes so long that it might be forgotten.
func (s *Sessions) endEach(ctx context.Context, subject string, ids []string) error {
	var failures []error
	announced := s.now()
	for _, id := range ids {
		if now := s.now(); now.Sub(announced) > nameKeeps/3 {
			failures = append(failures, s.announce(ctx, forgotten{subject: subject}))
			announced = now
		}
		failures = append(failures, s.end(ctx, subject, id))
	}
	return errors.Join(failures...)
}

// List returns the live sessions of a subject, the latest seen first.
func (s *Sessions) List(ctx context.Context, subject string) ([]Session, error) {
	ids, err := s.store.Members(ctx, subjectSet(subject))
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	var live []Session
	for _, id := range ids {
		record, err := s.record(ctx, id)
		if errors.Is(err, ErrEnded) {
			continue // it reached a limit; its name in the set expires too
		}
		if err != nil {
			return nil, err
		}
		if s.now().Before(record.endsAt()) {
			live = append(live, record)
		}
	}
	slices.SortFunc(live, func(a, b Session) int { return b.LastSeenAt.Compare(a.LastSeenAt) })
	return live, nil
}

// Keys of the store.
func sessionKey(id string) string      { return "session/" + id }
func subjectKey(subject string) string { return "subject/" + subject }
func subjectSet(subject string) string { return "sessions/" + subject }
