package session_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

func TestFirstKeyIsMadeOnce(t *testing.T) {
	h := newEmbeddedHouse(t)
	keys := h.closedKeySet()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := keys.Refresh(t.Context()); err != nil {
				t.Errorf("Refresh: %v", err)
			}
		})
	}
	group.Wait()
	b := &bunch{keys, h}
	first := b.signs()
	h.bunch().refresh() // a restart
	if got := len(h.chest.keys); got != 1 {
		t.Errorf("%d keys are kept, want 1", got)
	}
	if got := h.bunch().signs(); got != first {
		t.Errorf("after a restart %s signs, want %s", got, first)
	}
}

func TestNextKeyIsPublishedBeforeItSigns(t *testing.T) {
	h := newHouseOfKeys(t)
	b := h.bunch()
	first := b.signs()
	h.clock.pass(9*24*time.Hour - 1)
	b.refresh()
	if got, want := b.published(), []string{first}; !slices.Equal(got, want) {
		t.Fatalf("published more than a day before the rotation: %q, want %q", got, want)
	}
	h.clock.pass(1)
	b.refresh()
	if got := b.published(); len(got) != 2 || !slices.Contains(got, first) {
		t.Fatalf("published a day before the rotation: %q, want two, %q among them", got, first)
	}
	b.refresh()
	if got := len(b.published()); got != 2 {
		t.Fatalf("a second look made the number of keys %d, want 2", got)
	}
	h.clock.pass(24*time.Hour - 1)
	if got := b.signs(); got != first {
		t.Errorf("just before the rotation %s signs, want %s", got, first)
	}
	h.clock.pass(1)
	if got := b.signs(); got == first {
		t.Error("at the rotation the first key still signs")
	}
}

func TestLateRotationStillPublishesBeforeItSigns(t *testing.T) {
	h := newHouseOfKeys(t)
	first := h.bunch().signs()
	h.clock.pass(300 * 24 * time.Hour) // nobody was there
	b := h.bunch()
	if got := b.signs(); got != first {
		t.Errorf("%s signs at once, want %s for a day more", got, first)
	}
	h.clock.pass(24 * time.Hour)
	if got := b.signs(); got == first {
		t.Error("a day later the first key still signs")
	}
}

func TestKeyIsRemovedWhenItsLastTokenHasExpired(t *testing.T) {
	h := newHouseOfKeys(t)
	b := h.bunch()
	first := b.signs()
	h.clock.pass(9 * 24 * time.Hour)
	b.refresh()
	h.clock.pass(24*time.Hour - time.Second)
	n := h.node(func(o *session.Options) { o.Idle = 12 * time.Hour })
	v, last := n.begin("ann")
	if header, _ := parse(t, last); header["kid"] != first {
		t.Fatalf("the last token is signed by %v, want %v", header["kid"], first)
	}
	h.clock.pass(v.ExpiresAt.Sub(h.clock.Now()) - time.Second)
	b.refresh()
	if err := b.checks(last); err != nil {
		t.Errorf("a second before it expires, Check of the last token = %v, want a visitor", err)
	}
	h.clock.pass(2*time.Second + session.Leeway)
	b.refresh()
	if got := b.published(); !slices.Contains(got, first) {
		t.Errorf("published within the leeway: %q, want %q among them", got, first)
	}
	h.clock.pass(time.Second)
	b.refresh()
	if got := b.published(); len(got) != 1 || got[0] == first {
		t.Errorf("published after it: %q, want one, and not %q", got, first)
	}
	if got := len(h.chest.keys); got != 1 {
		t.Errorf("%d keys are kept, want 1", got)
	}
}

func TestAnotherAlgorithmSignsAtOnceAndOldTokensStayGood(t *testing.T) {
	h := newHouseOfKeys(t)
	n := h.node(func(o *session.Options) { o.Idle = 12 * time.Hour })
	_, old := n.begin("ann")
	header, _ := parse(t, old)
	h.clock.pass(time.Hour)
	b := h.bunch(algorithm("EdDSA"))
	if got := b.signs(); got == header["kid"] {
		t.Error("the key of the old algorithm still signs")
	}
	if err := b.checks(old); err != nil {
		t.Errorf("Check of an ES256 token = %v, want a visitor", err)
	}
	h.clock.pass(12*time.Hour + session.Leeway + time.Second)
	b.refresh()
	if got := b.published(); len(got) != 1 || got[0] == header["kid"] {
		t.Errorf("published when the last ES256 token has expired: %q, want one, and not %q", got, header["kid"])
	}
}

// The next key is published for a day and does not sign yet: it is not the newest
// of the new algorithm, however new it is.
func TestAnotherAlgorithmMakesOneKeyAlsoJustBeforeARotation(t *testing.T) {
	h := newHouseOfKeys(t)
	b := h.bunch()
	h.clock.pass(9*24*time.Hour + time.Hour)
	b.refresh()
	b = h.bunch(algorithm("EdDSA"))
	want := b.signs()
	for range 48 {
		h.clock.pass(time.Hour)
		b.refresh()
		if got := b.signs(); got != want {
			t.Fatalf("%s signs, want %s, which is the only EdDSA key", got, want)
		}
	}
	if got := len(b.published()); got > 3 {
		t.Errorf("%d keys after two days, want 3 at most: two of ES256, one of EdDSA", got)
	}
}

func TestNodesOfDifferentAlgorithmsDoNotOutdoEachOther(t *testing.T) {
	h := newHouseOfKeys(t)
	old, young := h.bunch(), h.bunch(algorithm("EdDSA"))
	for range 60 { // an update of the nodes takes an hour
		h.clock.pass(time.Minute)
		old.refresh()
		young.refresh()
	}
	if got := len(h.chest.keys); got != 2 {
		t.Errorf("%d keys are kept, want 2", got)
	}
	if old.signs() == young.signs() {
		t.Error("both sign with one key, want each with its own algorithm")
	}
}

func TestClockThatWasSetBackBeforeTheFirstKeyStillSigns(t *testing.T) {
	h := newEmbeddedHouse(t)
	b := h.bunch()
	first := b.signs()
	h.clock.pass(-time.Hour)
	if got := b.signs(); got != first {
		t.Errorf("%s signs, want %s", got, first)
	}
}
