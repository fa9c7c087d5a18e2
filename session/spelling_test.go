package session_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/doorward/doorward/session"
)

func TestOnlyCompactTokensAreRead(t *testing.T) {
	f := newForger(t)
	token := forge(t, f.header, f.claims, f.sign)
	parts := split(t, token)
	one := object{"protected": parts[0], "signature": parts[2]}
	encode := func(o object) string {
		content, err := json.Marshal(o)
		must(t, err)
		return string(content)
	}
	for name, serialized := range map[string]string{
		"flattened JSON":            encode(object{"payload": parts[1], "protected": parts[0], "signature": parts[2]}),
		"general JSON":              encode(object{"payload": parts[1], "signatures": []object{one}}),
		"two signatures":            encode(object{"payload": parts[1], "signatures": []object{one, one}}),
		"JSON with two dots":        encode(object{"payload": parts[1], "protected": parts[0], "signature": parts[2], "header": object{"x": "a.b.c"}}),
		"two signatures, compact":   token + "." + parts[2],
		"a JWE's five parts":        token + "." + parts[0] + "." + parts[2],
		"two parts":                 parts[0] + "." + parts[1],
		"one part":                  parts[0],
		"empty parts":               "..",
		"dots":                      "....",
		"empty header":              "." + parts[1] + "." + parts[2],
		"empty claims":              parts[0] + ".." + parts[2],
		"empty signature":           parts[0] + "." + parts[1] + ".",
		"the claims alone":          parts[1],
		"a space in front":          " " + token,
		"a space behind":            token + " ",
		"in quotes":                 `"` + token + `"`,
		"NUL":                       "\x00",
		"no UTF-8":                  "\xff\xfe.\xff.\xff",
		"a brace":                   "{",
		"64 KiB of nothing":         strings.Repeat("A", 64<<10),
		"64 KiB of dots":            strings.Repeat(".", 64<<10),
		"64 KiB of braces":          strings.Repeat(`{"a":`, 13<<10),
		"64 KiB of valid claims":    forge(t, f.header, f.claims.with("padding", strings.Repeat("x", 48<<10)), f.sign),
		"a header 64 KiB long":      forge(t, f.header.with("padding", strings.Repeat("x", 48<<10)), f.claims, f.sign),
		"a header that is long":     forge(t, f.header.with("padding", strings.Repeat("x", 400)), f.claims, f.sign),
		"a header nested very deep": base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 4<<10))) + "." + parts[1] + "." + parts[2],
	} {
		f.wantRefused(name, serialized, session.ErrInvalid)
	}
}

// The library reads the first JSON value of the claims, and not what follows it.
func TestClaimsAreOneObject(t *testing.T) {
	f := newForger(t)
	claims, err := json.Marshal(f.claims)
	must(t, err)
	for name, content := range map[string]string{
		"a second object":   string(claims) + "{}",
		"a word behind":     string(claims) + "x",
		"NUL behind":        string(claims) + "\x00",
		"a list":            "[" + string(claims) + "]",
		"null":              "null",
		"a string":          `"sid"`,
		"nothing":           "",
		"no end":            string(claims[:len(claims)-1]),
		"no UTF-8 in front": "\xff" + string(claims),
	} {
		input := f.header.part(t) + "." + base64.RawURLEncoding.EncodeToString([]byte(content))
		token := input + "." + base64.RawURLEncoding.EncodeToString(f.sign(t, input))
		f.wantRefused(name, token, session.ErrInvalid)
	}
}

func TestTokenThatLostItsEndIsRefused(t *testing.T) {
	f := newForger(t)
	token := forge(t, f.header, f.claims, f.sign)
	for n := 1; n < len(token); n += 3 {
		f.wantRefused("truncated", token[:n], session.ErrInvalid)
	}
	f.wantRefused("truncated by one", token[:len(token)-1], session.ErrInvalid)
}

func TestEveryByteOfATokenCounts(t *testing.T) {
	f := newForger(t)
	token := forge(t, f.header, f.claims, f.sign)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range token {
		// The next letter, which at the end of a part may differ in spare bits only.
		next := alphabet[(strings.IndexByte(alphabet, token[i])+1)%len(alphabet)]
		changed := token[:i] + string(next) + token[i+1:]
		if v, err := f.Check(t.Context(), changed, site); v != nil || !session.Refused(err) {
			t.Errorf("byte %d of %d changed: Check = %v, %v, want a refusal", i, len(token), v, err)
		}
	}
}

// The library decodes what is not base64url, and verifies the signature of what
// it decoded. Cut would not know such a token for ours, and show it to the app.
func TestTokenHasOneSpelling(t *testing.T) {
	f := newForger(t)
	// A claim that takes "-" or "_" in base64url, and headers and claims of a
	// length that wants padding.
	for _, pad := range []string{"~~~~~~", "~~~~~~~", "~~~~~~~~"} {
		token := forge(t, f.header.with("x", pad+"???"), f.claims.with("x", pad+"???"), f.sign)
		f.wantOK("as it was signed", token)
		parts := split(t, token)
		for i, part := range parts {
			for name, other := range map[string]string{
				"padded":            part + strings.Repeat("=", (4-len(part)%4)%4),
				"in plain base64":   strings.NewReplacer("-", "+", "_", "/").Replace(part),
				"with a line break": part[:4] + "\n" + part[4:],
				"with a return":     part[:4] + "\r" + part[4:],
				"with both":         part + "\r\n",
			} {
				if other == part {
					continue
				}
				spelled := append([]string(nil), parts...)
				spelled[i] = other
				f.wantRefused(name, strings.Join(spelled, "."), session.ErrInvalid)
			}
		}
	}
}

func TestOwnKnowsOurTokens(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.begin("ann")
	assertion, err := n.Assertion(v, v.Audience, issuer)
	must(t, err)
	parts := split(t, token)
	header, claims := parse(t, token)
	for name, test := range map[string]struct {
		token string
		want  bool
	}{
		"a session token":             {token, true},
		"an assertion":                {assertion, true},
		"a session token, truncated":  {token[:len(token)-9], true},
		"a header of ours":            {parts[0] + ".", true},
		"a session token of a forger": {forge(t, header, claims, unsigned), true},
		"the app's JWT":               {forge(t, header.with("typ", "JWT"), claims, unsigned), false},
		"the app's JWT without typ":   {forge(t, header.without("typ"), claims, unsigned), false},
		"the app's opaque token":      {"ghp_0123456789abcdef", false},
		"a word with a dot":           {"user.name", false},
		"nothing":                     {"", false},
		"a dot":                       {".", false},
		"a session token, and 64 KiB": {token + strings.Repeat("A", 64<<10), true},
		"64 KiB before the first dot": {strings.Repeat("eyJ", 64<<10/3) + "." + parts[1], false},
	} {
		if got := session.Own(test.token); got != test.want {
			t.Errorf("Own(%s) = %v, want %v", name, got, test.want)
		}
	}
}
