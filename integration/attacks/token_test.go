package attacks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// object is the header or the claims of a token.
type object map[string]any

// with returns o with a member more, or another one; nil takes it away.
func (o object) with(name string, value any) object {
	changed := maps.Clone(o)
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

func (o object) part() string {
	content, err := json.Marshal(map[string]any(o))
	if err != nil {
		panic(err) // of a test's own making
	}
	return encode(content)
}

func encode[T string | []byte](content T) string {
	return base64.RawURLEncoding.EncodeToString([]byte(content))
}

// parseToken returns header and claims of a token.
func parseToken(t testing.TB, token string) (header, claims object) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	for i, o := range []*object{&header, &claims} {
		content, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(content, o); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// A signer signs the first two parts of a token.
type signer func(input string) []byte

// forge returns a token of any header and claims.
func forge(header, claims object, sign signer) string {
	return forgeRaw(header.part(), claims.part(), sign)
}

// forgeRaw returns a token of any two parts.
func forgeRaw(header, claims string, sign signer) string {
	input := header + "." + claims
	return input + "." + encode(sign(input))
}

// unsigned signs nothing.
func unsigned(string) []byte { return nil }

// hs256 signs with a secret that is none (RFC 7518, section 3.2).
func hs256(secret []byte) signer {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

// es256 signs with an ECDSA key (RFC 7518, section 3.4).
func es256(key any) signer {
	return func(input string) []byte {
		digest := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, key.(*ecdsa.PrivateKey), digest[:])
		if err != nil {
			panic(err) // only for a key that is none
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

// foreignKey returns a key that is not the gateway's.
func foreignKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A forger has a living session at a site with one door, and the parts of its token.
type forger struct {
	*Scene
	alice          *Person
	header, claims object
}

func newForger(t *testing.T) *forger {
	t.Helper()
	s := Begin(t)
	f := &forger{Scene: s, alice: s.Person("alice", "admins")}
	s.SignIn(C, f.alice)
	f.header, f.claims = parseToken(t, f.alice.Token)
	return f
}

// dead checks that a token opens nothing, as a bearer token and as a cookie, at the
// door and at the endpoints; and that a browser does not go on sending it.
func (f *forger) dead(name, token string) {
	f.T.Helper()
	cookie, bearer := "Cookie: __Host-doorward="+token, "Authorization: Bearer "+token
	answers := f.Stream(C, f.Request(C, "GET", "/", bearer, "Connection: keep-alive")+
		f.Request(C, "GET", "/doorward/me", bearer, "Connection: keep-alive")+
		f.Request(C, "GET", "/doorward/me", cookie, "Connection: keep-alive")+
		f.Request(C, "GET", "/", cookie))
	if len(answers) != 4 {
		f.T.Fatalf("%s: %d answers: %v", name, len(answers), answers)
	}
	for n, a := range answers {
		if a.Status != 401 {
			f.T.Errorf("%s: answer %d: %v, want 401", name, n, a)
		}
	}
	if token != "" && !cleared(answers[3], "__Host-doorward") {
		f.T.Errorf("%s: the cookie is not taken back: %v", name, answers[3])
	}
	if seen := f.Seen(); len(seen) > 0 {
		f.T.Errorf("%s: reached the app: %q", name, seen)
	}
}

// alive checks that a token is good: that what is refused is so for one reason.
func (f *forger) alive(name, token string) {
	f.T.Helper()
	if a := f.Get(C, "/", "Authorization: Bearer "+token); a.Status != 200 {
		f.T.Errorf("%s: %v, want 200", name, a)
	}
	if got := f.One().Values("Remote-User"); len(got) != 1 || got[0] != f.alice.Address {
		f.T.Errorf("%s: the app was told %q, want %q", name, got, f.alice.Address)
	}
}

// cleared reports whether an answer takes a cookie back.
func cleared(a Answer, name string) bool {
	for _, c := range a.Cookies {
		if c.Name == name && c.MaxAge < 0 && c.Value == "" {
			return true
		}
	}
	return false
}
