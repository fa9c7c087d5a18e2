package session_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

// splice returns s with some of its bytes replaced: what changes one place of
// something good, which inputs made from nothing never come near.
func splice[S ~string | ~[]byte](s S, at, remove uint16, put S) S {
	from := int(at) % (len(s) + 1)
	to := min(from+int(remove), len(s))
	return S(slices.Concat([]byte(s[:from]), []byte(put), []byte(s[to:])))
}

// A token that is not, byte for byte, one that was signed is refused: no other
// spelling of it will do, as it would go past what removes it from requests.
func FuzzTokenWithAChangeIsRefused(f *testing.F) {
	h := newEmbeddedHouse(f)
	n := h.node()
	_, token := n.begin("ann")
	last := uint16(len(token))
	f.Add(uint16(0), uint16(0), "")
	f.Add(last, uint16(0), "=")
	f.Add(last, uint16(0), "\n")
	f.Add(last, uint16(0), " ")
	f.Add(last, uint16(0), ".")
	f.Add(last-1, uint16(1), "B")
	f.Add(uint16(0), uint16(0), " ")
	f.Add(uint16(7), uint16(0), "\r\n")
	f.Add(uint16(7), uint16(1), "+")
	f.Add(uint16(0), last, "eyJhbGciOiJub25lIn0.e30.")
	f.Add(uint16(0), last, `{"payload":"e30","protected":"e30","signature":""}`)
	f.Fuzz(func(t *testing.T, at, remove uint16, put string) {
		changed := splice(token, at, remove, put)
		id, err := n.keys.Verify(changed, site, h.clock.Now())
		switch {
		case changed == token && err != nil:
			t.Fatalf("the token itself: %v", err)
		case changed != token && (!session.Refused(err) || id != ""):
			t.Errorf("%q in place of %q: %q, %v; want it refused", changed, token, id, err)
		}
	})
}

// Only our key's signature makes a token of any header and claims good, by
// whatever name a stranger calls theirs; and of what our key did sign, only what
// says that it is a session's, for this site, and not yet over.
func FuzzForgedTokenIsRefused(f *testing.F) {
	h := newEmbeddedHouse(f)
	n := h.node()
	v, token := n.begin("ann")
	kid, ours := h.stolen(0)
	theirs := stranger(f)
	signers := []signer{es256(theirs), hs256(n.keys.JWKS()), hs256([]byte(kid)), hs256(nil), unsigned, es256(ours)}
	// What is another each time stands in the inputs under a name.
	names := []struct{ name, value []byte }{
		{[]byte("KID"), []byte(kid)}, {[]byte("SID"), []byte(v.ID)},
	}
	var parts [][]byte
	for _, part := range split(f, token) {
		decoded, err := base64.RawURLEncoding.DecodeString(part)
		must(f, err)
		for _, n := range names {
			decoded = bytes.ReplaceAll(decoded, n.value, n.name)
		}
		parts = append(parts, decoded)
	}
	headers := []string{
		string(parts[0]), `{"alg":"none","typ":"doorward-session+jwt","kid":"KID"}`, `{"alg":"HS256","typ":"doorward-session+jwt","kid":"KID"}`,
		`{"alg":"ES256","typ":"doorward-assertion+jwt","kid":"KID"}`, `{"alg":"ES256","typ":"doorward-session+jwt","kid":"../KID"}`,
		`{"alg":"ES256","typ":"doorward-session+jwt","kid":"KID","crit":["exp"]}`, `{"alg":"ES256","typ":"doorward-session+jwt","kid":["KID"]}`,
		`{"alg":"ES256","typ":"doorward-session+jwt","kid":"KID","jku":"https://evil.test","jwk":{"kty":"EC","crv":"P-256"}}`,
		`{"alg":"ES256","typ":"doorward-session+jwt"}`, `{"alg":"ES256","typ":"doorward-session+jwt","kid":"KID","b64":false,"crit":["b64"]}`, `{}`, `null`,
	}
	claims := []string{
		string(parts[1]), `{"sid":"SID","aud":"https://app.example.com","exp":99999999999}`, `{"sid":"SID","aud":["https://app.example.com"],"exp":1}`,
		`{"sid":"SID","aud":"https://other.example.com","exp":99999999999}`, `{"sid":"SID","aud":"https://app.example.com"}`,
		`{"sid":"","aud":"https://app.example.com","exp":99999999999}`, `{"sid":7,"aud":"https://app.example.com","exp":1e300}`, `{}`, `[]`,
	}
	for signer := range signers {
		for _, header := range headers {
			f.Add([]byte(header), []byte(claims[0]), uint8(signer))
		}
		for _, claims := range claims {
			f.Add(parts[0], []byte(claims), uint8(signer))
		}
	}
	f.Fuzz(func(t *testing.T, header, claims []byte, by uint8) {
		for _, n := range names {
			header, claims = bytes.ReplaceAll(header, n.name, n.value), bytes.ReplaceAll(claims, n.name, n.value)
		}
		signer := int(by) % len(signers)
		input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
		forged := input + "." + base64.RawURLEncoding.EncodeToString(signers[signer](t, input))
		id, err := n.keys.Verify(forged, site, h.clock.Now())
		if err != nil {
			if !session.Refused(err) || id != "" {
				t.Errorf("%s, %s by %d: %q, %v; want it refused", header, claims, signer, id, err)
			}
			return
		}
		if signer != len(signers)-1 {
			t.Fatalf("%s, %s signed by %d is taken for %q, want our key's signature alone", header, claims, signer, id)
		}
		if !sessionOf(header, claims, h.clock.Now()) {
			t.Errorf("%s, %s is taken for %q, want none that is no session's, another site's or over", header, claims, id)
		}
	})
}

// sessionOf reports whether header and claims are those of a session token for
// the site, that is not over at now.
func sessionOf(header, claims []byte, now time.Time) bool {
	var h, c map[string]any
	if json.Unmarshal(header, &h) != nil || json.Unmarshal(claims, &c) != nil {
		return false
	}
	audiences, _ := c["aud"].([]any)
	expires, _ := c["exp"].(float64)
	id, _ := c["sid"].(string)
	return h["typ"] == session.TypeSession && h["alg"] == "ES256" && id != "" &&
		(c["aud"] == site || slices.Contains(audiences, any(site))) &&
		expires+session.Leeway.Seconds() >= float64(now.Unix())
}
