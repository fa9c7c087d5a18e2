package attacks

import (
	"net/http"
	"strings"
	"testing"
)

// holdPaths asks for paths that are not open, as nobody and as bob, who is no admin.
// None reaches the app for nobody, nor for bob if all are for admins; which doors
// judge a path that can be read in several ways is theirs to say.
func holdPaths(t *testing.T, admins bool, paths ...string) {
	s := Begin(t)
	bob := s.SignedIn("bob", "readers")
	for _, path := range paths {
		s.Refused(s.Get(A, path))
		s.Refused(s.Get(A, path, Page...))
		s.Refused(s.Send(A, s.Request(A, "POST", path, "Content-Length: 0")))
		s.Refused(s.H2(A).Get(path)) // where the path is a field of its own
		a := s.Get(A, path, bob.Cookie)
		switch {
		case admins:
			s.Refused(a)
		case a.Status == http.StatusOK:
			s.One() // with an identity, which the scene holds
		default:
			s.Refused(a)
		}
	}
}

// Escapes that one of two readers resolves lead out of what is open.
// GET /static/..%2fadmin/x, /static/%2e%2e/admin/x, /static/%252e%252e/admin/x.
func TestT15EncodedTraversal(t *testing.T) {
	holdPaths(t, true,
		"/static/..%2fadmin/x", "/static/%2e%2e/admin/x", "/static/%252e%252e/admin/x", "/static/.%2e/admin/x", "/static/%2E./admin/x",
		"/static/..%5cadmin/x", "/static/..%5Cadmin/x", `/static/..\admin/x`, "/static/%2e%2e%2fadmin/x", "/static/..%252fadmin/x",
		"/static/%c0%ae%c0%ae/admin/x", "/static/%c0%ae%c0%ae%c0%afadmin", "/static/%e0%80%ae./admin/x", "/static/..%c0%afadmin/x",
		"/static/%uff0e%uff0e/admin/x", "/static/%u002e%u002e/admin", "/static/%EF%BC%8E%EF%BC%8E/admin/x", "/static/..%EF%BC%8Fadmin/x",
		"/static/..%E2%88%95admin", "/static/%E2%80%A5/admin", "/static/..%C2%A5admin", "/static/..;/admin/x", "/static/..%3b/admin/x",
		"/static/;/../admin/x", "/static/..%00/admin/x", "/static/%00/../admin", "/static/..%0d/admin/x", "/static/..%09/admin/x",
		"/static/..%20/admin/x", "/static/%20../admin", "/static/%20.%20/../admin", "/static/.%00./admin/x", "/static/a%2f..%2f..%2fadmin", "/healthz%2f..%2fadmin", "/healthz/..%2fadmin",
		"/static/%2e%2e%3b/admin", "/static/%25%32%65%25%32%65/admin", "/static/..%c1%9cadmin/x", "/static/%ff../admin", "/static/%/../admin")
}

// GET /static/../admin/x, as no browser sends it.
// One step aside: at the end, from below, past the root, with a full stop more.
func TestT16PlainTraversal(t *testing.T) {
	holdPaths(t, true,
		"/static/../admin/x", "/static/./../admin", "/static/a/../../admin/x", "/static/../static/../admin", "/static/../../../admin",
		"/healthz/../admin/x", "/../admin", "/./admin", "/admin/.", "/admin/../admin/x", "/static/..", "/static/../admin/",
		"/static/.../../admin", "/x/../admin/x", "/static/..//admin", "/static/../ADMIN/x")
}

// Empty segments, which one reader counts and another does not.
// GET //admin/x, /static//../admin, ///healthz/../admin.
func TestT18DuplicateSlashes(t *testing.T) {
	holdPaths(t, true,
		"//admin/x", "///admin", "/admin//x", "//admin//x", "/static//../admin", "/static//..//admin/x", "///healthz/../admin", "//healthz/../admin/x",
		"//static/../admin", "/static///../../admin", "/%2fadmin/x", "/%2f/admin", `/\admin/x`, `\/admin/x`, "/.//admin", "//app.example.test/admin")
	s := Begin(t)
	for _, path := range []string{"//healthz", "//static/app.css", "/static//app.css", "///healthz", "//evil.test/healthz", "/static/a//b"} {
		s.Denied(s.Get(A, path))
	}
}

// A letter's case, which apps on some systems do not look at.
// GET /ADMIN/x, /Healthz, /STATIC/app.css as bob.
func TestT20Case(t *testing.T) {
	holdPaths(t, true, "/ADMIN/x", "/Admin", "/aDmIn/x", "/%41dmin/x", "/STATIC/../admin", "/Static/..%2fADMIN", "/adm%49n/x")
	// What is open is open as it is written: of what is written otherwise, nobody
	// knows what an app makes. Rules that guard a path guard it in every case.
	holdPaths(t, false, "/Healthz", "/HEALTHZ", "/Static/app.css", "/STATIC/app.css", "/%48ealthz", "/Doorward/login")
}

// What begins like an open path is none.
// GET /healthzx, /static-private, /staticadmin.
func TestT21PrefixWithoutBoundary(t *testing.T) {
	holdPaths(t, false,
		"/healthzx", "/healthz/", "/healthz/x", "/healthz.json", "/healthz~", "/healthz%20", "/static", "/static-private", "/staticadmin",
		"/static.css", "/static%2fx", "/static%5cx", "/static;x", "/staticx/app.css", "/x/static/app.css", "/x/healthz", "/healthz,", "/doorwardx/login", "/doorward-")
}

// What stands in a query is no path.
// GET /admin?x=/healthz, /admin?/static/.
func TestT22QueryThatLooksOpen(t *testing.T) {
	holdPaths(t, true,
		"/admin?x=/healthz", "/admin?/static/", "/admin/x?/../healthz", "/admin?path=/healthz&url=/static/x", "/admin/x?;/healthz", "/admin%3f/../healthz",
		"/admin%3Fx=/static/", "/admin?#/healthz", "/admin/x?doorward/login", "/admin?%2fhealthz", "/admin?_method=GET&_path=/healthz")
	holdPaths(t, false, "/?/healthz", "/healthz%3f", "/healthz%3Fx", "/x?/static/app.css", "/static%3f/app.css")
}

// A fragment, which no request has, cuts the path for some readers.
// GET /admin%23/healthz, /healthz%23, /admin#/healthz.
func TestT23Fragments(t *testing.T) {
	holdPaths(t, true, "/admin%23/healthz", "/admin#/healthz", "/admin/x%23/../../healthz", "/admin/#/static/", "/static/%23/../admin", "/static/../admin#/static/x")
	holdPaths(t, false, "/healthz%23", "/healthz#", "/healthz#x", "/healthz%23/../x", "/static%23/x", "/static/x%23y", "/static/x#y", "/healthz%2523")
}

// An ending or a detour makes what is private look like a file for everybody.
// GET /admin/x.css, /admin/x%0a.js, /account/..%2fstatic%2fa.css.
func TestT25CacheDeception(t *testing.T) {
	holdPaths(t, true,
		"/admin/x.css", "/admin/x%0a.js", "/admin/x%00.css", "/admin/x;.css", "/admin/x%3b.css", "/admin/x%23.css", "/admin/x/.css",
		"/admin/..%2fadmin%2fa.css", "/admin/favicon.ico", "/admin/robots.txt", "/admin/.well-known/x", "/admin/static/app.css")
	holdPaths(t, false, "/account/..%2fstatic%2fa.css", "/account/..;/static/a.css", "/favicon.ico", "/robots.txt", "/x.css", "/static.js", "/account;/static/a.css")
	// The door's own answers are none that a cache may keep, whatever they look like.
	s := Begin(t)
	for _, path := range []string{"/doorward/login/a.css", "/doorward/login;a.css", "/doorward/account%2fa.css", "/doorward/me/x.js", "/doorward/account/.css"} {
		if a := s.Get(A, path, Page...); a.Status == http.StatusOK || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: %v, want an error that no cache keeps", path, a)
		}
	}
	s.Quiet()
}

// A request target that is not a path alone.
// GET https://evil.test/healthz HTTP/1.1, GET /healthz with two spaces.
func TestT15TargetsThatAreNoPaths(t *testing.T) {
	s := Begin(t)
	bob := s.SignedIn("bob")
	for _, target := range []string{
		"admin/x", "healthz", "*", "?/healthz", "#", "/ad min", "/admin /healthz", "mailto:healthz", "http:healthz",
		"https://" + A + "/admin/x", "//" + A + "/admin", "https://" + A + "/static/../admin/x", "\x00/healthz",
	} {
		s.Refused(s.Get(A, target))
		if a := s.Get(A, target, bob.Cookie); strings.Contains(target, "admin") {
			s.Refused(a)
		}
		s.Seen()
	}
	// In absolute form the target has a host, which counts (RFC 9112, section 3.2.2).
	for _, target := range []string{"https://evil.test/healthz", "https://evil.test/admin/x", "https://" + A + "@evil.test/healthz"} {
		s.Get(A, target, bob.Cookie)
		s.Quiet()
	}
}
