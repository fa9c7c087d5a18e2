package session_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/doorward/doorward/session"
)

// object is a header or the claims of a token.
type object map[string]any

// with returns o with one member more, or another one.
func (o object) with(name string, value any) object {
	changed := maps.Clone(o)
	changed[name] = value
	return changed
}

func (o object) without(name string) object {
	changed := maps.Clone(o)
	delete(changed, name)
	return changed
}

// part returns o as a part of a token.
func (o object) part(t testing.TB) string {
	t.Helper()
	content, err := json.Marshal(map[string]any(o))
	must(t, err)
	return base64.RawURLEncoding.EncodeToString(content)
}

// parse returns header and claims of a token, without verifying it.
func parse(t testing.TB, token string) (header, claims object) {
	t.Helper()
	parts := split(t, token)
	for i, o := range []*object{&header, &claims} {
		content, err := base64.RawURLEncoding.DecodeString(parts[i])
		must(t, err)
		must(t, json.Unmarshal(content, o))
	}
	return header, claims
}

// A signer signs as RFC 7515 says, by the standard library alone.
type signer func(t testing.TB, input string) []byte

// forge returns a token of any header and claims.
func forge(t testing.TB, header, claims object, sign signer) string {
	t.Helper()
	input := header.part(t) + "." + claims.part(t)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(t, input))
}

// es256 signs with an ECDSA key (RFC 7518, section 3.4).
func es256(key *ecdsa.PrivateKey) signer {
	return func(t testing.TB, input string) []byte {
		t.Helper()
		digest := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		must(t, err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

// hs256 signs with a secret that is no secret.
func hs256(secret []byte) signer {
	return func(_ testing.TB, input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

// unsigned signs nothing.
func unsigned(testing.TB, string) []byte { return nil }

// stolen returns the private half of a key that the house keeps: what forges
// with it is wrong for one reason only.
func (h *house) stolen(i int) (id string, key *ecdsa.PrivateKey) {
	h.t.Helper()
	stored := h.chest.keys[i]
	content, err := h.ring.Sealer("signing keys").Open(stored.Sealed, []byte(stored.ID))
	must(h.t, err)
	parsed, err := jwk.ParseKey(content)
	must(h.t, err)
	key = &ecdsa.PrivateKey{}
	must(h.t, parsed.Raw(key))
	return stored.ID, key
}

// stranger returns a key that is not ours.
func stranger(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// verify checks a token's signature as an app does that has the JWKS and nothing
// else, and returns its claims.
func verify(t testing.TB, jwks []byte, token string) object {
	t.Helper()
	header, claims := parse(t, token)
	set, err := jwk.Parse(jwks)
	must(t, err)
	published, ok := set.LookupKeyID(header["kid"].(string))
	if !ok {
		t.Fatalf("kid %v is not in the JWKS", header["kid"])
	}
	var key ecdsa.PublicKey
	must(t, published.Raw(&key))
	parts := split(t, token)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	must(t, err)
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(signature) != 64 || !ecdsa.Verify(&key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Fatal("the signature is not of the published key")
	}
	return claims
}

// A forger has our key, a living session, and a token that is right in every way.
type forger struct {
	*node
	header, claims object
	sign           signer
}

func newForger(t testing.TB) *forger {
	t.Helper()
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	_, key := h.stolen(0)
	f := &forger{node: n, sign: es256(key)}
	f.header, f.claims = parse(t, token)
	if f.header["typ"] != session.TypeSession || f.header["alg"] != "ES256" {
		t.Fatalf("header of a session token = %v", f.header)
	}
	n.wantOK("valid but for nothing", forge(t, f.header, f.claims, f.sign))
	return f
}
