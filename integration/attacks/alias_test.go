package attacks

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// The sites of a house whose Caddy leaves every field name as it is: what keeps
// names apart that apps take for one is the door's alone.
const (
	inPHP  = "php.example.test"
	inWSGI = "wsgi.example.test"
)

var permissive = sync.OnceValue(func() *House {
	plan := Plan{
		Global: "servers {\n\t\texpected_underscore_headers X_* x_* Remote_* Cookie_*\n\t\texpected_dot_headers X.* Remote.*\n\t}",
		Sites:  sites,
	}
	for site, app := range map[string]string{inPHP: "$PHP", inWSGI: "$WSGI"} {
		plan.Sites += "https://" + site + ":$PORT {\n\ttls internal\n\tdoorward {\n\t\tallow *@example.test\n\t\tbypass /healthz\n\t}\n\treverse_proxy " + app + "\n}\n"
	}
	return Build(&ever, plan)
})

// told is what an app of PHP or WSGI makes of a request: by CGI's names.
func told(t *testing.T, a Answer) map[string]any {
	t.Helper()
	var all map[string]any
	a.JSON(t, &all)
	if server, ok := all["server"].(map[string]any); ok {
		return server
	}
	return all
}

// holdAliases sends every spelling in every way to the apps, and checks whom they
// take the visitor for.
func holdAliases(t *testing.T, separators string) {
	s := permissive().Begin(t)
	for _, site := range []string{A, inPHP, inWSGI} {
		alice := s.Person("alice." + strings.Split(site, ".")[0])
		s.SignIn(site, alice)
		for _, name := range spellings {
			if !strings.ContainsAny(name, separators) {
				continue
			}
			for _, tt := range []struct {
				path, who string
				lines     []string
			}{
				{"/", alice.Address, []string{name + ": evil", alice.Cookie}},
				{"/", alice.Address, []string{alice.Bearer, name + ": evil", name + ": evil"}},
				{"/healthz", "", []string{name + ": evil", alice.Cookie}},
				{"/healthz", "", []string{name + ": evil"}},
			} {
				a := s.Get(site, tt.path, tt.lines...)
				if a.Status != http.StatusOK {
					t.Fatalf("%s: %v", name, a)
				}
				if site == A {
					continue // the scene itself holds what the raw app saw
				}
				if strings.Contains(a.Body, "evil") {
					t.Errorf("%s of %s%s: the app was told %s", name, site, tt.path, a.Body)
				}
				if got, _ := told(t, a)["HTTP_REMOTE_USER"].(string); got != tt.who {
					t.Errorf("%s of %s%s: the app takes the visitor for %q, want %q", name, site, tt.path, got, tt.who)
				}
			}
		}
		s.Seen()
		s.Denied(s.Get(site, "/", forged("evil")...))
	}
}

// An app server that speaks CGI takes "_" for "-".
// GET / and /healthz with X_Auth_Token: evil, X-Auth_Token, x_auth-token.
func TestT03IdentityIsSpeltWithUnderscores(t *testing.T) { holdAliases(t, "_") }

// PHP takes "." for "_", and some servers every sign that is no letter.
// GET / and /healthz with X.Auth.Token: evil, X!Auth!Token.
func TestT04IdentityIsSpeltWithDots(t *testing.T) { holdAliases(t, ".!~+*") }

// The aliases of other fields that the door removes are no better than they are.
// GET /healthz with x_original_url: /admin, and the like.
func TestT27OverridesAreSpeltOddly(t *testing.T) {
	s := permissive().Begin(t)
	for _, name := range []string{"X_Original_URL", "x.rewrite.url", "X_Forwarded_Prefix", "X.Forwarded_For", "X_Forwarded_Host", "X!Forwarded!Uri", "X_Real_IP"} {
		for _, site := range []string{A, inPHP, inWSGI} {
			a := s.Get(site, "/healthz", name+": evil")
			if a.Status != http.StatusOK || strings.Contains(a.Body, "evil") {
				t.Errorf("%s of %s: %v", name, site, a)
			}
		}
		if b := s.One(); strings.Contains(b.Head, "evil") {
			t.Errorf("the app saw %s:\n%s", name, b.Head)
		}
	}
}
