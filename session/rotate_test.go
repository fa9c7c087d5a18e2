package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
)

// rotate rotates, and fails if that does.
func (b *bunch) rotate(atOnce bool) session.KeyInfo {
	b.h.t.Helper()
	b.h.clock.pass(time.Millisecond) // no key begins to sign together with the one before
	info, err := b.Rotate(context.Background(), atOnce)
	must(b.h.t, err)
	return info
}

// states returns what each key does, in the order in which they begin to sign.
func (b *bunch) states() []session.KeyState {
	b.h.t.Helper()
	list, err := b.List(context.Background())
	must(b.h.t, err)
	var states []session.KeyState
	for _, info := range list {
		states = append(states, info.State)
	}
	return states
}

func TestNodesThatStartAtOnceMakeOneKey(t *testing.T) {
	h := newHouseOfKeys(t)
	var group sync.WaitGroup
	for range 10 {
		keys := h.closedKeySet()
		group.Go(func() {
			if err := keys.Refresh(context.Background()); err != nil {
				t.Errorf("Refresh: %v", err)
			}
		})
	}
	group.Wait()
	if got := len(h.chest.keys); got != 1 {
		t.Errorf("%d keys are kept, want 1", got)
	}
}

func TestNodesThatFindARotationDueAtOnceMakeOneKey(t *testing.T) {
	h := newHouseOfKeys(t)
	var nodes []*bunch
	for range 10 {
		nodes = append(nodes, h.bunch())
	}
	h.clock.pass(9 * 24 * time.Hour)
	var group sync.WaitGroup
	for _, b := range nodes {
		group.Go(b.refresh)
	}
	group.Wait()
	if got := len(h.chest.keys); got != 2 {
		t.Errorf("%d keys are kept, want 2: the first and the next", got)
	}
	h.clock.pass(24 * time.Hour)
	first := nodes[0].signs()
	for _, b := range nodes {
		if got := b.signs(); got != first {
			t.Errorf("nodes sign with %s and %s", got, first)
		}
	}
}

func TestRotatedKeySignsWhenVerifiersCanKnowIt(t *testing.T) {
	h := newHouseOfKeys(t)
	b, other := h.bunch(), h.bunch()
	first := b.signs()
	next := b.rotate(false)
	if next.State != session.KeyNext || next.ID == first {
		t.Fatalf("Rotate = %+v, want a new key that is next", next)
	}
	if wait := next.SignsFrom.Sub(h.clock.Now()); wait < session.JWKSMaxAge || wait > session.JWKSMaxAge+5*time.Minute {
		t.Errorf("it signs in %v, want JWKSMaxAge and a little", wait)
	}
	if got := b.published(); !slices.Contains(got, next.ID) {
		t.Errorf("published: %q, want %q among them", got, next.ID)
	}
	other.refresh()
	h.clock.pass(next.SignsFrom.Sub(h.clock.Now()) - time.Microsecond)
	for name, node := range map[string]*bunch{"here": b, "elsewhere": other} {
		if got := node.signs(); got != first {
			t.Errorf("%s %s signs before its time, want %s", name, got, first)
		}
	}
	h.clock.pass(time.Microsecond)
	for name, node := range map[string]*bunch{"here": b, "elsewhere": other} {
		if got := node.signs(); got != next.ID {
			t.Errorf("%s %s signs, want %s", name, got, next.ID)
		}
	}
	if got, want := b.states(), []session.KeyState{session.KeyVerifying, session.KeySigning}; !slices.Equal(got, want) {
		t.Errorf("states = %q, want %q", got, want)
	}
}

func TestRotatingTwiceRotatesOnce(t *testing.T) {
	h := newHouseOfKeys(t)
	b, other := h.bunch(), h.bunch()
	first := b.rotate(false)
	h.clock.pass(time.Minute)
	for _, node := range []*bunch{b, other} {
		if again := node.rotate(false); again != first {
			t.Errorf("Rotate again = %+v, want %+v", again, first)
		}
	}
	if got := len(h.chest.keys); got != 2 {
		t.Errorf("%d keys are kept, want 2", got)
	}
}

// The schedule publishes a key for a day. Who rotates by hand does not wait for it,
// but verifiers have to know the key all the same.
func TestRotatingBringsForwardTheKeyThatTheScheduleMade(t *testing.T) {
	for name, test := range map[string]struct{ published, signsIn time.Duration }{
		"made just now":    {0, session.JWKSMaxAge + session.Leeway},
		"made hours ago":   {3 * time.Hour, 0},
		"known in a while": {10 * time.Minute, session.JWKSMaxAge + session.Leeway - 10*time.Minute},
		"about to sign":    {24*time.Hour - time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouseOfKeys(t)
			b := h.bunch()
			h.clock.pass(9 * 24 * time.Hour)
			b.refresh()
			want := b.published()
			h.clock.pass(test.published - time.Millisecond)
			next := b.rotate(false)
			if got := next.SignsFrom.Sub(h.clock.Now().Truncate(time.Microsecond)); got != test.signsIn {
				t.Errorf("it signs in %v, want %v", got, test.signsIn)
			}
			if got := b.published(); !slices.Equal(got, want) {
				t.Errorf("published: %q, want %q as before", got, want)
			}
			if state := next.State; (state == session.KeySigning) != (test.signsIn == 0) {
				t.Errorf("state = %s", state)
			}
		})
	}
}

func TestKeyThatIsRotatedAtOnceSignsAtOnceAndOldTokensStayGood(t *testing.T) {
	h := newHouseOfKeys(t)
	n, b := h.node(func(o *session.Options) { o.Idle = 12 * time.Hour }), h.bunch()
	_, old := n.begin("ann")
	made := b.rotate(true)
	if made.State != session.KeySigning {
		t.Errorf("state = %s, want %s", made.State, session.KeySigning)
	}
	if got := b.signs(); got != made.ID {
		t.Errorf("%s signs, want %s", got, made.ID)
	}
	if err := b.checks(old); err != nil {
		t.Errorf("Check of a token of the key before = %v, want a visitor", err)
	}
	// A node that has not heard of it takes what it signs at the first sight.
	_, token := (&node{Sessions: session.New(session.Options{
		Store: h.store, Keys: b.KeySet, Identities: h.people, Now: h.clock.Now,
	}), h: h}).begin("bob")
	n.wantOK("of a key that the node has not seen", token)
}

// By the clock of another node it signs already.
func TestRotatingAtOnceKeepsAKeyThatIsAboutToSign(t *testing.T) {
	h := newHouseOfKeys(t)
	b := h.bunch()
	ahead := h.bunch(func(o *session.KeyOptions) {
		o.Now = func() time.Time { return h.clock.Now().Add(session.Leeway) }
	})
	waiting := b.rotate(false)
	ahead.refresh()
	h.clock.pass(waiting.SignsFrom.Sub(h.clock.Now()) - session.Leeway + time.Second)
	n := &node{Sessions: session.New(session.Options{
		Store: h.store, Keys: ahead.KeySet, Identities: h.people, Now: h.clock.Now,
	}), h: h}
	_, token := n.begin("ann")
	if header, _ := parse(t, token); header["kid"] != waiting.ID {
		t.Fatalf("%v signs on the node that is ahead, want %s", header["kid"], waiting.ID)
	}
	made := b.rotate(true)
	if err := b.checks(token); err != nil {
		t.Errorf("Check of the token = %v, want a visitor", err)
	}
	for range 20 {
		h.clock.pass(time.Minute)
		if got := b.signs(); got != made.ID {
			t.Fatalf("%s signs, want %s", got, made.ID)
		}
	}
}

// Who may have read the keys may have read the one that waits, too.
func TestRotatingAtOnceRemovesTheKeyThatWaits(t *testing.T) {
	h := newHouseOfKeys(t)
	b := h.bunch()
	waiting := b.rotate(false)
	made := b.rotate(true)
	if made.ID == waiting.ID || slices.Contains(b.published(), waiting.ID) {
		t.Errorf("published: %q, and %q signs; want %q gone", b.published(), made.ID, waiting.ID)
	}
	h.clock.pass(24 * time.Hour)
	b.refresh()
	if got := b.signs(); got != made.ID {
		t.Errorf("a day later %s signs, want %s", got, made.ID)
	}
}

func TestListSaysWhatEachKeyDoesAndWhenItGoes(t *testing.T) {
	h := newHouseOfKeys(t)
	b := h.bunch()
	first := b.signs()
	list, err := b.List(t.Context())
	must(t, err)
	if len(list) != 1 || list[0].ID != first || list[0].Algorithm != "ES256" || list[0].State != session.KeySigning || !list[0].RetiresAt.IsZero() {
		t.Fatalf("List = %+v, want %s that signs and does not go", list, first)
	}
	next := b.rotate(false)
	if got, want := b.states(), []session.KeyState{session.KeySigning, session.KeyNext}; !slices.Equal(got, want) {
		t.Fatalf("states = %q, want %q", got, want)
	}
	h.clock.pass(time.Hour)
	list, err = b.List(t.Context())
	must(t, err)
	goes := next.SignsFrom.Add(12*time.Hour + session.Leeway)
	if !list[0].RetiresAt.Equal(goes) || !list[1].RetiresAt.IsZero() {
		t.Errorf("the keys go at %v and %v, want %v and never", list[0].RetiresAt, list[1].RetiresAt, goes)
	}
	h.clock.pass(goes.Sub(h.clock.Now()))
	if got, want := b.states(), []session.KeyState{session.KeyVerifying, session.KeySigning}; !slices.Equal(got, want) {
		t.Errorf("states when the last token expires = %q, want %q", got, want)
	}
	h.clock.pass(time.Second)
	if got, want := b.states(), []session.KeyState{session.KeySigning}; !slices.Equal(got, want) {
		t.Errorf("states after that = %q, want %q", got, want)
	}
}

// While an update of the nodes shortens sessions, tokens are around that last as
// long as they did.
func TestKeyIsKeptForTheNodeWhoseSessionsLastLongest(t *testing.T) {
	h := newHouseOfKeys(t)
	long := h.bunch(func(o *session.KeyOptions) { o.TokenLifetime = 48 * time.Hour })
	first := long.signs()
	long.rotate(true)
	short := h.bunch(func(o *session.KeyOptions) { o.TokenLifetime = time.Hour })
	h.clock.pass(48 * time.Hour)
	short.refresh()
	if got := short.published(); !slices.Contains(got, first) {
		t.Errorf("published: %q, want %q among them", got, first)
	}
	h.clock.pass(session.Leeway + time.Second)
	short.refresh()
	if got := short.published(); slices.Contains(got, first) {
		t.Errorf("published: %q, want %q gone", got, first)
	}
}

// The way back to an algorithm finds its key still there, and about to be removed.
func TestKeyThatSignsAgainIsNotRemoved(t *testing.T) {
	h := newHouseOfKeys(t)
	first := h.bunch().signs()
	h.clock.pass(time.Hour)
	h.bunch(algorithm("EdDSA"))
	h.clock.pass(time.Hour)
	b := h.bunch()
	if got := b.signs(); got != first {
		t.Fatalf("%s signs, want %s", got, first)
	}
	for range 48 {
		h.clock.pass(time.Hour)
		b.refresh()
	}
	if got := b.signs(); got != first {
		t.Errorf("two days later %s signs, want %s", got, first)
	}
}

func TestRotateChangesNothingWithAnotherSecretOrWithoutTheStorage(t *testing.T) {
	h := newHouseOfKeys(t)
	b := h.bunch()
	before := slices.Clone(h.chest.keys)
	stranger := h.closedKeySet(func(o *session.KeyOptions) { o.Sealer = newRing(t, 'b').Sealer("signing keys") })
	if _, err := stranger.Rotate(t.Context(), true); !errors.Is(err, secret.ErrOtherSecret) || !strings.Contains(err.Error(), before[0].ID) {
		t.Errorf("Rotate with another secret = %v, want one that wraps %v and names the key", err, secret.ErrOtherSecret)
	}
	if n, err := stranger.Reseal(t.Context()); n != 0 || !errors.Is(err, secret.ErrOtherSecret) {
		t.Errorf("Reseal with another secret = %d, %v, want 0, %v", n, err, secret.ErrOtherSecret)
	}
	away := errors.New("directory away")
	h.chest.fail(away)
	if _, err := b.Rotate(t.Context(), false); !errors.Is(err, away) {
		t.Errorf("Rotate without the storage = %v, want one that wraps %v", err, away)
	}
	if _, err := b.List(t.Context()); !errors.Is(err, away) {
		t.Errorf("List without the storage = %v, want one that wraps %v", err, away)
	}
	if _, err := b.Reseal(t.Context()); !errors.Is(err, away) {
		t.Errorf("Reseal without the storage = %v, want one that wraps %v", err, away)
	}
	h.chest.fail(nil)
	if got := h.chest.keys; len(got) != 1 || got[0].ID != before[0].ID || string(got[0].Sealed) != string(before[0].Sealed) {
		t.Errorf("the keys are now %+v, want them as they were", got)
	}
	if got := b.signs(); got != before[0].ID {
		t.Errorf("%s signs, want %s", got, before[0].ID)
	}
}
