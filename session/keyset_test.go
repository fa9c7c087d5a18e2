package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
)

// A bunch is a key set that is looked at as an app sees it.
type bunch struct {
	*session.KeySet
	h *house
}

// newHouseOfKeys returns a house whose keys rotate every ten days.
func newHouseOfKeys(t *testing.T) *house {
	h := newEmbeddedHouse(t)
	h.keys.RotateEvery = 10 * 24 * time.Hour
	return h
}

func (h *house) bunch(with ...func(*session.KeyOptions)) *bunch {
	return &bunch{h.keySet(with...), h}
}

func algorithm(name string) func(*session.KeyOptions) {
	return func(o *session.KeyOptions) { o.Algorithm = name }
}

func (b *bunch) refresh() {
	b.h.t.Helper()
	must(b.h.t, b.Refresh(context.Background()))
}

// published returns the kids of the JWKS, sorted.
func (b *bunch) published() []string {
	b.h.t.Helper()
	var kids []string
	for _, key := range members(b.h.t, b.JWKS()) {
		kids = append(kids, key["kid"].(string))
	}
	slices.Sort(kids)
	return kids
}

func members(t testing.TB, jwks []byte) []object {
	t.Helper()
	var set struct{ Keys []object }
	must(t, json.Unmarshal(jwks, &set))
	return set.Keys
}

// signs returns the kid of what signs now.
func (b *bunch) signs() string {
	b.h.t.Helper()
	s := session.New(session.Options{Store: b.h.store, Keys: b.KeySet, Identities: b.h.people, Now: b.h.clock.Now})
	_, token, err := s.Begin(context.Background(), signIn("ann"))
	must(b.h.t, err)
	header, _ := parse(b.h.t, token)
	return header["kid"].(string)
}

// checks reports whether a token is good by the keys of b.
func (b *bunch) checks(token string) error {
	s := session.New(session.Options{Store: b.h.store, Keys: b.KeySet, Identities: b.h.people, Now: b.h.clock.Now})
	_, err := s.Check(context.Background(), token, site)
	return err
}

func TestKeyOfAnotherNodeIsFoundWhenATokenNamesIt(t *testing.T) {
	h := newHouseOfKeys(t)
	n := h.node()
	_, token := (&node{Sessions: session.New(session.Options{
		Store: h.store, Keys: h.keySet(algorithm("EdDSA")), Identities: h.people, Now: h.clock.Now,
	}), h: h}).begin("ann")
	h.clock.pass(5 * time.Second)
	reads := h.chest.reads
	n.wantOK("signed by a key that was made elsewhere", token)
	if got := h.chest.reads - reads; got == 0 {
		t.Error("the keys were not read again")
	}
	// Anybody can make up names: all who do share a look.
	h.chest.mu.Lock()
	reads = h.chest.reads
	header, claims := parse(t, token)
	var group sync.WaitGroup
	var waiting atomic.Int64
	for i := range 40 {
		group.Go(func() {
			waiting.Add(1)
			n.wantRefused("a kid made up", forge(t, header.with("kid", fmt.Sprint("made up ", i)), claims, unsigned), session.ErrInvalid)
		})
	}
	h.eventually("all ask", func() bool { return waiting.Load() == 40 })
	h.chest.mu.Unlock()
	group.Wait()
	// Whoever comes while the keys are read has them read once more.
	if got := h.chest.reads - reads; got > 5 {
		t.Errorf("40 tokens of unknown keys made us read the keys %d times, want 2 or so", got)
	}
}

// A flood of made-up names keeps nobody from using a key that was made just now.
func TestNewKeyIsFoundDuringAFloodOfUnknownOnes(t *testing.T) {
	h := newHouseOfKeys(t)
	n := h.node()
	_, known := n.begin("ann")
	header, claims := parse(t, known)
	for i := range 20 {
		n.wantRefused("a kid made up", forge(t, header.with("kid", fmt.Sprint("made up ", i)), claims, unsigned), session.ErrInvalid)
	}
	other := h.bunch()
	other.rotate(true)
	_, token := (&node{Sessions: session.New(session.Options{
		Store: h.store, Keys: other.KeySet, Identities: h.people, Now: h.clock.Now,
	}), h: h}).begin("bob")
	n.wantOK("signed by a key that was made elsewhere just now", token)
}

// A token of a key that cannot be looked up may be good: whoever holds it must
// not lose the cookie.
func TestUnknownKeyIsAFailureWhileKeysCannotBeRead(t *testing.T) {
	h := newHouseOfKeys(t)
	n := h.node()
	_, token := (&node{Sessions: session.New(session.Options{
		Store: h.store, Keys: h.keySet(algorithm("EdDSA")), Identities: h.people, Now: h.clock.Now,
	}), h: h}).begin("ann")
	_, known := n.begin("bob")
	h.clock.pass(5 * time.Second)
	h.chest.fail(errors.New("directory away"))
	for range 3 {
		n.wantFailure("a key that may be there", token)
		h.clock.pass(time.Second)
	}
	n.wantOK("a key that we have", known)
	h.chest.fail(nil)
	h.clock.pass(5 * time.Second)
	n.wantOK("the directory is back", token)
}

func TestAnotherSecretIsAnErrorAndChangesNothing(t *testing.T) {
	h := newHouseOfKeys(t)
	h.bunch()
	writes := h.chest.writes
	before := slices.Clone(h.chest.keys)
	h.clock.pass(100 * 24 * time.Hour) // a rotation is due, and a removal
	keys := h.closedKeySet(func(o *session.KeyOptions) { o.Sealer = newRing(t, 'b').Sealer("signing keys") })
	err := keys.Refresh(t.Context())
	if !errors.Is(err, secret.ErrOtherSecret) || !strings.Contains(err.Error(), before[0].ID) {
		t.Errorf("Refresh = %v, want one that wraps %v and names the key", err, secret.ErrOtherSecret)
	}
	if got := keys.JWKS(); len(got) != 0 {
		t.Errorf("JWKS = %s, want none", got)
	}
	if got := h.chest.writes - writes; got != 0 || len(h.chest.keys) != len(before) {
		t.Errorf("the keys were written %d times, want 0", got)
	}
}

func TestKeysStayOpenWhenTheSecretIsReplaced(t *testing.T) {
	h := newHouseOfKeys(t)
	first := h.bunch().signs()
	both, err := secret.NewRing([]byte(strings.Repeat("b", 32)), []byte(strings.Repeat("a", 32)))
	must(t, err)
	b := h.bunch(func(o *session.KeyOptions) { o.Sealer = both.Sealer("signing keys") })
	if got := b.signs(); got != first {
		t.Errorf("%s signs, want %s", got, first)
	}
}

// Somebody can write to the storage, and has no secret.
func TestKeysThatWereTamperedWithDoNotOpen(t *testing.T) {
	for name, tamper := range map[string]func(keys []session.StoredKey){
		"another key's secret half": func(keys []session.StoredKey) { keys[0].Sealed = keys[1].Sealed },
		"another name":              func(keys []session.StoredKey) { keys[0].ID = "other" },
		"another algorithm":         func(keys []session.StoredKey) { keys[0].Algorithm = "HS256" },
		"one bit":                   func(keys []session.StoredKey) { keys[0].Sealed[40] ^= 1 },
		"nothing left":              func(keys []session.StoredKey) { keys[0].Sealed = nil },
	} {
		h := newHouseOfKeys(t)
		h.bunch()
		h.bunch(algorithm("EdDSA"))
		tamper(h.chest.keys)
		if err := h.closedKeySet().Refresh(t.Context()); err == nil {
			t.Errorf("%s: Refresh = nil, want an error", name)
		}
	}
}

// Who writes a key of theirs beside ours must not make verifiers trust it.
func TestPublishedKeyIsTheSealedOne(t *testing.T) {
	h := newHouseOfKeys(t)
	want := string(h.bunch().JWKS())
	h.chest.keys[0].Public = []byte(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"` + h.chest.keys[0].ID + `"}`)
	if got := string(h.bunch().JWKS()); got != want {
		t.Errorf("JWKS = %s, want %s", got, want)
	}
}

func TestEveryAlgorithmSignsAndPublishesNoSecret(t *testing.T) {
	for name, public := range map[string][]string{
		"ES256": {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"EdDSA": {"alg", "crv", "kid", "kty", "use", "x"},
		"RS256": {"alg", "e", "kid", "kty", "n", "use"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newEmbeddedHouse(t)
			h.keys.Algorithm = name
			n := h.node()
			v, token := n.begin("ann")
			header, _ := parse(t, token)
			if got := header["alg"]; got != name {
				t.Errorf("alg of a session token = %v, want %v", got, name)
			}
			n.wantOK("signed", token)
			n.wantRefused("one byte short", token[:len(token)-1], session.ErrInvalid)
			n.assertion(v)
			// Nothing else either: d, p, q, dp, dq, qi, oth and k would be the secret.
			for _, key := range members(t, n.keys.JWKS()) {
				if got := sortedNames(key); !slices.Equal(got, public) {
					t.Errorf("members of the published key = %q, want %q", got, public)
				}
				if key["alg"] != name || key["use"] != "sig" || key["kid"] != header["kid"] {
					t.Errorf("published key = %v, want alg %s, use sig and the token's kid", key, name)
				}
			}
			stored := object{}
			must(t, json.Unmarshal(h.chest.keys[0].Public, &stored))
			if got := sortedNames(stored); !slices.Equal(got, public) {
				t.Errorf("members of the stored public key = %q, want %q", got, public)
			}
		})
	}
}

func sortedNames(o object) []string {
	var names []string
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestKeySetThatIsNotOpenIsAFailure(t *testing.T) {
	h := newEmbeddedHouse(t)
	open := h.node()
	_, token := open.begin("ann")
	keys := h.closedKeySet()
	s := session.New(session.Options{Store: h.store, Keys: keys, Identities: h.people, Now: h.clock.Now})
	_, _, err := s.Begin(t.Context(), signIn("bob"))
	if err == nil || session.Refused(err) {
		t.Errorf("Begin = %v, want a failure", err)
	}
	if list, err := s.List(t.Context(), "bob"); err != nil || len(list) != 0 {
		t.Errorf("List after a failed Begin = %v, %v, want none", list, err)
	}
	if _, err := s.Check(t.Context(), token, site); err != nil {
		t.Errorf("Check of a key that is stored = %v, want it found", err)
	}
}

func TestKeySetRefusesWhatCannotWork(t *testing.T) {
	h := newEmbeddedHouse(t)
	for name, change := range map[string]func(*session.KeyOptions){
		"HS256":                 algorithm("HS256"),
		"none":                  algorithm("none"),
		"es256":                 algorithm("es256"),
		"a rotation every day":  func(o *session.KeyOptions) { o.RotateEvery = 24 * time.Hour },
		"a negative rotation":   func(o *session.KeyOptions) { o.RotateEvery = -1 },
		"just under two days":   func(o *session.KeyOptions) { o.RotateEvery = 48*time.Hour - 1 },
		"an algorithm and more": algorithm("ES256 "),
	} {
		o := h.keys
		change(&o)
		if keys, err := session.NewKeySet(o); err == nil {
			t.Errorf("%s: NewKeySet = %v, nil, want an error", name, keys)
		}
	}
}
