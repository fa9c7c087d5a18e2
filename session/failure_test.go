package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

func TestClosedStoreIsAFailureAndNoRefusal(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, known := n.begin("ann")
	_, unseen := n.begin("bob")
	n.wantOK("before", known)
	must(t, h.store.Close())
	n.wantOK("checked a moment ago", known)
	n.wantFailure("never checked", unseen)
	h.clock.pass(5 * time.Second)
	n.wantFailure("due", known)
	n.wantFailure("due, again", known)
	n.wantRefused("garbage, which needs no store", "garbage", session.ErrInvalid)
	for doing, err := range map[string]error{
		"End":             n.End(t.Context(), "ann", v.ID),
		"EndAll":          n.EndAll(t.Context(), "ann", ""),
		"IdentityChanged": n.IdentityChanged(t.Context(), v.Identity),
		"Ping":            n.Ping(t.Context()),
	} {
		if err == nil || session.Refused(err) {
			t.Errorf("%s = %v, want a failure", doing, err)
		}
	}
	if _, _, err := n.Begin(t.Context(), signIn("ann")); err == nil || session.Refused(err) {
		t.Errorf("Begin = %v, want a failure", err)
	}
	if list, err := n.List(t.Context(), "ann"); err == nil || session.Refused(err) {
		t.Errorf("List = %v, %v, want a failure", list, err)
	}
}

func TestStoreThatHangsAndComesBackSignsNobodyOut(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	h := newHouse(t, func(t testing.TB, _ *clock) store.Store { return openRedis(t, server, "hangs") })
	n := h.node()
	_, token := n.begin("ann")
	before := n.assertion(n.wantOK("before", token))
	h.clock.pass(5 * time.Second)
	server.Pause()
	n.wantFailure("store hangs", token)
	server.Resume()
	h.eventually("the store is back", func() bool { return n.Ping(t.Context()) == nil })
	if got := n.assertion(n.wantOK("store is back", token)); got != before {
		t.Error("the assertion was signed again, and nothing has changed")
	}
}

// A record that does not open may be sealed with a secret that a node does not
// know: it is no reason to sign somebody out.
func TestRecordThatDoesNotOpenIsAFailure(t *testing.T) {
	h := newEmbeddedHouse(t)
	v, token := h.node().begin("ann")
	must(t, h.store.Put(t.Context(), "session/"+v.ID, []byte("no record"), time.Hour))
	h.node().wantFailure("a record that cannot be read", token)
	h.store = store.Sealed(h.store, newRing(t, 'b').Sealer("store"))
	h.node().wantFailure("a record of another secret", token)
}

func TestRefusedKnowsOnlyRefusals(t *testing.T) {
	for _, err := range []error{session.ErrNone, session.ErrInvalid, session.ErrExpired, session.ErrEnded} {
		if !session.Refused(errors.Join(err, errors.New("and more"))) {
			t.Errorf("Refused(%v) = false, want true", err)
		}
	}
	for _, err := range []error{nil, store.ErrNotFound, errors.New("away")} {
		if session.Refused(err) {
			t.Errorf("Refused(%v) = true, want false", err)
		}
	}
}
