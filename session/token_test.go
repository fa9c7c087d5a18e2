package session_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

func split(t testing.TB, token string) []string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token has %d parts, want 3", len(parts))
	}
	return parts
}

func TestSessionTokenTellsClientsWhoTheyAre(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.begin("ann")
	header, _ := parse(t, token)
	if got, want := header["typ"], session.TypeSession; got != want {
		t.Errorf("typ = %v, want %v", got, want)
	}
	claims := verify(t, n.keys.JWKS(), token)
	email, _ := claims["email"].(map[string]any)
	for name, pair := range map[string][2]any{
		"iss":               {claims["iss"], issuer},
		"sub":               {claims["sub"], "ann"},
		"aud":               {claims["aud"].([]any)[0], site},
		"sid":               {claims["sid"], v.ID},
		"iat":               {claims["iat"], float64(v.StartedAt.Unix())},
		"exp":               {claims["exp"], float64(v.ExpiresAt.Unix())},
		"auth_time":         {claims["auth_time"], float64(v.StartedAt.Unix())},
		"amr":               {claims["amr"].([]any)[0], session.MethodPasscode},
		"email.address":     {email["address"], "ann@example.com"},
		"email.is_primary":  {email["is_primary"], true},
		"email.is_verified": {email["is_verified"], true},
	} {
		if got, want := pair[0], pair[1]; got != want {
			t.Errorf("claim %s = %v, want %v", name, got, want)
		}
	}
	if len(token) > 2048 {
		t.Errorf("the token has %d bytes, want it to fit a cookie with room to spare", len(token))
	}
}

func TestAlgorithmIsTheKeysAndNeverTheTokens(t *testing.T) {
	f := newForger(t)
	id, key := f.h.stolen(0)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	must(t, err)
	public := f.h.chest.keys[0].Public
	for name, test := range map[string]struct {
		algorithm any
		sign      signer
	}{
		"none":                                {"none", unsigned},
		"None":                                {"None", unsigned},
		"NONE":                                {"NONE", unsigned},
		"none, with a signature":              {"none", f.sign},
		"empty":                               {"", unsigned},
		"missing":                             {nil, f.sign},
		"a number":                            {256, f.sign},
		"ES256 with no signature":             {"ES256", unsigned},
		"ES256 in small letters":              {"es256", f.sign},
		"ES384":                               {"ES384", f.sign},
		"RS256":                               {"RS256", f.sign},
		"EdDSA":                               {"EdDSA", f.sign},
		"HS256 with our public key as PEM":    {"HS256", hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
		"HS256 with our public key as DER":    {"HS256", hs256(der)},
		"HS256 with our public key as JWK":    {"HS256", hs256(public)},
		"HS256 with the key's ID":             {"HS256", hs256([]byte(id))},
		"HS256 with nothing":                  {"HS256", hs256(nil)},
		"ES256, but signed with our public":   {"ES256", hs256(public)},
		"ES256, signed by a stranger":         {"ES256", es256(stranger(t))},
		"ES256, signature of zeros":           {"ES256", func(testing.TB, string) []byte { return make([]byte, 64) }},
		"ES256, signature in ASN.1":           {"ES256", asn1Signer(key)},
		"ES256, signature with bytes to boot": {"ES256", func(t testing.TB, input string) []byte { return append(f.sign(t, input), 0) }},
	} {
		f.wantRefused(name, forge(t, f.header.with("alg", test.algorithm), f.claims, test.sign), session.ErrInvalid)
	}
	f.wantRefused("no alg at all", forge(t, f.header.without("alg"), f.claims, f.sign), session.ErrInvalid)
}

func asn1Signer(key *ecdsa.PrivateKey) signer {
	return func(t testing.TB, input string) []byte {
		t.Helper()
		raw := es256(key)(t, input)
		// RFC 3279, section 2.2.3: what other protocols call an ECDSA signature.
		out := []byte{0x30, 0}
		for _, half := range [][]byte{raw[:32], raw[32:]} {
			n := new(big.Int).SetBytes(half).Bytes()
			if n[0]&0x80 != 0 {
				n = append([]byte{0}, n...)
			}
			out = append(append(out, 0x02, byte(len(n))), n...)
		}
		out[1] = byte(len(out) - 2)
		return out
	}
}

func TestSessionTokenIsRefusedForOneWrongHeader(t *testing.T) {
	f := newForger(t)
	for name, header := range map[string]object{
		"typ of an assertion":          f.header.with("typ", session.TypeAssertion),
		"typ JWT":                      f.header.with("typ", "JWT"),
		"typ in capitals":              f.header.with("typ", strings.ToUpper(session.TypeSession)),
		"typ as a media type":          f.header.with("typ", "application/"+session.TypeSession),
		"no typ":                       f.header.without("typ"),
		"unknown kid":                  f.header.with("kid", "unknown"),
		"empty kid":                    f.header.with("kid", ""),
		"kid that is a path":           f.header.with("kid", "../../../dev/null"),
		"kid that is a number":         f.header.with("kid", 1),
		"no kid":                       f.header.without("kid"),
		"crit that we do not know":     f.header.with("crit", []string{"exp"}).with("exp", 1),
		"crit of an unencoded payload": f.header.with("crit", []string{"b64"}).with("b64", false),
		"crit of what is not there":    f.header.with("crit", []string{"x"}),
	} {
		f.wantRefused(name, forge(t, header, f.claims, f.sign), session.ErrInvalid)
	}
}

func TestKeyIDOfAnotherKeyOfOursDoesNotVerify(t *testing.T) {
	f := newForger(t)
	f.h.clock.pass(time.Minute)
	must(t, f.h.closedKeySet(func(o *session.KeyOptions) { o.Algorithm = "EdDSA" }).Refresh(t.Context()))
	f.h.clock.pass(89 * 24 * time.Hour)
	n := f.h.node()
	if got, want := len(f.h.chest.keys), 3; got != want {
		t.Fatalf("the house has %d keys, want %d: two of ours, one of another algorithm", got, want)
	}
	_, token := n.begin("ann")
	header, claims := parse(t, token)
	for _, key := range f.h.chest.keys {
		forged := forge(t, header.with("kid", key.ID), claims, f.sign)
		if key.ID == header["kid"] {
			n.wantOK("its own key", forged)
			continue
		}
		n.wantRefused(key.Algorithm+" key that did not sign", forged, session.ErrInvalid)
	}
}

// A token that brings its own key, or says where to get one (RFC 8725, section
// 3.10): nobody may look.
func TestKeysThatATokenBringsAreNotLookedAt(t *testing.T) {
	f := newForger(t)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked for", r.URL)
	}))
	defer server.Close()
	theirs := stranger(t)
	public := object{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": f.header["kid"],
		"x": base64.RawURLEncoding.EncodeToString(theirs.X.FillBytes(make([]byte, 32))),
		"y": base64.RawURLEncoding.EncodeToString(theirs.Y.FillBytes(make([]byte, 32))),
	}
	for name, header := range map[string]object{
		"jwk":              f.header.with("jwk", public),
		"jku":              f.header.with("jku", server.URL+"/jwks.json"),
		"x5u":              f.header.with("x5u", server.URL+"/chain.pem"),
		"jwk, unknown kid": f.header.with("jwk", public).with("kid", "unknown"),
		"jwk, no kid":      f.header.with("jwk", public).without("kid"),
		"jku, unknown kid": f.header.with("jku", server.URL+"/jwks.json").with("kid", "unknown"),
	} {
		f.wantRefused(name, forge(t, header, f.claims, es256(theirs)), session.ErrInvalid)
	}
	f.wantOK("jwk of a stranger, signed by us", forge(t, f.header.with("jwk", public), f.claims, f.sign))
	f.wantOK("jku, signed by us", forge(t, f.header.with("jku", server.URL), f.claims, f.sign))
}

func TestSessionTokenIsRefusedForOneWrongClaim(t *testing.T) {
	f := newForger(t)
	now := f.h.clock.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, test := range map[string]struct {
		claims object
		want   error
	}{
		"no exp":                      {f.claims.without("exp"), session.ErrInvalid},
		"exp that is a word":          {f.claims.with("exp", "never"), session.ErrInvalid},
		"exp beyond the leeway":       {f.claims.with("exp", at(-session.Leeway-time.Second)), session.ErrExpired},
		"exp long ago":                {f.claims.with("exp", 1), session.ErrExpired},
		"exp of 0":                    {f.claims.with("exp", 0), session.ErrExpired},
		"exp before 1970":             {f.claims.with("exp", -1), session.ErrInvalid},
		"iat beyond the leeway":       {f.claims.with("iat", at(session.Leeway+2*time.Second)), session.ErrInvalid},
		"nbf beyond the leeway":       {f.claims.with("nbf", at(session.Leeway+2*time.Second)), session.ErrInvalid},
		"no sid":                      {f.claims.without("sid"), session.ErrInvalid},
		"empty sid":                   {f.claims.with("sid", ""), session.ErrInvalid},
		"sid that is a number":        {f.claims.with("sid", 7), session.ErrInvalid},
		"sid that is a list":          {f.claims.with("sid", []any{f.claims["sid"]}), session.ErrInvalid},
		"sid of no session":           {f.claims.with("sid", "unknown"), session.ErrEnded},
		"no aud":                      {f.claims.without("aud"), session.ErrInvalid},
		"aud of another site":         {f.claims.with("aud", []string{otherSite}), session.ErrInvalid},
		"aud with a slash":            {f.claims.with("aud", []string{site + "/"}), session.ErrInvalid},
		"aud with another port":       {f.claims.with("aud", []string{site + ":8443"}), session.ErrInvalid},
		"aud that begins like ours":   {f.claims.with("aud", []string{site + ".evil.test"}), session.ErrInvalid},
		"aud that is ours in capital": {f.claims.with("aud", []string{strings.ToUpper(site)}), session.ErrInvalid},
	} {
		f.wantRefused(name, forge(t, f.header, test.claims, f.sign), test.want)
	}
	for name, claims := range map[string]object{
		"exp within the leeway":   f.claims.with("exp", at(-session.Leeway+2*time.Second)),
		"iat within the leeway":   f.claims.with("iat", at(session.Leeway-time.Second)),
		"nbf within the leeway":   f.claims.with("nbf", at(session.Leeway-time.Second)),
		"aud as one string":       f.claims.with("aud", site),
		"aud with another beside": f.claims.with("aud", []string{otherSite, site}),
	} {
		f.wantOK(name, forge(t, f.header, claims, f.sign))
	}
}

// A token for both sites names a session of one.
func TestAudienceOfTheSessionCountsAlsoWhereTheTokenNamesMore(t *testing.T) {
	f := newForger(t)
	token := forge(t, f.header, f.claims.with("aud", []string{site, otherSite}), f.sign)
	if v, err := f.Check(t.Context(), token, otherSite); v != nil || !session.Refused(err) {
		t.Errorf("Check at the other site = %v, %v, want a refusal", v, err)
	}
	f.wantOK("at the session's own", token)
}

func TestAssertionIsNoSessionToken(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, _ := n.begin("ann")
	assertion, err := n.Assertion(v, v.Audience, issuer)
	must(t, err)
	n.wantRefused("the app sends the assertion back", assertion, session.ErrInvalid)
	// It is a living session's, of our key, for this site: only its type is wrong.
	header, claims := parse(t, assertion)
	_, key := h.stolen(0)
	n.wantOK("with another typ", forge(t, header.with("typ", session.TypeSession), claims, es256(key)))
}
