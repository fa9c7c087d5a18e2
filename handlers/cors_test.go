package handlers_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/handlers"
)

const shop = "https://shop.example.com" // a web client on another origin

func newShopRig(t *testing.T) *rig {
	t.Helper()
	return newRig(t, setup{api: handlers.API{Origins: []string{shop, "http://localhost:8080"}}})
}

// from is what a browser says of a request that a script of an origin makes.
func from(origin, site string) []string {
	return []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", site, "Origin", origin}
}

// wantCORS checks whether an answer may be read by scripts of an origin, and of
// no other.
func (r *rig) wantCORS(what string, a answer, origin string) {
	r.t.Helper()
	want := map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "", "Access-Control-Expose-Headers": ""}
	if origin != "" {
		want = map[string]string{
			"Access-Control-Allow-Origin":      origin,
			"Access-Control-Allow-Credentials": "true",
			"Access-Control-Expose-Headers":    "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Session-Lifetime, X-Auth-Token, X-Request-Id",
		}
	}
	for name, value := range want {
		if got := a.header.Values(name); strings.Join(got, "|") != value {
			r.t.Errorf("%s (%d): %s %q, want %q", what, a.status, name, got, value)
		}
	}
	if got := a.header.Values("Vary"); !slices.Contains(got, "Origin") {
		r.t.Errorf("%s (%d): Vary %q, want Origin: a cache would give it to others", what, a.status, got)
	}
}

func TestClientsOnAllowedOriginsReadEveryAnswerOfTheAPI(t *testing.T) {
	r := newShopRig(t)
	for _, route := range routes {
		path := "/doorward" + route.path
		for _, site := range []string{"same-site", "cross-site"} {
			a := r.client().do(route.method, path, "", from(shop, site)...)
			switch {
			case strings.HasSuffix(path, "/jwks.json"):
				if got := a.header.Get("Access-Control-Allow-Origin"); got != "*" || a.header.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%s: Access-Control-Allow-Origin %q, want * without credentials", path, got)
				}
			case !route.page:
				r.wantCORS(a.asked, a, shop)
				if a.status != route.stranger {
					t.Errorf("%s from %s: status %d, want %d", a.asked, shop, a.status, route.stranger)
				}
			case route.method == "POST":
				r.wantProblem(a.asked+" from "+shop, a, 403, "cross_origin")
				fallthrough
			default:
				r.wantCORS(a.asked, a, "")
			}
		}
	}
	for _, path := range []string{"/doorward/password/login", "/doorward/nowhere"} { // a client learns that there is none
		a := r.client().call("POST", path, "{}", from(shop, "same-site")...)
		r.wantProblem(path, a, 404, "not_found")
		r.wantCORS(path, a, shop)
	}
}

func TestClientsOnOtherOriginsReadNothing(t *testing.T) {
	r := newShopRig(t)
	ann := r.client().signIn("ann@example.com")
	for _, tt := range []struct {
		name    string
		origins []string
	}{
		{"none", nil},
		{"another site", []string{"https://evil.test"}},
		{"its prefix", []string{"https://shop.example.co"}},
		{"the origin as a prefix", []string{shop + ".evil.test"}},
		{"another port", []string{shop + ":8443"}},
		{"the default port, spelled out", []string{shop + ":443"}},
		{"without TLS", []string{"http://shop.example.com"}},
		{"in capitals, as no browser writes it", []string{"https://SHOP.example.com"}},
		{"a path", []string{shop + "/"}},
		{"a sandboxed frame", []string{"null"}},
		{"an empty one", []string{""}},
		{"two of them", []string{shop, shop}},
		{"two in one", []string{shop + " " + shop}},
		{"two in a list", []string{shop + ",https://evil.test"}},
		{"another app on the developer's machine", []string{"http://localhost:8081"}},
	} {
		var header []string
		for _, o := range tt.origins {
			header = append(header, "Origin", o)
		}
		for _, route := range routes {
			if route.method != "GET" && len(tt.origins) == 0 || route.path == "/.well-known/jwks.json" {
				continue
			}
			a := ann.do(route.method, "/doorward"+route.path, "", header...)
			r.wantCORS(tt.name+": "+a.asked, a, "")
			if route.method != "GET" {
				r.wantProblem(tt.name+": "+a.asked, a, 403, "cross_origin")
			}
		}
	}
	if !ann.signedIn() {
		t.Error("another site signed Ann out")
	}
}

func TestPreflightSaysWhatAClientMayAsk(t *testing.T) {
	r := newShopRig(t)
	ask := func(path, origin, method, headers string) answer {
		return r.client().do("OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", headers)
	}
	for _, route := range append(slices.Clone(routes), struct {
		method, path string
		page         bool
		stranger     int
	}{"POST", "/password/login", false, 404}) {
		path := "/doorward" + route.path
		if route.page {
			r.wantProblem("preflight of a page", ask(path, shop, route.method, "content-type"), 404, "not_found")
			continue
		}
		a := ask(path, shop, route.method, "authorization,content-type,doorward-session")
		r.wantStatus(a.asked, a, http.StatusNoContent)
		r.wantCORS(a.asked, a, shop)
		for name, want := range map[string]string{
			"Access-Control-Allow-Methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
			"Access-Control-Allow-Headers": "authorization,content-type,doorward-session",
			"Access-Control-Max-Age":       "7200",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s for %s: %s %q, want %q", a.asked, route.method, name, got, want)
			}
		}
		a = ask(path, "https://evil.test", route.method, "content-type")
		r.wantStatus(a.asked+" from elsewhere", a, http.StatusNoContent)
		r.wantCORS(a.asked+" from elsewhere", a, "")
		if a.header.Get("Access-Control-Allow-Methods") != "" || a.header.Get("Access-Control-Allow-Headers") != "" {
			t.Errorf("%s from elsewhere: headers %v, want no word of what is allowed", a.asked, a.header)
		}
	}
	for name, header := range map[string][]string{
		"without an origin": {"Access-Control-Request-Method", "GET"},
		"without a method":  {"Origin", shop},
	} {
		r.wantProblem(name, r.client().do("OPTIONS", "/doorward/me", "", header...), 404, "not_found")
	}
}

// A web client on another origin is one of ours: it signs in with a passcode, is
// signed in by its cookie, and out again.
func TestClientOnAnAllowedOriginSignsIn(t *testing.T) {
	r := newShopRig(t)
	c := r.client()
	c.navigate("/doorward/login")
	c.submit("/doorward/login", "email", "ann@example.com") // which binds what begins on pages to the browser
	r.box.letters(t)
	id, began := c.initialize("ann@example.com", from(shop, "same-site")...)
	r.wantStatus("initialize", began, http.StatusOK)
	if len(began.header["Set-Cookie"]) != 0 {
		t.Errorf("initialize: Set-Cookie %q, want none: at another site it would be lost", began.header["Set-Cookie"])
	}
	code := r.box.passcode(t)
	// The same client in a browser that keeps no cookies of other sites.
	elsewhere := r.client()
	in := elsewhere.finalize(id, code, from(shop, "cross-site")...)
	r.wantStatus("finalize", in, http.StatusOK)
	r.wantCORS("finalize", in, shop)
	if in.header.Get("X-Session-Lifetime") != "43200" || elsewhere.cookies[r.cookie.Name] == "" {
		t.Errorf("finalize: headers %v, want the cookie and its lifetime", in.header)
	}
	r.wantStatus("me", elsewhere.call("GET", "/doorward/me", "", from(shop, "same-site")...), http.StatusOK)
	r.wantStatus("logout", elsewhere.call("POST", "/doorward/logout", "", from(shop, "same-site")...), http.StatusNoContent)
	if elsewhere.signedIn() {
		t.Error("signed in after signing out")
	}
}

// At the door, CORS is the app's affair: a refusal says nothing of it, nor does an
// answer under a host that is not ours.
func TestRefusalsAtTheDoorAreNotShared(t *testing.T) {
	r := newShopRig(t)
	a := r.client().refuse(handlers.NotAdmitted, "GET", "/api", from(shop, "same-site")...)
	r.wantCORS("refusal", a, "")

	request := httptest.NewRequest("GET", "https://another.example.net/doorward/me", nil)
	request.Header.Set("Origin", shop)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, request)
	r.wantProblem("another host", r.client().receive(request, w), 421, "host_not_configured")
}

// The site's own origin is not made another by being listed: what a browser says
// of a request still counts.
func TestOwnOriginInTheListIsGuardedAsBefore(t *testing.T) {
	r := newRig(t, setup{api: handlers.API{Origins: []string{origin}}})
	ann := r.client().signIn("ann@example.com")
	r.wantProblem("ours, which the browser denies", ann.call("POST", "/doorward/logout", "", from(origin, "cross-site")...), 403, "cross_origin")
	r.wantStatus("ours", ann.call("POST", "/doorward/logout", "", from(origin, "same-origin")...), http.StatusNoContent)
}
