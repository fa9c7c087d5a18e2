package attacks

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

const jwksPath = "/doorward/.well-known/jwks.json"

// rotates is a house whose keys tests change.
var rotates = sync.OnceValue(func() *House { return Build(&ever, Plan{}) })

// jwks returns the keys that a site publishes, and checks that they are public.
func (s *Scene) jwks(site string) jwk.Set {
	s.T.Helper()
	a := s.Get(site, jwksPath)
	var list struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(a.Body), &list); err != nil || a.Status != http.StatusOK || len(list.Keys) == 0 {
		s.T.Fatalf("the JWKS: %v, %v", err, a)
	}
	for _, key := range list.Keys {
		for name := range key {
			switch name {
			case "kty", "crv", "x", "y", "n", "e", "alg", "use", "kid":
			default:
				s.T.Errorf("a published key has the member %q: %s", name, a.Body)
			}
		}
	}
	set, err := jwk.ParseString(a.Body)
	if err != nil {
		s.T.Fatal(err)
	}
	return set
}

// rotate has an operator make the next key, and returns its ID.
func (s *Scene) rotate(now bool) (id, state string) {
	s.T.Helper()
	var made struct{ ID, State string }
	answer := s.Admin(s.T, "POST", "/doorward/keys/rotate", map[string]bool{"now": now})
	if err := json.Unmarshal(answer, &made); err != nil || made.ID == "" {
		s.T.Fatalf("rotating: %v: %s", err, answer)
	}
	for _, secret := range []string{`"d"`, "sealed", "private"} {
		if strings.Contains(string(answer), secret) {
			s.T.Errorf("the operator's API tells of a key %q: %s", secret, answer)
		}
	}
	return made.ID, made.State
}

// assertion returns what the app is told of somebody.
func (s *Scene) assertion(p *Person) string {
	s.T.Helper()
	if a := s.Get(A, "/", p.Bearer); a.Status != http.StatusOK {
		s.T.Fatalf("%s: %v", p.Address, a)
	}
	return s.One().Values("X-Auth-Token")[0]
}

// A client, or an app, goes on using what an old key signed, while keys rotate.
// Keys rotate; GET / with an old token; GET jwks.json.
func TestT124KeysRotate(t *testing.T) {
	s := rotates().Begin(t)
	old := s.SignedIn("alice", "admins")
	first, _ := parseToken(t, old.Token)
	before, stolen := s.assertion(old), es256(s.insider().key(old.Token))

	// The next key is published before anything is signed with it.
	next, state := s.rotate(false)
	if again, _ := s.rotate(false); again != next {
		t.Errorf("asked twice, two keys wait: %s, %s", next, again)
	}
	if set := s.jwks(A); set.Len() != 2 {
		t.Errorf("%d keys are published, want the one that signs and the one that waits (%s)", set.Len(), state)
	}
	bob := s.SignedIn("bob")
	if header, _ := parseToken(t, bob.Token); header["kid"] != first["kid"] {
		t.Errorf("signed by %v, which verifiers do not know yet; want %v", header["kid"], first["kid"])
	}

	// In a hurry a third one signs at once, the waiting one goes, and what was signed
	// before goes on verifying.
	hurried, _ := s.rotate(true)
	set := s.jwks(A)
	if _, there := set.LookupKeyID(next); there || set.Len() != 2 {
		t.Errorf("%d keys are published, the waiting one among them: %v; want the old one and the one that signs", set.Len(), there)
	}
	carol := s.SignedIn("carol")
	if header, _ := parseToken(t, carol.Token); header["kid"] != hurried {
		t.Errorf("signed by %v, want the new key %s", header["kid"], hurried)
	}
	for name, token := range map[string]string{"signed before": before, "of the old session": s.assertion(old), "of the new session": s.assertion(carol)} {
		if _, err := jws.Verify([]byte(token), jws.WithKeySet(set, jws.WithInferAlgorithmFromKey(true))); err != nil {
			t.Errorf("an assertion %s does not verify with the JWKS: %v", name, err)
		}
	}

	// Whoever has read an old key cannot make it speak for a new one, nor make a
	// session of it.
	header, claims := parseToken(t, carol.Token)
	_, oldClaims := parseToken(t, old.Token)
	for name, token := range map[string]string{
		"the new key's ID, the old key's signature":    forge(header, claims, stolen),
		"a key that never signed":                      forge(header.with("kid", next), claims, stolen),
		"the old key, a session that never was":        forge(first, oldClaims.with("sid", "AAAAAAAAAAAAAAAAAAAAAAAAAA"), stolen),
		"the old key, its exp put off, a dead session": forge(first, oldClaims.with("sid", "x").with("exp", time.Now().Add(8760*time.Hour).Unix()), stolen),
	} {
		s.Denied(s.Get(A, "/", "Authorization: Bearer "+token))
		if s.T.Failed() {
			t.Fatal(name)
		}
	}
	a := s.Get(A, "/admin", old.Bearer) // the session is as good as before
	if a.Status != http.StatusOK {
		t.Errorf("a session of the old key: %v", a)
	}
}

// A client has the key list answer for another host, change, or be kept for long.
// GET jwks.json with X-Forwarded-Host: evil.test; POST, Origin, odd paths.
func TestT125KeyListIsTheSameForEverybody(t *testing.T) {
	s := Begin(t)
	want := s.Get(A, jwksPath)
	s.jwks(A)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "public, max-age=600", "Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff",
	} {
		if got := want.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	alice := s.SignedIn("alice")
	for _, fields := range [][]string{
		{"X-Forwarded-Host: evil.test"}, {"X-Forwarded-Proto: http", "X-Forwarded-Port: 1"}, {"Forwarded: host=evil.test;proto=http"}, {"X-Host: evil.test"},
		{"X-Original-URL: /evil"}, {"X-Rewrite-URL: /evil"}, {"Origin: https://evil.test"}, {"Origin: null"}, {"Accept: text/html"}, {"Accept-Language: de"},
		Page, {alice.Cookie}, {alice.Bearer}, {"Authorization: Bearer x"}, {"X-Auth-Token: x"}, {"Range: bytes=0-3"}, {"If-None-Match: *"}, {"Accept-Encoding: gzip, br"},
	} {
		a := s.Get(A, jwksPath, fields...)
		if a.Status != http.StatusOK || a.Body != want.Body {
			t.Errorf("%q: %v, want the list as it is", fields, a)
		}
		if whole := a.String(); strings.Contains(whole, "evil") || len(a.Cookies) > 0 || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%q: the answer follows the request: %v", fields, a)
		}
		if got := a.Header.Get("Cache-Control"); got != "public, max-age=600" {
			t.Errorf("%q: Cache-Control %q", fields, got)
		}
	}
	if a := s.Get(A, jwksPath+"?cb=1&kid=x&callback=evil"); a.Body != want.Body {
		t.Errorf("with a query: %v", a)
	}
	for _, site := range []string{B, C} {
		if a := s.Get(site, jwksPath); a.Body != want.Body {
			t.Errorf("at %s: %v, want the same keys", site, a)
		}
	}
	if a := s.Send(A, s.Request(A, "HEAD", jwksPath)); a.Status != http.StatusOK || a.Body != "" {
		t.Errorf("HEAD: %v", a)
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "OPTIONS", "FOO"} {
		a := s.Send(A, s.Request(A, method, jwksPath, "Content-Length: 0"))
		if a.Status < 400 || strings.Contains(a.Body, `"kty"`) {
			t.Errorf("%s: %v, want a refusal", method, a)
		}
	}
	if a := s.Get(A, jwksPath, "Host: evil.test"); strings.Contains(a.Body, `"kty"`) {
		t.Errorf("under another host: %v", a)
	}
	for _, target := range []string{
		"/doorward/.well-known/jwks.json/", "/doorward/.well-known/JWKS.json", "/doorward/.well-known/jwks.json%00", "/doorward/.well-known/",
		"/doorward/.well-known/..%2fjwks.json", "/doorward/.well-known/jwks.json/../../../secret", "/doorward/secret", "/doorward/directory.db",
		"/doorward/keys", "/doorward/keys/rotate", "/doorward/users", "/doorward/export", "/doorward/.well-known/jwks.json;x", "/doorward//.well-known/jwks.json",
	} {
		a := s.Get(A, target, alice.Bearer)
		if strings.Contains(a.Body, `"kty"`) || a.Status == http.StatusOK && strings.HasPrefix(target, "/doorward/") && !strings.Contains(target, "..") {
			t.Errorf("%s: %v", target, a)
		}
	}
	s.Quiet()
}
