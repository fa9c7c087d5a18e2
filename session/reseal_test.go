package session_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

// ringOf returns a ring of secrets, each made of one letter.
func ringOf(t testing.TB, letters string) *secret.Ring {
	t.Helper()
	var secrets [][]byte
	for _, letter := range letters {
		secrets = append(secrets, []byte(strings.Repeat(string(letter), secret.MinLength)))
	}
	ring, err := secret.NewRing(secrets...)
	must(t, err)
	return ring
}

func sealer(ring *secret.Ring) func(*session.KeyOptions) {
	return func(o *session.KeyOptions) { o.Sealer = ring.Sealer("signing keys") }
}

func TestNewSecretAloneOpensKeysThatAreResealed(t *testing.T) {
	h := newHouseOfKeys(t)
	b := h.bunch()
	b.rotate(false)
	want := b.published()
	both, young := ringOf(t, "ba"), ringOf(t, "b")
	b = h.bunch(sealer(both))
	if err := h.closedKeySet(sealer(young)).Refresh(t.Context()); !errors.Is(err, secret.ErrOtherSecret) {
		t.Fatalf("Refresh with the new secret before resealing = %v, want %v", err, secret.ErrOtherSecret)
	}
	if n, err := b.Reseal(t.Context()); n != 2 || err != nil {
		t.Errorf("Reseal = %d, %v, want 2 keys", n, err)
	}
	if n, err := b.Reseal(t.Context()); n != 0 || err != nil {
		t.Errorf("Reseal again = %d, %v, want none", n, err)
	}
	if got := h.bunch(sealer(young)).published(); !slices.Equal(got, want) {
		t.Errorf("published with the new secret alone: %q, want %q", got, want)
	}
	if err := h.closedKeySet(sealer(ringOf(t, "a"))).Refresh(t.Context()); !errors.Is(err, secret.ErrOtherSecret) {
		t.Errorf("Refresh with the old secret alone = %v, want %v", err, secret.ErrOtherSecret)
	}
}

// A vault is a house whose secrets are replaced: each run begins with the ones
// that are given.
type vault struct {
	*house
	plain store.Store
}

func newVault(t *testing.T) *vault {
	h := newEmbeddedHouse(t)
	return &vault{h, openEmbedded(t, h.clock)}
}

func (v *vault) run(letters string) *node {
	ring := ringOf(v.t, letters)
	v.store = store.Sealed(v.plain, ring.Sealer("store"))
	v.keys.Sealer = ring.Sealer("signing keys")
	return v.node()
}

// Session records are sealed again as they are used. Once the nodes have run with
// both secrets for as long as the idle limit, no living session needs the old one.
func TestSessionsOutliveASecretThatIsDroppedAfterTheIdleLimit(t *testing.T) {
	v := newVault(t)
	n := v.run("a")
	_, used := n.begin("ann")
	_, idle := n.begin("bob")
	n = v.run("ba")
	_, err := n.keys.Reseal(t.Context())
	must(t, err)
	for range 13 {
		v.clock.pass(5 * time.Minute)
		n.wantOK("with both secrets", used)
	}
	n = v.run("b")
	n.wantOK("with the new secret alone", used)
	n.wantRefused("unused for as long as the idle limit", idle, session.ErrEnded)
}

// Dropped too soon, an old secret takes along those who were not seen since. They
// are not signed out, as the node may be the one that is wrong; and they wait no
// longer than the session would have lasted unused.
func TestSessionsOfASecretThatIsDroppedTooSoonFailUntilTheirIdleLimit(t *testing.T) {
	v := newVault(t)
	_, idle := v.run("a").begin("ann")
	n := v.run("ba")
	_, err := n.keys.Reseal(t.Context())
	must(t, err)
	n = v.run("b")
	n.wantFailure("sealed with the old secret", idle)
	_, again := n.begin("ann")
	n.wantOK("signed in again", again)
	v.clock.pass(time.Hour - time.Second)
	n.wantFailure("just within the idle limit", idle)
	v.clock.pass(2 * time.Second)
	n.wantRefused("beyond it", idle, session.ErrEnded)
}

// Until when a secret is needed is said for sessions that are used at any times, and
// by nodes that read the journal or do not.
func TestNobodyNeedsASecretLongerThanItIsSaid(t *testing.T) {
	for range 20 {
		v := newVault(t)
		var tokens []string
		old := v.run("a")
		for range 5 {
			_, token := old.begin("ann")
			tokens = append(tokens, token)
			v.clock.pass(rand.N(20 * time.Minute))
		}
		n := v.run("ba")
		_, err := n.keys.Reseal(t.Context())
		must(t, err)
		follows := rand.IntN(2) == 0
		if follows {
			n.FollowByHand()
		}
		for until := n.Resealed(); v.clock.Now().Before(until); v.clock.pass(rand.N(15*time.Minute) + 1) {
			for range 3 {
				v.clock.pass(time.Second)
				must(t, n.ReadJournal(t.Context()))
			}
			for _, token := range tokens {
				if rand.IntN(3) > 0 {
					continue
				}
				if _, err := n.Check(t.Context(), token, site); err != nil && !session.Refused(err) {
					t.Fatal(err)
				}
			}
			must(t, n.WriteSeen(t.Context()))
		}
		n = v.run("b")
		for _, token := range tokens {
			if _, err := n.Check(t.Context(), token, site); err != nil && !session.Refused(err) {
				t.Errorf("follows the journal: %v: Check with the new secret alone = %v, want no failure", follows, err)
			}
		}
	}
}

// Whoever is there all the time is never looked for at the store because it is time to,
// but because checks do not last.
func TestBusySubjectIsSealedAgain(t *testing.T) {
	v := newVault(t)
	_, token := v.run("a").begin("ann")
	n := v.run("ba")
	_, err := n.keys.Reseal(t.Context())
	must(t, err)
	n.FollowByHand()
	for i, until := 0, n.Resealed(); v.clock.Now().Before(until); i++ {
		v.clock.pass(200*time.Millisecond + rand.N(200*time.Millisecond))
		if i%10 == 0 {
			n.readsOn()
		}
		n.wantOK("busy", token)
	}
	v.run("b").wantOK("with the new secret alone", token)
}
