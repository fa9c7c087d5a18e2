package attacks

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// rewriting is a house whose site sends what it does not know to one page of the
// app, as front controllers and single pages have it, and in other ways that
// Caddyfiles have.
var rewriting = sync.OnceValue(func() *House {
	return Build(&ever, Plan{Sites: `
https://app.example.test:$PORT {
	tls internal
	root * $DIR
	try_files {path} /index.html
	rewrite /open /doorward/login
	uri strip_prefix /prefix
	doorward {
		allow *@example.test
		bypass /static/*
		bypass /index.html
	}
	reverse_proxy $RAW
}
https://other.example.test:$PORT {
	tls internal
	rewrite * /index.php?{query}
	doorward {
		allow group:staff
	}
	reverse_proxy $RAW
}
https://app.second.test:$PORT {
	tls internal
	handle_path /sub/* {
		doorward {
			allow group:staff
		}
		reverse_proxy $RAW
	}
}
`})
})

// ownPaths are paths of ours, as nobody may read them in another way.
var ownPaths = []string{
	"/doorward", "/doorward/", "/doorward/login", "/doorward/account", "/doorward/logout", "/doorward/static/doorward.js", "/doorward/static/evil.html", "/doorward/static/", "/doorward/nowhere",
	"/doorward/.well-known/jwks.json", "/doorward/.well-known/evil", "/doorward/me", "/doorward/../doorward/login", "/doorward/./login", "/doorward//login", "/doorward/static/../login",
	"/doorward/static/..%2f..%2fwiki", "/doorward/static/%2e%2e/%2e%2e/wiki", "/doorward/%2e%2e/wiki", "/doorward/..", "/doorward/../wiki", `/doorward/\wiki`, "/doorward/..;/wiki", "/doorward/login;x=y", "/doorward/login/",
	"/doorward/login.", "/doorward/login%20", "/doorward/login%00", "/doorward/login%2f", "/%64oorward/login", "/doorward%2flogin", "/doorward%2fstatic%2fevil.html", "/d%6fo%72ward/static/x.js",
	"/doorward/static/x.js%3f", "/doorward/static/doorward.css/x.html", "/doorward?x=1", "/doorward/?/wiki", "/doorward/login?/static/x",
}

// The app has a file that is called as one of ours is, uploaded by somebody, or a
// rewrite makes one path another's: GET /doorward/static/evil.html.
func TestT78PathsOfOursFallThroughToTheApp(t *testing.T) {
	for _, house := range []struct {
		name string
		h    *House
	}{{"plain", common()}, {"with rewrites", rewriting()}} {
		t.Run(house.name, func(t *testing.T) {
			s := house.h.Begin(t)
			alice := s.SignedIn("alice", "staff")
			line := s.Line(A)
			for _, path := range ownPaths {
				for _, field := range []string{"X-No: cookie", alice.Cookie} {
					for _, method := range []string{"GET", "POST", "HEAD", "PUT", "OPTIONS"} {
						a := line.send(method, path, "", []string{field, "Accept: text/html"})
						if strings.Contains(a.Body, "the app") || a.Header.Get("Via") != "" {
							t.Errorf("%s %s: %v", method, path, a)
						}
					}
				}
			}
			s.Quiet()
			s.theirs(alice, house.name == "plain")
		})
	}
	t.Run("below a prefix", belowAPrefix)
}

// theirs checks paths that only look like ours: they are the app's, for whoever is
// signed in, and nobody else's; and the app's are never answered by us. Where Caddy
// has rewritten a path to one of ours, it is ours.
func (s *Scene) theirs(p *Person, asIs bool) {
	s.T.Helper()
	for _, path := range []string{"/DOORWARD/login", "/Doorward/static/x.js", "/doorward./login", "/doorwardx", "/doorward%20/login", "/doorward;x/login", "//doorward/login", "/./doorward/login", "/x/../doorward/login", "/doorward%252flogin"} {
		a := s.Get(A, path)
		if strings.Contains(a.Body, "the app") {
			s.T.Errorf("%s reached the app: %v", path, a)
		}
		if s.Quiet(); !asIs {
			continue
		}
		s.Refused(a)
		a = s.Get(A, path, p.Cookie)
		if seen := s.Seen(); a.Status == http.StatusOK && len(seen) != 1 {
			s.T.Errorf("%s was answered, and by nobody: %v", path, a)
		}
		if strings.Contains(a.Body, `id="login"`) || strings.Contains(a.Body, "navigator.credentials") {
			s.T.Errorf("%s is answered by us: %v", path, a)
		}
	}
	for _, path := range []string{"/static/doorward.js", "/static/doorward/login"} {
		if a := s.Get(A, path); a.Status != http.StatusOK || a.Body != "the app" {
			s.T.Errorf("%s: %v", path, a)
		}
	}
	s.Seen()
	// What we serve is what it says, and cannot be taken for something else.
	page := s.Get(A, "/doorward/login", Page...)
	for _, mark := range []string{`src="`, `rel="stylesheet" href="`} {
		_, asset, _ := strings.Cut(page.Body, mark)
		asset, _, _ = strings.Cut(asset, `"`)
		a := s.Get(A, asset)
		if a.Status != http.StatusOK || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Content-Type") == "" || strings.Contains(a.Header.Get("Content-Type"), "html") {
			s.T.Errorf("%s: %v", asset, a)
		}
	}
	s.Quiet()
}

// belowAPrefix asks at a site whose every path is rewritten to one, and at a door
// that sees no more than the end of a path.
func belowAPrefix(t *testing.T) {
	s := rewriting().Begin(t)
	carol := s.Person("carol", "staff")
	s.SignIn(B, carol)
	for site, prefix := range map[string]string{B: "", C: "/sub"} {
		for _, path := range []string{"/doorward/login", "/doorward/static/evil.html", "/doorward/nowhere", "/doorward/me", "/doorward"} {
			for _, field := range []string{"X-No: cookie", carol.Cookie} {
				if a := s.Get(site, prefix+path, field); a.Status == 0 || strings.Contains(a.Body, "the app") || a.Header.Get("X-Content-Type-Options") != "nosniff" && !strings.Contains(path, "static") {
					t.Errorf("%s%s%s: %v", site, prefix, path, a)
				}
			}
		}
		for _, path := range []string{"/wiki", "/index.php", "/doorwardx", "/../wiki"} {
			if a := s.Get(site, prefix+path); strings.Contains(a.Body, "the app") {
				t.Errorf("%s%s%s: %v", site, prefix, path, a)
			}
		}
	}
	s.Quiet()
	if a := s.Get(B, "/wiki", carol.Cookie); a.Status != http.StatusOK || s.One().Target != "/index.php" {
		t.Errorf("a page of the app: %v", a)
	}
}
