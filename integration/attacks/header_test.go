package attacks

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// spellings are ways to write X-Auth-Token and Remote-User that some app server
// takes for the names themselves.
var spellings = []string{
	"X-Auth-Token", "x-auth-token", "X-AUTH-TOKEN", "X_Auth_Token", "X-Auth_Token", "x_auth-token", "X.Auth.Token", "x.auth_token",
	"X-Auth.Token", "X!Auth!Token", "X~Auth-Token", "X+Auth*Token", "Remote-User", "REMOTE_USER", "remote.user", "Remote_email",
	"REMOTE-GROUPS", "remote_groups", "Remote.Groups", "remote-name",
}

// forged returns one line for each spelling.
func forged(value string) []string {
	var lines []string
	for _, name := range spellings {
		lines = append(lines, name+": "+value)
	}
	return lines
}

// A client forges the identity on a path that is open to everybody.
// GET /healthz, X-Auth-Token: evil.
func TestT01IdentityIsForgedOnAnOpenPath(t *testing.T) {
	s := Begin(t)
	if a := s.Get(A, "/healthz", "X-Auth-Token: evil"); a.Status != http.StatusOK {
		t.Fatalf("an open path: %v", a)
	}
	if got := s.One().Values("X-Auth-Token"); len(got) > 0 {
		t.Errorf("the app saw X-Auth-Token %q, want none", got)
	}
	alice := s.SignedIn("alice", "admins") // who is nobody in particular on an open path
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS", "PURGE"} {
		for _, path := range []string{"/healthz", "/static/app.css"} {
			s.Send(A, s.Request(A, method, path, append(forged("evil"), alice.Cookie)...))
			for _, f := range s.One().Fields() {
				if f[1] == "evil" {
					t.Errorf("%s %s: the app saw %q", method, path, f)
				}
			}
		}
	}
}

// A client who is signed in forges the identity twice.
// GET / with a session, X-Auth-Token: evil, X-Auth-Token: evil.
func TestT02IdentityIsForgedBySomebodyWhoIsSignedIn(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice", "admins")
	for name, fields := range map[string][]string{
		"before":         {"X-Auth-Token: evil", "X-Auth-Token: evil", alice.Cookie},
		"after":          {alice.Cookie, "X-Auth-Token: evil", "X-Auth-Token: evil"},
		"bearer":         {alice.Bearer, "X-Auth-Token: evil"},
		"all spellings":  append(forged("evil"), alice.Cookie),
		"another's name": {"Remote-User: root", "Remote-Groups: root,wheel", alice.Cookie},
		"an empty one":   {"X-Auth-Token:", "Remote-User:", "Remote-Groups:", alice.Cookie},
	} {
		if a := s.Get(A, "/admin/x", fields...); a.Status != http.StatusOK {
			t.Fatalf("%s: %v", name, a)
		}
		b := s.One()
		if got := b.Values("Remote-User"); len(got) != 1 || got[0] != alice.Address {
			t.Errorf("%s: the app saw Remote-User %q, want %q alone", name, got, alice.Address)
		}
		if got := b.Values("Remote-Groups"); len(got) != 1 || got[0] != "admins" {
			t.Errorf("%s: the app saw Remote-Groups %q, want admins alone", name, got)
		}
	}
}

// A client has the proxy behind the door drop the identity, as a field of one hop.
// GET / with a session, Connection: close, X-Auth-Token.
func TestT05IdentityIsNamedInConnection(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice", "admins")
	for _, lines := range [][]string{
		{"Connection: close, X-Auth-Token"},
		{"Connection: X-Auth-Token, close, Remote-User, Remote-Email, Remote-Name, Remote-Groups"},
		{"Connection: close, x-auth-token,REMOTE-USER"},
		{"Connection: close,\tx_auth_token\t,remote.user"},
		{"Connection: close", "Connection: X-Auth-Token, X-Auth-Token"},
		{"connection: Remote-User", "CONNECTION: close"},
		{"Connection: Remote-Groups,,, ,close"},
		{"Connection: close, Upgrade, X-Auth-Token", "Upgrade: h2c"},
		{"Proxy-Connection: X-Auth-Token", "Connection: close"},
		{"Keep-Alive: X-Auth-Token", "Connection: close, Keep-Alive"},
		{"Connection: X-Auth-Token"}, // and so the connection is kept
		{"Connection: keep-alive, X-Auth-Token", "Keep-Alive: timeout=5"},
	} {
		line := s.Line(A)
		if a := line.Get("/", append(lines, alice.Cookie, "Connection: close")...); a.Status != http.StatusOK {
			t.Fatalf("%q: %v", lines, a)
		}
		b := s.One()
		for _, name := range identity {
			if len(b.Values(name)) != 1 {
				t.Errorf("%q: the app saw %s %q, want one", lines, name, b.Values(name))
			}
		}
	}
	// HTTP/2 has no such field, and HTTP/3 neither.
	if a := s.H2(A).Get("/", strings.ToLower(alice.Cookie[:6])+alice.Cookie[6:], "connection: x-auth-token"); a.Status == http.StatusOK {
		t.Errorf("by HTTP/2: %v", a)
	}
	s.Quiet()
}

// Somebody without groups says which they are in, where the door has nothing to say.
// GET / with a session, Remote-Groups: admins.
func TestT07FieldIsFilledInWhereTheDoorLeavesItEmpty(t *testing.T) {
	s := Begin(t)
	bob := s.SignedIn("bob")
	for _, path := range []string{"/", "/healthz"} {
		for _, name := range []string{"Remote-Groups", "remote_groups", "REMOTE.GROUPS", "Remote!Groups"} {
			if a := s.Get(A, path, bob.Cookie, name+": admins", "Connection: close, "+name); a.Status != http.StatusOK {
				t.Fatalf("%s: %v", path, a)
			}
			for _, f := range s.One().Fields() {
				if strings.Contains(f[1], "admins") {
					t.Errorf("%s: %s: the app saw %q", path, name, f)
				}
			}
		}
	}
	s.Denied(s.Get(A, "/admin/x", bob.Cookie, "Remote-Groups: admins", "X-Auth-Groups: admins"))
}

// A field's name is written so that two readers could make two names of it.
// GET /healthz, X-Auth-Token<tab>: evil; a folded line; a letter that is no Latin one.
func TestT09NamesThatAreNone(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	for _, path := range []string{"/", "/healthz"} {
		for _, line := range []string{
			"X-Auth-Token\t: evil", "X-Auth-Token : evil", "X-Auth-Tok\u0435n: evil", "X-Auth-Token\x00: evil", "X-Auth-Token\x0b: evil",
			"\x00X-Auth-Token: evil", "X-Auth Token: evil", "X-Auth-Token", ": evil", "\xffX-Auth-Token: evil", "X-Auth-Token\r: evil",
			"(X-Auth-Token): evil", "\"X-Auth-Token\": evil", "X-Auth-Token;: evil", "X-Auth-Token[]: evil", "X/Auth/Token: evil",
			"Accept: a\x00X-Auth-Token: evil", "Accept: a\rX-Auth-Token: evil",
		} {
			if a := s.Get(A, path, alice.Cookie, line); a.Status != http.StatusBadRequest {
				t.Errorf("%s, %q: %v, want 400", path, line, a)
			}
			s.Quiet()
		}
		// What is folded is one value (RFC 9112, section 5.2), and no field of its own.
		for _, lines := range [][]string{
			{"Accept: text/html,", " X-Auth-Token: evil"}, {"Accept: text/html,", "\tRemote-User: evil"}, {"X-Auth-Token:", " evil"},
			{"Remote-User: a", " b", "\tc"},
		} {
			a := s.Get(A, path, append(lines, alice.Cookie)...)
			for _, b := range s.Seen() {
				if strings.Contains(b.Head, "\r\n ") || strings.Contains(b.Head, "\r\n\t") || path == "/healthz" && len(b.Values("X-Auth-Token")) > 0 {
					t.Errorf("%q: %v, and the app saw %q", lines, a, b.Head)
				}
			}
		}
		huge := "X-Auth-Token: " + strings.Repeat("e", 2<<20)
		if a := s.Get(A, path, alice.Cookie, huge); a.Status != 0 && a.Status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("two megabytes: %v", a)
		}
		s.Quiet()
	}
}

// The door's own cookie would let the app, or whoever reads its log, act elsewhere
// as its visitor. GET / with a session and the app's cookie x=1, on one line and two.
func TestT11SessionCookieReachesTheApp(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	own := strings.TrimPrefix(alice.Cookie, "Cookie: ")
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"between the app's", []string{"Cookie: x=1; " + own + "; y=2"}, []string{"x=1; y=2"}},
		{"first", []string{"Cookie: " + own + "; x=1"}, []string{"x=1"}},
		{"on two lines", []string{"Cookie: x=1", alice.Cookie, "Cookie: y=2"}, []string{"x=1", "y=2"}},
		{"alone", []string{alice.Cookie}, nil},
		{"twice", []string{"Cookie: " + own + "; x=1; " + own}, []string{"x=1"}},
		{"without spaces", []string{"Cookie: x=1;" + own + ";y=2"}, []string{"x=1;y=2"}},
		{"under another name", []string{alice.Cookie + "; token=" + alice.Token + "; x=1"}, []string{"x=1"}},
		{"in quotes", []string{alice.Cookie + `; token="` + alice.Token + `"; x=1`}, []string{"x=1"}},
		{"with what stands beside it", []string{alice.Cookie + "; __Host-doorward-known=abc; __Host-doorward-passcode=def; x=1"}, []string{"x=1"}},
		{"of an app with a like name", []string{alice.Cookie + "; __Host-doorwards=1; xdoorward=2"}, []string{"__Host-doorwards=1; xdoorward=2"}},
	} {
		if a := s.Get(A, "/", tt.lines...); a.Status != http.StatusOK {
			t.Fatalf("%s: %v", tt.name, a)
		}
		if got := s.One().Values("Cookie"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: the app saw %q, want %q", tt.name, got, tt.want)
		}
		s.Get(A, "/healthz", tt.lines...)
		if got := s.One().Values("Cookie"); !slices.Equal(got, tt.want) {
			t.Errorf("%s, on an open path: the app saw %q, want %q", tt.name, got, tt.want)
		}
	}
	// HTTP/2 sends crumbs (RFC 9113, section 8.2.3).
	if a := s.H2(A).Get("/", "cookie: x=1", "cookie: "+own, "cookie: y=2"); a.Status != http.StatusOK {
		t.Fatalf("crumbs: %v", a)
	}
	if got := s.One().Values("Cookie"); strings.Join(got, "; ") != "x=1; y=2" {
		t.Errorf("crumbs: the app saw %q, want x=1; y=2", got)
	}
}

// A program's credential for the door is none of the app's business.
// GET /api/x, Authorization: Bearer <session token>.
func TestT12BearerTokenReachesTheApp(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"alone", []string{alice.Bearer}, nil},
		{"in small letters", []string{"authorization: bearer " + alice.Token}, nil},
		{"beside the cookie", []string{alice.Bearer, alice.Cookie}, nil},
		{"of two lines", []string{"Authorization: Basic eDp5", alice.Bearer, alice.Cookie}, []string{"Basic eDp5"}},
		{"of another scheme", []string{"Authorization: Token " + alice.Token, alice.Cookie}, nil},
		{"as a parameter", []string{`Authorization: DPoP token="` + alice.Token + `"`, alice.Cookie}, nil},
		{"the app's own", []string{"Authorization: Bearer of-the-app", alice.Cookie}, []string{"Bearer of-the-app"}},
	} {
		if a := s.Get(A, "/api/x", tt.lines...); a.Status != http.StatusOK {
			t.Fatalf("%s: %v", tt.name, a)
		}
		b := s.One()
		if got := b.Values("Authorization"); !slices.Equal(got, tt.want) || len(b.Values("X-Auth-Token")) != 1 {
			t.Errorf("%s: the app saw %q, want %q and an assertion", tt.name, got, tt.want)
		}
		if strings.Contains(b.Head, alice.Token) {
			t.Errorf("%s: the app saw the session token:\n%s", tt.name, b.Head)
		}
	}
}

// Rights that were taken from somebody live on in what the app is told.
// The operator changes alice's groups; her next request.
func TestT14IdentityOutlivesAChange(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice", "admins")
	if a := s.Get(A, "/admin/x", alice.Cookie); a.Status != http.StatusOK {
		t.Fatal(a)
	}
	before := s.One()
	s.Admin(t, "PUT", "/doorward/users/"+alice.ID+"/groups", map[string]any{"groups": []string{"readers"}})
	s.Denied(s.Get(A, "/admin/x", alice.Cookie))
	if a := s.Get(A, "/", alice.Cookie); a.Status != http.StatusOK {
		t.Fatal(a)
	}
	after := s.One()
	if got := after.Values("Remote-Groups"); !slices.Equal(got, []string{"readers"}) || after.Values("X-Auth-Token")[0] == before.Values("X-Auth-Token")[0] {
		t.Errorf("the next request told the app Remote-Groups %q, want readers, and another assertion", got)
	}
}
