package attacks

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/authenticator"
)

// otherOrigins are what is near to the origin of a site, and is not it.
func (s *Scene) otherOrigins(site string) []string {
	port := s.Gateway.Port
	own := s.Origin(site)
	_, parent, _ := strings.Cut(site, ".")
	origins := []string{
		"http://" + site, fmt.Sprintf("http://%s:%d", site, port), "https://" + site, "https://" + site + ":443", fmt.Sprintf("https://%s:%d", site, port+1),
		fmt.Sprintf("https://%s:0%d", site, port), fmt.Sprintf("https://%s.:%d", site, port), fmt.Sprintf("https://sibling.%s:%d", parent, port),
		fmt.Sprintf("https://%s:%d", parent, port), fmt.Sprintf("https://sub.%s:%d", site, port), fmt.Sprintf("https://evil%s:%d", site, port),
		fmt.Sprintf("https://%s.evil.test:%d", site, port), fmt.Sprintf("https://evil.test:%d", port), fmt.Sprintf("https://127.0.0.1:%d", port),
		fmt.Sprintf("https://[::1]:%d", port), fmt.Sprintf("https://test:%d", port), fmt.Sprintf("https://localhost:%d", port),
		fmt.Sprintf("https://%s:%d@evil.test", site, port), fmt.Sprintf("https://evil.test@%s:%d", site, port), fmt.Sprintf("https://x:y@%s:%d", site, port),
		fmt.Sprintf("https://evil.test#%s:%d", site, port), fmt.Sprintf("https://evil.test/%s", own), fmt.Sprintf(`https://evil.test\@%s:%d`, site, port),
		own + "/", own + "/path", own + "?x", own + "#x", own + ".evil.test", own + " ", " " + own, own + "\x00", own + "\n", own + "," + own,
		strings.ToUpper(own), strings.Replace(own, "https", "HTTPS", 1), strings.Replace(own, site, strings.ToUpper(site), 1),
		strings.Replace(own, ".", "%2e", 1), strings.Replace(own, "a", "\u0430", 1), strings.Replace(own, ".", "\u3002", 1), strings.Replace(own, "https", "wss", 1),
		"null", "", "*", "about:blank", "file://", "data:text/html,x", "javascript:0", "chrome-extension://abcdefghijklmnop", "https://", "//" + site, site,
		"android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "android:apk-key-hash:", "ios:bundle-id:com.example.app", "android-app://com.example.app",
		"blob:" + own, "view-source:" + own, strings.Repeat("https://a", 4000),
	}
	if site == A {
		origins = append(origins, s.Origin(B), s.Origin(C))
	}
	return origins
}

// A page of another origin has somebody use their passkey, and sends what came of it.
// POST finalize with an origin in the client data that is near to ours.
func TestT102CeremonyOfAnotherOrigin(t *testing.T) {
	s := Begin(t)
	alice := s.WithPasskey("alice")
	s.fromNone(alice, s.otherOrigins(A))
	if a := s.SignInByPasskey(A, alice); a.Status != http.StatusOK {
		t.Errorf("from our own: %v", a)
	}
	for name, change := range map[string]change{
		"the origin twice, the last one evil": saying(func(c string) string { return strings.Replace(c, "{", `{"origin":"`+s.Origin(A)+`",`, 1) }),
		"the origin a list":                   saying(func(c string) string { return strings.Replace(c, `"`+s.Origin(A)+`"`, `["`+s.Origin(A)+`"]`, 1) }),
		"the origin null":                     saying(func(c string) string { return strings.Replace(c, `"`+s.Origin(A)+`"`, "null", 1) }),
		"no origin":                           saying(func(c string) string { return strings.Replace(c, `"origin"`, `"origins"`, 1) }),
		"no JSON":                             saying(func(string) string { return "origin=" + s.Origin(A) }),
		"client data and more":                saying(func(c string) string { return c + "{}" }),
		"a list of client data":               saying(func(c string) string { return "[" + c + "]" }),
	} {
		if name == "the origin twice, the last one evil" {
			inner := change
			change = func(a *authenticator.Answer) { a.Origin = "https://evil.test"; inner(a) }
		}
		s.rejects(name, s.SignInByPasskey(A, alice, change))
	}
}

// fromNone checks that neither ceremony is accepted from any of origins.
func (s *Scene) fromNone(p *Person, origins []string) {
	s.T.Helper()
	for _, origin := range origins {
		from := func(a *authenticator.Answer) { a.Origin = origin }
		s.rejects("a login from "+origin[:min(80, len(origin))], s.SignInByPasskey(A, p, from))
	}
	for _, origin := range origins[:min(15, len(origins))] { // it is the same check
		from := func(a *authenticator.Answer) { a.Origin = origin }
		options := s.Challenge(A, registrationInitialize, struct{}{}, p.Bearer)
		s.rejects("a registration from "+origin, s.Post(A, registrationFinalize, s.Create(A, options, from), p.Bearer))
	}
	if list := s.Passkeys(A, p); len(list) != 1 {
		s.T.Errorf("%d passkeys, want 1", len(list))
	}
}

// An authenticator answers for another relying party, or from within a frame.
// POST finalize with another rpIdHash, crossOrigin: true, topOrigin.
func TestT103AnswerForAnotherRelyingPartyOrFrame(t *testing.T) {
	s := Begin(t)
	alice := s.WithPasskey("alice")
	changes := map[string]change{
		"in a frame of another site":  func(a *authenticator.Answer) { a.CrossOrigin, a.TopOrigin = true, "https://evil.test" },
		"in a frame of our own":       func(a *authenticator.Answer) { a.CrossOrigin, a.TopOrigin = true, s.Origin(A) },
		"in a frame of a sibling":     func(a *authenticator.Answer) { a.CrossOrigin, a.TopOrigin = true, s.Origin(B) },
		"in a frame that is not told": func(a *authenticator.Answer) { a.CrossOrigin = true },
		"in a frame, and denying it":  func(a *authenticator.Answer) { a.TopOrigin = "https://evil.test" },
		"crossOrigin a word":          saying(func(c string) string { return strings.Replace(c, `"crossOrigin":false`, `"crossOrigin":"true"`, 1) }),
		"crossOrigin a number":        saying(func(c string) string { return strings.Replace(c, `"crossOrigin":false`, `"crossOrigin":1`, 1) }),
		"crossOrigin twice":           saying(func(c string) string { return strings.Replace(c, `}`, `,"crossOrigin":true}`, 1) }),
		"the type of the other": func(a *authenticator.Answer) {
			a.Type = map[string]string{"webauthn.get": "webauthn.create", "webauthn.create": "webauthn.get"}[a.Type]
		},
		"the type of a payment": func(a *authenticator.Answer) { a.Type = "payment.get" },
		"no type":               func(a *authenticator.Answer) { a.Type = "" },
		"the type in capitals":  func(a *authenticator.Answer) { a.Type = strings.ToUpper(a.Type) },
	}
	for _, id := range []string{"example.test", "test", B, C, "evil.test", "", "APP.example.test", "app.example.test.", "https://" + A, fmt.Sprintf("%s:%d", A, s.Gateway.Port), "localhost"} {
		changes["relying party "+id] = func(a *authenticator.Answer) { a.RPID = id }
	}
	for name, change := range changes {
		s.rejects("a login, "+name, s.SignInByPasskey(A, alice, change))
		options := s.Challenge(A, registrationInitialize, struct{}{}, alice.Bearer)
		s.rejects("a registration, "+name, s.Post(A, registrationFinalize, s.Create(A, options, change), alice.Bearer))
	}
	if a := s.SignInByPasskey(A, alice); a.Status != http.StatusOK {
		t.Errorf("for us: %v", a)
	}
}

// A page of an origin that is not listed as related uses the passkeys; an operator
// lists too much.
// POST finalize from another origin; origins https://*.example.test.
func TestT116OriginIsNotRelated(t *testing.T) {
	s := verifying().Begin(t)
	alice := s.WithPasskey("alice")
	const app = "android:apk-key-hash:7d1R0-6vSKTA1BHnpbHcGPmE4vW8FoOoHTH7QcWBYt0"
	related := s.Origin(C)
	for _, origin := range []string{related, app} {
		if a := s.SignInByPasskey(A, alice, func(a *authenticator.Answer) { a.Origin = origin }); a.Status != http.StatusOK {
			t.Errorf("from %s, which is listed: %v", origin, a)
		}
	}
	others := []string{s.Origin(B), app + ":443", strings.ToLower(app), app + "=", "ANDROID" + app[7:], app[:len(app)-1]}
	for _, origin := range s.otherOrigins(C) {
		if origin != s.Origin(A) {
			others = append(others, origin)
		}
	}
	s.fromNone(alice, others)

	// A challenge that another site of the same relying party gave is answered there.
	options := s.Challenge(B, loginInitialize, struct{}{})
	s.rejects("begun and signed at B, finished at A", s.Post(A, loginFinalize, s.Assert(alice, options, func(a *authenticator.Answer) { a.Origin = s.Origin(B) })))

	file := s.Get(A, "/.well-known/webauthn")
	if want := fmt.Sprintf(`{"origins":["%s","%s"]}`, s.Origin(A), related); file.Body != want {
		t.Errorf("the related origins: %s, want %s", file.Body, want)
	}
	for _, origin := range []string{"https://*.example.test", "*", "https://EXAMPLE.test", "https://user@example.test"} {
		if output, err := s.validate(origin); err == nil {
			t.Errorf("origins %q is accepted: %s", origin, output)
		}
	}
	if output, err := s.validate("https://www.example.test"); err != nil {
		t.Errorf("an origin as it should be: %v: %s", err, output)
	}
}

// validate has the gateway's program check a configuration with a related origin.
func (s *Scene) validate(origin string) (string, error) {
	s.T.Helper()
	file := filepath.Join(s.T.TempDir(), "Caddyfile")
	content := "{\n\tdoorward {\n\t\trelying_party example.test {\n\t\t\torigins \"" + origin + "\"\n\t\t}\n\t}\n}\nhttps://app.example.test {\n\ttls internal\n\tdoorward\n}\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		s.T.Fatal(err)
	}
	output, err := s.Gateway.Command("validate", "--config", file).CombinedOutput()
	return string(output), err
}
