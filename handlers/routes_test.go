package handlers_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// routes is all that Doorward answers, and what a stranger gets who sends
// nothing.
var routes = []struct {
	method, path string
	page         bool // for people
	stranger     int
}{
	{"GET", "/login", true, 200},
	{"POST", "/login", true, 415},
	{"GET", "/login/passcode", true, 422},
	{"POST", "/login/passcode", true, 415},
	{"POST", "/login/passcode/again", true, 415},
	{"GET", "/login/offer", true, 303},
	{"POST", "/login/offer/later", true, 415},
	{"GET", "/signed-out", true, 200},
	{"GET", "/account", true, 303},
	{"POST", "/account/passkeys/rename", true, 415},
	{"POST", "/account/passkeys/remove", true, 415},
	{"POST", "/account/emails/add", true, 415},
	{"GET", "/account/emails/verify", true, 303},
	{"POST", "/account/emails/verify", true, 415},
	{"POST", "/account/emails/verify/again", true, 415},
	{"POST", "/account/emails/primary", true, 415},
	{"POST", "/account/emails/remove", true, 415},
	{"POST", "/account/delete", true, 404}, // turned off
	{"POST", "/account/sessions/end", true, 415},
	{"POST", "/account/sessions/end-others", true, 415},
	{"POST", "/user", false, 400},
	{"DELETE", "/user", false, 404}, // turned off
	{"POST", "/users", false, 400},
	{"GET", "/users/AAAA", false, 401},
	{"GET", "/me", false, 401},
	{"GET", "/emails", false, 401},
	{"POST", "/emails", false, 401},
	{"POST", "/emails/AAAA/set_primary", false, 401},
	{"DELETE", "/emails/AAAA", false, 401},
	{"POST", "/passcode/login/initialize", false, 400},
	{"POST", "/passcode/login/finalize", false, 400},
	{"POST", "/webauthn/login/initialize", false, 200},
	{"POST", "/webauthn/login/finalize", false, 400},
	{"POST", "/webauthn/authentication/initialize", false, 200},
	{"POST", "/webauthn/authentication/finalize", false, 400},
	{"POST", "/webauthn/registration/initialize", false, 401},
	{"POST", "/webauthn/registration/finalize", false, 401},
	{"GET", "/webauthn/credentials", false, 401},
	{"PATCH", "/webauthn/credentials/AAAA", false, 401},
	{"DELETE", "/webauthn/credentials/AAAA", false, 401},
	{"GET", "/sessions", false, 401},
	{"GET", "/sessions/validate", false, 200},
	{"POST", "/sessions/validate", false, 400},
	{"DELETE", "/sessions/AAAA", false, 401},
	{"POST", "/sessions/end-others", false, 401},
	{"POST", "/logout", false, 401},
	{"GET", "/.well-known/config", false, 200},
	{"GET", "/.well-known/jwks.json", false, 200},
	{"GET", "/health/alive", false, 200},
	{"GET", "/health/ready", false, 200},
}

func TestEveryRouteAnswersAStranger(t *testing.T) {
	r := newRig(t, setup{})
	for _, route := range routes {
		a := r.client().do(route.method, "/doorward"+route.path, "")
		if a.status != route.stranger {
			t.Errorf("%s: status %d, want %d\n%s", a.asked, a.status, route.stranger, a.body)
		}
		if a.status == http.StatusUnauthorized {
			if p := r.wantProblem(a.asked, a, 401, "sign_in_required"); p.Login != "/doorward/login" {
				t.Errorf("%s: login %q, want /doorward/login", a.asked, p.Login)
			}
			if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="doorward"` {
				t.Errorf("%s: WWW-Authenticate %q", a.asked, got)
			}
		}
	}
}

// A method that a path does not have is not found, as for clients of the Hanko
// API, and so is a path that is spelled oddly: never another one, never the
// app's.
func TestEverythingElseIsNotFound(t *testing.T) {
	r := newRig(t, setup{})
	has := map[string]bool{"DELETE/sessions/end-others": true, "DELETE/sessions/validate": true} // could be an ID
	for _, route := range routes {
		has[route.method+route.path] = true
	}
	for _, route := range routes {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
			if has[method+route.path] || method == "HEAD" && has["GET"+route.path] {
				continue
			}
			a := r.client().do(method, "/doorward"+route.path, "")
			if a.status != http.StatusNotFound || a.header.Get("Allow") != "" {
				t.Errorf("%s: status %d, Allow %q, want 404 and none", a.asked, a.status, a.header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{
		"/doorward", "/doorward/", "/doorward/nowhere", "/doorward/login/", "/doorward//login", "/doorward/./login",
		"/doorward/x/../login", "/doorward/Login", "/doorward/login.html", "/doorward/login%2f", "/doorward%2flogin",
		"/doorward/login;x", "/doorward/login%00", "/doorward/webauthn/credentials/", "/doorward/sessions/a/b",
	} {
		r.wantProblem(path, r.client().do("GET", path, ""), 404, "not_found")
		if a := r.client().navigate(path); a.status != http.StatusNotFound || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("navigation to %s: status %d %s, want a page of 404", path, a.status, a.header.Get("Content-Type"))
		}
	}
	// A server never asks for these: whoever serves gives the path that it parsed.
	for _, path := range []string{"/doorward/static/", "/doorward/static/../login", "/doorward/static/doorward.js"} {
		if a := r.client().do("GET", path, ""); a.status != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", path, a.status)
		}
	}
}

func TestOwnsOnlyWhatIsBelowThePath(t *testing.T) {
	r := newRig(t, setup{})
	for path, want := range map[string]bool{
		"/doorward": true, "/doorward/": true, "/doorward/login": true, "/doorward//x": true,
		"/": false, "": false, "/doorwardx": false, "/doorward.php": false, "/Doorward/login": false, "/x/doorward/login": false,
	} {
		if got := r.Owns(path); got != want {
			t.Errorf("Owns(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	for _, c := range []*client{r.client(), ann} {
		for _, route := range routes {
			if route.path == "/logout" {
				continue // or Ann would be a stranger from here on
			}
			c.do(route.method, "/doorward"+route.path, "")
			c.do(route.method, "/doorward"+route.path, "", navigates...)
		}
	}
	r.client().do("GET", "/doorward/nowhere", "")
	ann.do("POST", "/doorward/logout", "", "Origin", "https://evil.test")
	ann.do("POST", "/doorward/logout", "")
	w := httptest.NewRecorder()
	request := httptest.NewRequest("GET", "https://another.example.net/doorward/login", nil)
	r.ServeHTTP(w, request)
	if w.Code != http.StatusMisdirectedRequest {
		t.Errorf("a host that is not configured: status %d, want 421", w.Code)
	}
	r.client().receive(request, w)

	for _, a := range r.answers {
		want := map[string]string{
			"Cache-Control":                "no-store",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy":              "same-origin",
			"Vary":                         "Origin",
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Access-Control-Allow-Origin":  "",
		}
		if strings.HasSuffix(a.asked, "jwks.json") && a.status == http.StatusOK { // public on purpose
			want["Cache-Control"], want["Access-Control-Allow-Origin"] = "public, max-age=600", "*"
			want["Cross-Origin-Resource-Policy"] = "cross-origin"
		}
		for name, value := range want {
			if got := a.header.Get(name); got != value {
				t.Errorf("%s (%d): %s is %q, want %q", a.asked, a.status, name, got, value)
			}
		}
		csp := a.header.Get("Content-Security-Policy")
		for _, directive := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, directive) {
				t.Errorf("%s (%d): Content-Security-Policy %q has no %s", a.asked, a.status, csp, directive)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s (%d): Content-Security-Policy %q", a.asked, a.status, csp)
		}
	}
}

func TestStaticFilesAreServedByTheirHash(t *testing.T) {
	r := newRig(t, setup{})
	page := r.client().navigate("/doorward/login")
	_, after, ok := strings.Cut(page.body, `src="/doorward/static/doorward.`)
	name, _, _ := strings.Cut(after, `"`)
	if !ok {
		t.Fatalf("no script in the page\n%s", page.body)
	}
	file := r.client().do("GET", "/doorward/static/doorward."+name, "")
	if file.status != http.StatusOK || !strings.Contains(file.header.Get("Cache-Control"), "immutable") || file.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("script: status %d, %v", file.status, file.header)
	}
}
