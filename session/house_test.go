package session_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

const (
	site      = "https://app.example.com"
	otherSite = "https://other.example.com"
	issuer    = site + "/doorward"
)

// A house is what the nodes of an installation share: a store, a directory with
// people and keys, a secret and the time.
type house struct {
	t      testing.TB
	clock  *clock
	store  store.Store
	people *people
	chest  *chest
	ring   *secret.Ring
	keys   session.KeyOptions

	streams *session.Streams // of the nodes that share them
}

// newHouse returns a house in which ann, bob and cal live.
func newHouse(t testing.TB, open func(testing.TB, *clock) store.Store) *house {
	t.Helper()
	h := &house{t: t, clock: newClock(), people: &people{}, chest: &chest{}, ring: newRing(t, 'a')}
	h.furnish(open)
	return h
}

// newBubbleHouse is newEmbeddedHouse for a test in a bubble of synctest, whose
// time is the house's.
func newBubbleHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, clock: &clock{bubble: true}, people: &people{}, chest: &chest{}, ring: newRing(t, 'a')}
	h.furnish(openEmbedded)
	return h
}

func (h *house) furnish(open func(testing.TB, *clock) store.Store) {
	h.t.Helper()
	h.store = store.Sealed(open(h.t, h.clock), h.ring.Sealer("store"))
	h.keys = session.KeyOptions{
		Storage: h.chest, Sealer: h.ring.Sealer("signing keys"), TokenLifetime: 12 * time.Hour, Now: h.clock.Now,
	}
	for _, name := range []string{"ann", "bob", "cal"} {
		h.people.set(session.Identity{
			Subject: name, Name: "The " + name, Email: name + "@example.com", EmailVerified: true, Groups: []string{"staff"},
		})
	}
}

// newEmbeddedHouse returns a house whose store is a file.
func newEmbeddedHouse(t testing.TB) *house { return newHouse(t, openEmbedded) }

func openEmbedded(t testing.TB, clock *clock) store.Store {
	t.Helper()
	e := store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(t.TempDir(), "store.db"), Now: clock.Now})
	t.Cleanup(func() { e.Close() })
	if err := e.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	return e
}

func newRing(t testing.TB, fill byte) *secret.Ring {
	t.Helper()
	s := make([]byte, secret.MinLength)
	for i := range s {
		s[i] = fill
	}
	ring, err := secret.NewRing(s)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// A node is one process of an installation.
type node struct {
	*session.Sessions
	h     *house
	keys  *session.KeySet
	store *watched
}

// node starts a node. with may change its options.
func (h *house) node(with ...func(*session.Options)) *node {
	h.t.Helper()
	n := &node{h: h, keys: h.keySet(), store: &watched{Store: h.store}}
	o := session.Options{Store: n.store, Keys: n.keys, Identities: h.people, Now: h.clock.Now}
	for _, f := range with {
		f(&o)
	}
	n.Sessions = session.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	h.t.Cleanup(cancel)
	if err := n.Listen(ctx); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// keySet returns an open key set. with may change its options.
func (h *house) keySet(with ...func(*session.KeyOptions)) *session.KeySet {
	h.t.Helper()
	keys := h.closedKeySet(with...)
	if err := keys.Refresh(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	return keys
}

func (h *house) closedKeySet(with ...func(*session.KeyOptions)) *session.KeySet {
	h.t.Helper()
	o := h.keys
	for _, f := range with {
		f(&o)
	}
	keys, err := session.NewKeySet(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return keys
}

// begin signs a subject in at the site.
func (n *node) begin(subject string) (*session.Visitor, string) {
	n.h.t.Helper()
	v, token, err := n.Begin(context.Background(), signIn(subject))
	if err != nil {
		n.h.t.Fatalf("Begin(%s): %v", subject, err)
	}
	return v, token
}

func signIn(subject string) session.SignIn {
	return session.SignIn{
		Subject: subject, Audience: site, Issuer: issuer, Methods: []string{session.MethodPasscode},
		Agent: "Firefox on Linux", Address: "192.0.2.1",
	}
}

// wantOK checks a token that is to be accepted, and returns its visitor.
func (n *node) wantOK(when, token string) *session.Visitor {
	n.h.t.Helper()
	v, err := n.Check(context.Background(), token, site)
	if err != nil {
		n.h.t.Fatalf("%s: Check = %v, want a visitor", when, err)
	}
	return v
}

// wantRefused checks a token that is to be refused with want, or at all if want
// is nil.
func (n *node) wantRefused(when, token string, want error) {
	n.h.t.Helper()
	v, err := n.Check(context.Background(), token, site)
	if v != nil || !session.Refused(err) || want != nil && !errors.Is(err, want) {
		n.h.t.Errorf("%s: Check = %v, %v, want nil, %v", when, v, err, want)
	}
}

// wantFailure checks a token about which the node cannot find out.
func (n *node) wantFailure(when, token string) {
	n.h.t.Helper()
	v, err := n.Check(context.Background(), token, site)
	if v != nil || err == nil || session.Refused(err) {
		n.h.t.Errorf("%s: Check = %v, %v, want a failure: whoever is refused loses the cookie", when, v, err)
	}
}

// eventually waits for what another node is told.
func (h *house) eventually(what string, happened func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !happened(); {
		if time.Now().After(deadline) {
			h.t.Fatalf("not within 10s: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is a time that passes when it is told to; or, in a bubble of synctest,
// the bubble's.
type clock struct {
	bubble bool

	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 9, 0, 0, 250e6, time.UTC)} }

func (c *clock) Now() time.Time {
	if c.bubble {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	if c.bubble {
		time.Sleep(d)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
