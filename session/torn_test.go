package session_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

// An end that failed may have been made. Nobody goes on with what was checked
// before, here or elsewhere.
func TestEndThatFailedHalfWayIsHeardOfAllTheSame(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.node(), h.node()
	v, token := n.begin("ann")
	n.wantOK("signed in", token)
	other.wantOK("signed in", token)

	n.store.torn.Store(true)
	if err := n.End(context.Background(), v.Subject, v.ID); err == nil {
		t.Error("End = nil, want the store's error")
	}
	n.wantRefused("where it was ended", token, session.ErrEnded)
	h.eventually("the other node hears of it", func() bool {
		_, err := other.Check(context.Background(), token, site)
		return session.Refused(err)
	})
}

func TestIdentityThatWasKeptHalfWayIsHeardOfAllTheSame(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.node(), h.node()
	_, token := n.begin("ann")
	n.wantOK("signed in", token)
	other.wantOK("signed in", token)

	n.store.torn.Store(true)
	changed := h.people.all["ann"]
	changed.Groups = []string{"guests"}
	h.people.set(changed)
	if err := n.IdentityChanged(context.Background(), changed); err == nil {
		t.Error("IdentityChanged = nil, want the store's error")
	}
	h.eventually("the other node hears of it", func() bool {
		v, err := other.Check(context.Background(), token, site)
		return err == nil && v.Identity.Groups[0] == "guests"
	})
}

func TestOperatorWhoHangsUpMakesNoTokenFail(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	ctx, hangUp := context.WithCancel(context.Background())
	hangUp()
	if _, err := n.keys.List(ctx); err == nil {
		t.Fatal("List for nobody = nil, want an error")
	}
	_, token := n.begin("ann")
	header, claims := parse(t, token)
	n.wantRefused("a kid made up", forge(t, header.with("kid", "made up"), claims, unsigned), session.ErrInvalid)
}

// A node that cannot make the key that is due still follows what others made.
func TestNodeThatCannotChangeKeysLearnsNewOnes(t *testing.T) {
	h := newHouseOfKeys(t)
	b, other := h.bunch(), h.bunch()
	made := other.rotate(true)
	h.clock.pass(10 * 24 * time.Hour) // the next is due
	h.chest.stuck = errors.New("read-only")
	if err := b.Refresh(context.Background()); err == nil {
		t.Error("Refresh = nil, want that the change failed")
	}
	if got := b.published(); !slices.Contains(got, made.ID) {
		t.Errorf("published %q, want %q among them", got, made.ID)
	}
}
