package attacks

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/doorward/doorward/integration/logs"
)

// A reporter is told what does not hold.
type reporter interface {
	Errorf(format string, args ...any)
}

// identity are the fields by which the app is told who a request comes from.
var identity = []string{"X-Auth-Token", "Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups"}

// open reports whether a request is for what the sites of a house leave open. It
// is as strict as can be: a path that is read in another way by anybody is none.
func open(b Bytes) bool {
	path, _, _ := strings.Cut(b.Target, "?")
	if path == "/healthz" {
		return true
	}
	return strings.HasPrefix(path, "/static/") && !strings.ContainsAny(path, `%\;`) && !strings.Contains(path, "..") && !strings.Contains(path, "//")
}

// hold holds what is true after every attack:
//
//  1. the app saw no identity but the one that the gateway set, once, in its own
//     spelling;
//  2. nothing reached the app that was neither signed in nor open;
//  3. nobody was sent to another origin;
//  4. and 6. no answer was a 5xx, and the log has no panic: bad input is the
//     client's fault, and is told so;
//  5. no answer of Doorward may be kept by a cache.
func (s *Scene) hold(t reporter) {
	keys := s.keys(t)
	for _, b := range s.Raw.Requests()[s.began.raw:] {
		s.holdRequest(t, keys, b)
	}
	for _, seen := range s.App.Requests()[s.began.app:] {
		if _, err := jws.Verify([]byte(seen.Header.Get("X-Auth-Token")), jws.WithKeySet(keys, jws.WithInferAlgorithmFromKey(true))); err != nil {
			t.Errorf("%s %s reached the app without an assertion of ours: %v", seen.Method, seen.URI, err)
		}
	}
	for _, a := range s.answers {
		s.holdAnswer(t, a)
	}
	for line := range strings.Lines(s.Log()) {
		if strings.Contains(line, "panic") {
			t.Errorf("the log: %s", line)
		}
	}
}

// keys returns the gateway's public keys. A gateway that is away by now has none to
// verify with, and nothing that reached the app then passes.
func (s *Scene) keys(t reporter) jwk.Set {
	keys := jwk.NewSet()
	raw := s.Raw.Requests()[s.began.raw:]
	if len(raw) == 0 && len(s.App.Requests()) == s.began.app {
		return keys
	}
	if err := json.Unmarshal([]byte(s.Get(A, "/doorward/.well-known/jwks.json").Body), keys); err != nil {
		t.Errorf("the gateway's keys: %v", err)
	}
	return keys
}

// holdRequest holds a request that reached the raw app to the first and the second.
func (s *Scene) holdRequest(t reporter, keys jwk.Set, b Bytes) {
	told := make(map[string][]string)
	for _, f := range b.Fields() {
		for _, name := range identity {
			if fold(f[0]) != fold(name) {
				continue
			}
			if told[name] = append(told[name], f[1]); f[0] != name || len(told[name]) > 1 {
				t.Errorf("%s %s reached the app with %q: %q", b.Method, b.Target, f[0], told[name])
			}
		}
	}
	if len(told["X-Auth-Token"]) == 0 {
		if len(told) > 0 {
			t.Errorf("%s %s reached the app with %q and no assertion", b.Method, b.Target, told)
		}
		if !s.Opens(b) {
			t.Errorf("%s %s is not open, and reached the app without an identity:\n%s", b.Method, b.Target, b.Head)
		}
		return
	}
	payload, err := jws.Verify([]byte(told["X-Auth-Token"][0]), jws.WithKeySet(keys, jws.WithInferAlgorithmFromKey(true)))
	if err != nil {
		t.Errorf("%s %s reached the app with an assertion that is not ours: %v", b.Method, b.Target, err)
		return
	}
	logs.Seen.Add(logs.Assertion, told["X-Auth-Token"][0])
	var claims struct {
		Email string
		Aud   []string
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Errorf("the assertion %s: %v", payload, err)
		return
	}
	if host := b.Values("Host"); len(host) != 1 || len(claims.Aud) != 1 || claims.Aud[0] != "https://"+host[0] {
		t.Errorf("%s %s reached the app %q with an assertion for %q", b.Method, b.Target, host, claims.Aud)
	}
	for _, name := range []string{"Remote-User", "Remote-Email"} {
		if len(told[name]) != 1 || told[name][0] != claims.Email {
			t.Errorf("%s %s reached the app with %s %q, and the assertion says %q", b.Method, b.Target, name, told[name], claims.Email)
		}
	}
	if token, _ := cookieValue(b, "__Host-doorward"); token != "" {
		t.Errorf("%s %s reached the app with the session token", b.Method, b.Target)
	}
}

// cookieValue returns the value of a cookie that reached the app.
func cookieValue(b Bytes, name string) (value string, ok bool) {
	for _, line := range b.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			if n, v, _ := strings.Cut(strings.TrimSpace(pair), "="); n == name {
				return v, true
			}
		}
	}
	return "", false
}

// holdAnswer holds an answer to the rest.
func (s *Scene) holdAnswer(t reporter, a Answer) {
	if a.Status >= 500 && !s.Fails {
		t.Errorf("a 5xx: %v", a)
	}
	for _, location := range a.Header.Values("Location") {
		to, err := url.Parse(location)
		if err != nil || to.IsAbs() && !strings.EqualFold(to.Scheme+"://"+to.Host, s.Origin(a.Site)) || !to.IsAbs() && (to.Host != "" || !strings.HasPrefix(location, "/") || strings.HasPrefix(location, "/\\")) {
			t.Errorf("sent to %q: %v", location, a)
		}
	}
	path, _, _ := strings.Cut(a.Target, "?")
	ours := strings.HasPrefix(path, "/doorward/") && !strings.HasPrefix(path, "/doorward/static/") && !strings.HasSuffix(path, "/jwks.json")
	refusal := a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusSeeOther
	if (ours && a.Status < 500 && a.Status != http.StatusBadRequest || refusal) && !strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("may be kept by a cache: %v", a)
	}
}
