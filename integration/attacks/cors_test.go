package attacks

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// shared is a house whose endpoints a web client on another origin may use.
var shared = sync.OnceValue(func() *House {
	return Build(&ever, Plan{Doorward: `
		api {
			cors https://shop.example.test https://partner.test:8443
		}`})
})

// A script of an origin that is not on the list reads what a visitor is answered:
// GET /doorward/me with Origin: https://evil.test, null, or one that begins or ends
// as an allowed one does.
func TestT76ScriptsOfOtherOriginsReadAnswers(t *testing.T) {
	for _, house := range []struct {
		name string
		h    *House
	}{{"nobody allowed", common()}, {"two allowed", shared()}} {
		t.Run(house.name, func(t *testing.T) {
			s := house.h.Begin(t)
			s.strangersReadNothing(s.SignedIn("alice"))
		})
	}
	t.Run("those on the list", allowedOriginsRead)
}

// strangers are origins that are not on the list.
var strangers = []string{
	"https://evil.test", "null", "NULL", "*", "", "https://shop.example.test.evil.test", "https://evilshop.example.test", "https://shop.example.testing", "https://shop.example.test:443",
	"https://shop.example.test:8443", "http://shop.example.test", "https://SHOP.example.test", "https://shop.example.test/", "https://shop.example.test.", "https://partner.test", "https://a.partner.test:8443",
	"https://shop.example.test https://evil.test", "https://shop.example.test, https://evil.test", "https://shop.example.test%00.evil.test", "https://shop.example.test@evil.test", "shop.example.test",
	"//shop.example.test", "file://", "chrome-extension://abc", "https://example.test", "https://shop_example.test", "https://shopXexample.test",
}

// strangersReadNothing asks everything as scripts of strangers do.
func (s *Scene) strangersReadNothing(p *Person) {
	s.T.Helper()
	line := s.Line(A)
	lines := make([][]string, 0, len(strangers)+1)
	for _, origin := range strangers {
		lines = append(lines, []string{"Origin: " + origin})
	}
	lines = append(lines, []string{"Origin: https://shop.example.test", "Origin: https://evil.test"})
	for _, from := range lines {
		for _, path := range []string{"/doorward/me", "/doorward/sessions", "/doorward/webauthn/credentials", "/doorward/.well-known/config", "/doorward/account", "/doorward/nowhere", "/doorward/sessions/validate"} {
			a := line.Get(path, append(from[:len(from):len(from)], p.Cookie, "Sec-Fetch-Mode: cors")...)
			s.unshared(from, a)
		}
		for _, path := range []string{"/doorward/me", "/doorward/passcode/login/initialize", "/doorward/login", "/doorward/logout", "/doorward/nowhere", "/doorward/.well-known/jwks.json"} {
			a := line.send("OPTIONS", path, "", append(from[:len(from):len(from)], "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type, x-evil", "Access-Control-Request-Private-Network: true"))
			s.unshared(from, a)
			if a.Header.Get("Access-Control-Allow-Methods") != "" || a.Header.Get("Access-Control-Allow-Headers") != "" || a.Header.Get("Access-Control-Allow-Private-Network") != "" {
				s.T.Errorf("a preflight from %q: %v", from, a)
			}
		}
		a := line.send("POST", "/doorward/webauthn/login/initialize", "{}", append(from[:len(from):len(from)], "Content-Type: application/json"))
		if s.unshared(from, a); a.Status != http.StatusForbidden {
			s.T.Errorf("a ceremony begun from %q: %v, want 403", from, a)
		}
	}
	// What everybody may know, everybody may read, and never with cookies.
	a := s.Get(A, "/doorward/.well-known/jwks.json", "Origin: https://evil.test", p.Cookie)
	if a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
		s.T.Errorf("the keys: %v", a)
	}
	s.Quiet()
}

// unshared checks that no script of another origin may read an answer.
func (s *Scene) unshared(from []string, a Answer) {
	s.T.Helper()
	if a.Header.Get("Access-Control-Allow-Credentials") != "" || a.Header.Get("Access-Control-Allow-Origin") != "" && a.Target != "/doorward/.well-known/jwks.json" {
		s.T.Errorf("from %q: %v", from, a)
	}
	if vary := strings.Join(a.Header["Vary"], ","); a.Status != http.StatusBadRequest && !strings.Contains(vary, "Origin") {
		s.T.Errorf("from %q: Vary %q, so that a cache gives the answer for one origin to another: %v", from, vary, a)
	}
}

// allowedOriginsRead asks as web clients on the list: what they get is theirs, and
// no pages.
func allowedOriginsRead(t *testing.T) {
	s := shared().Begin(t)
	alice := s.SignedIn("alice")
	for _, origin := range []string{"https://shop.example.test", "https://partner.test:8443"} {
		for _, path := range []string{"/doorward/me", "/doorward/sessions", "/doorward/nowhere"} {
			a := s.Get(A, path, "Origin: "+origin, alice.Cookie)
			if a.Header.Get("Access-Control-Allow-Origin") != origin || a.Header.Get("Access-Control-Allow-Credentials") != "true" {
				t.Errorf("%s: %v", origin, a)
			}
		}
		for _, path := range []string{"/doorward/account", "/doorward/login", "/wiki", "/"} { // pages, and the app
			a := s.Get(A, path, "Origin: "+origin)
			if a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s reads a page: %v", origin, a)
			}
		}
		if a := s.Post(A, "/doorward/account/sessions/end-others", "x=y", "Content-Type: application/x-www-form-urlencoded", "Origin: "+origin, alice.Cookie); a.Status != http.StatusForbidden {
			t.Errorf("%s sends the form of a page: %v", origin, a)
		}
		a := s.Send(A, s.Request(A, "OPTIONS", "/doorward/me", "Origin: "+origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: content-type\tx", "Access-Control-Request-Headers: a, b"))
		if a.Header.Get("Access-Control-Allow-Origin") != origin || a.Header.Get("Access-Control-Allow-Origin") == "*" {
			t.Errorf("a preflight of %s: %v", origin, a)
		}
	}
	s.Quiet()
}
