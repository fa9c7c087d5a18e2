package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/secret"
)

// signingKey returns the key that a gateway signs with, as somebody opens it who
// has its data directory. It makes tokens that are right but for one thing.
func signingKey(t *testing.T, g *testbed.Gateway) jwk.Key {
	t.Helper()
	data := filepath.Join(g.Dir, "data", "caddy", "doorward")
	value, err := secret.Load(filepath.Join(data, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secret.NewRing(value)
	if err != nil {
		t.Fatal(err)
	}
	d := directory.NewSQLite(directory.SQLiteOptions{Path: filepath.Join(data, "directory.db")})
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	kept, err := d.Keys(t.Context())
	if err != nil || len(kept) != 1 {
		t.Fatalf("%d keys, %v, want one", len(kept), err)
	}
	opened, err := ring.Sealer("signing keys").Open(kept[0].Sealed, []byte(kept[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwk.ParseKey(opened)
	if err != nil {
		t.Fatal("the signing key is no JWK")
	}
	return key
}

// A forgery is a token that no app may accept.
type forgery struct{ name, token string }

// forgeries returns tokens that differ from a good assertion in one thing each.
// Each claim and header is followed by its value, or by nil to leave it out.
func forgeries(t *testing.T, key jwk.Key, assertion, sessionToken, site string) []forgery {
	t.Helper()
	parts := strings.Split(assertion, ".")
	sign := func(key any, algorithm jwa.SignatureAlgorithm, header, claims map[string]any) string {
		t.Helper()
		return signed(t, key, algorithm, changed(t, parts[0], header), changed(t, parts[1], claims))
	}
	own := func(header, claims map[string]any) string {
		return sign(key, key.Algorithm().(jwa.SignatureAlgorithm), header, claims)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	publicPEM, err := jwk.Pem(public)
	if err != nil {
		t.Fatal(err)
	}
	publicJSON, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	others, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	othersJWK, err := jwk.FromRaw(others.Public())
	if err != nil {
		t.Fatal(err)
	}
	if err := othersJWK.Set(jwk.AlgorithmKey, jwa.ES256); err != nil {
		t.Fatal(err)
	}
	longAgo := time.Now().Add(-2 * time.Minute).Unix()
	none := map[string]any{}
	return []forgery{
		{"nothing", ""},
		{"no token", "ann@example.com"},
		{"the scheme before it", "Bearer " + assertion},
		{"a session token", sessionToken},

		{"one that has expired", own(none, map[string]any{"exp": longAgo})},
		{"one that never expires", own(none, map[string]any{"exp": nil})},
		{"one for another site", own(none, map[string]any{"aud": []string{"https://other.example.com"}})},
		{"one for a site whose name begins the same", own(none, map[string]any{"aud": []string{site + "0"}})},
		{"one for nobody", own(none, map[string]any{"aud": nil})},
		{"one from another issuer", own(none, map[string]any{"iss": "https://other.example.com/doorward"})},
		{"one from nobody", own(none, map[string]any{"iss": nil})},
		{"one about nobody", own(none, map[string]any{"sub": nil})},
		{"one of the type of session tokens", own(map[string]any{"typ": "doorward-session+jwt"}, none)},
		{"one of the type of all JWTs", own(map[string]any{"typ": "JWT"}, none)},
		{"one of no type", own(map[string]any{"typ": nil}, none)},
		{"one of a key that nobody knows", own(map[string]any{"kid": "unknown"}, none)},

		{"one that another key signed", sign(others, jwa.ES256, map[string]any{"alg": "ES256"}, none)},
		{"one that brings its key", sign(others, jwa.ES256, map[string]any{"alg": "ES256", "jwk": othersJWK}, none)},
		{"one that nobody signed", changed(t, parts[0], map[string]any{"alg": "none"}) + "." + parts[1] + "."},
		{"one that nobody signed, of an algorithm written otherwise", changed(t, parts[0], map[string]any{"alg": "None"}) + "." + parts[1] + "."},
		{"one signed with the public key as a password", sign(publicPEM, jwa.HS256, map[string]any{"alg": "HS256"}, none)},
		{"one signed with the public JWK as a password", sign(publicJSON, jwa.HS256, map[string]any{"alg": "HS256"}, none)},
		{"one that says another algorithm", changed(t, parts[0], map[string]any{"alg": "ES384"}) + "." + parts[1] + "." + parts[2]},
		{"another's claims under this signature", parts[0] + "." + changed(t, parts[1], map[string]any{"email": "mallory@example.com"}) + "." + parts[2]},
		{"another signature", parts[0] + "." + parts[1] + "." + flipped(t, parts[2])},
		{"no signature", parts[0] + "." + parts[1] + "."},
	}
}

// signed returns a token of the two parts, signed with key.
func signed(t *testing.T, key any, algorithm jwa.SignatureAlgorithm, header, claims string) string {
	t.Helper()
	signer, err := jws.NewSigner(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := key.(jwk.Key); ok {
		if err := k.Raw(&key); err != nil {
			t.Fatal("the signing key cannot be used")
		}
	}
	signature, err := signer.Sign([]byte(header+"."+claims), key)
	if err != nil {
		t.Fatalf("signing with %s: %v", algorithm, err)
	}
	return header + "." + claims + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// changed returns a part of a token with other members; nil takes one away.
func changed(t *testing.T, part string, members map[string]any) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	object := make(map[string]any)
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	maps.Copy(object, members)
	maps.DeleteFunc(object, func(_ string, value any) bool { return value == nil })
	if raw, err = json.Marshal(object); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// flipped returns a signature with one bit changed.
func flipped(t *testing.T, signature string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	return base64.RawURLEncoding.EncodeToString(raw)
}
