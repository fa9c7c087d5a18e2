package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/handlers"
)

const wiki = "https://wiki.example.com" // a site that lets sessions of the API host in

func newAPIRig(t *testing.T) *rig {
	t.Helper()
	return newRig(t, setup{api: handlers.API{Root: true, TokenHeader: true, Origins: []string{shop}, Sites: []string{wiki}}})
}

func TestAPIHostAnswersAtItsRootAsBelowThePath(t *testing.T) {
	r := newAPIRig(t)
	for _, route := range routes {
		a, below := r.client().do(route.method, route.path, ""), r.client().do(route.method, "/doorward"+route.path, "")
		if below.status != route.stranger {
			t.Errorf("%s: status %d, want %d", below.asked, below.status, route.stranger)
		}
		want := below.status
		if route.page { // which is below the path alone
			want = http.StatusNotFound
		}
		if a.status != want || !route.page && a.header.Get("Content-Type") != below.header.Get("Content-Type") {
			t.Errorf("%s: %d %s, want %d as below the path", a.asked, a.status, a.header.Get("Content-Type"), want)
		}
		if !route.page {
			preflight := r.client().do("OPTIONS", route.path, "", "Origin", shop, "Access-Control-Request-Method", route.method)
			r.wantStatus(preflight.asked, preflight, http.StatusNoContent)
			r.wantCORS(preflight.asked, preflight, shop)
			a := r.client().do(route.method, route.path, "", "Origin", "https://evil.test")
			if route.method != "GET" {
				r.wantProblem(a.asked+" from elsewhere", a, 403, "cross_origin")
			}
		}
	}
}

// All that the host is asked is answered by Doorward; what it does not have, not
// even a browser is sent to sign in for.
func TestAPIHostHasNothingElse(t *testing.T) {
	r := newAPIRig(t)
	r.wantRedirect("the root", r.client().navigate("/"), "/doorward/account")
	r.wantRedirect("the root, by a program", r.client().do("HEAD", "/", ""), "/doorward/account")
	for _, ask := range []string{
		"POST /", "GET /index.html", "GET /favicon.ico", "GET /robots.txt", "GET /login/passcode", "GET /account", "GET /static/doorward.js",
		"GET //", "GET //me", "GET /me/", "GET /x/../me", "GET /ME", "GET /%6de/", "GET /doorward", "GET /doorwardx", "GET /.well-known/", "GET /.well-known/nothing",
		"POST /password/login", "PUT /password", "GET /thirdparty/auth", "POST /token", "GET /saml/provider", "POST /registration", "POST /profile",
	} {
		method, path, _ := strings.Cut(ask, " ")
		r.wantProblem(ask, r.client().do(method, path, ""), 404, "not_found")
		if a := r.client().do(method, path, "", navigates...); a.status != 404 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("navigation to %s: status %d %s, want a page of 404", ask, a.status, a.header.Get("Content-Type"))
		}
	}
}

func TestOnlyAnAPIHostHasTheAPIAtItsRoot(t *testing.T) {
	r := newRig(t, setup{})
	for _, path := range []string{"/", "/me", "/.well-known/jwks.json", "/health/alive"} {
		if r.Owns(path) {
			t.Errorf("Owns(%q): a door takes it from the app", path)
		}
		r.wantProblem(path, r.client().do("GET", path, ""), 404, "not_found")
	}
}

// An app signs in at the API host, and its token is good for the sites that the
// operator lists, which say so in its audience. A sign-in at a door is not.
func TestSessionOfTheAPIHostIsGoodForTheListedSites(t *testing.T) {
	r := newAPIRig(t)
	door := newRig(t, setup{api: handlers.API{TokenHeader: true, Sites: []string{wiki}}})
	listed := newRig(t, setup{api: handlers.API{Root: true, TokenHeader: true, Sites: []string{origin, wiki}}})
	for _, tt := range []struct {
		name      string
		r         *rig
		path      string
		wantSites []string
	}{
		{"at the root", r, "", []string{wiki}},
		{"below the path of the API host", r, "/doorward", []string{wiki}},
		{"at an API host that is among them", listed, "", []string{wiki}},
		{"at a door", door, "/doorward", nil},
	} {
		c := tt.r.client()
		began := c.call("POST", tt.path+"/passcode/login/initialize", `{"email":"ann@example.com"}`)
		tt.r.wantStatus(tt.name, began, http.StatusOK)
		var body struct{ ID string }
		began.decode(t, &body)
		in := c.call("POST", tt.path+"/passcode/login/finalize", `{"id":"`+body.ID+`","code":"`+tt.r.box.passcode(t)+`"}`)
		tt.r.wantStatus(tt.name, in, http.StatusOK)
		token := in.header.Get("X-Auth-Token")
		v, err := tt.r.sessions.Check(t.Context(), token, origin)
		if err != nil {
			t.Fatalf("%s: Check at the host of the sign-in: %v", tt.name, err)
		}
		if !slices.Equal(v.Sites, tt.wantSites) {
			t.Errorf("%s: sites %q, want %q", tt.name, v.Sites, tt.wantSites)
		}
		if _, err := tt.r.sessions.Check(t.Context(), token, wiki); (err == nil) != (tt.wantSites != nil) {
			t.Errorf("%s: Check at %s: %v; passes: want %v", tt.name, wiki, err, tt.wantSites != nil)
		}
	}
}
