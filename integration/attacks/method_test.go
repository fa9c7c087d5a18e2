package attacks

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// A house whose rules look at methods and at rewritten paths, in front of an app
// that would do as a header tells it.
const (
	byMethod = "method.example.test"
	rewrites = "rewrite.example.test"
	upgrades = "upgrade.example.test"
)

// agreeable is an app at upgrades, which changes to whatever protocol it is asked
// for.
var agreeable = sync.OnceValue(func() *Agreeable { return StartAgreeable(&ever) })

var judging = sync.OnceValue(func() *House {
	return Build(&ever, Plan{Sites: sites + `
https://upgrade.example.test:$PORT {
	tls internal
	doorward {
		allow *@example.test
		bypass /healthz
		bypass /static/*
	}
	reverse_proxy ` + agreeable().Addr + `
}
https://method.example.test:$PORT {
	tls internal
	@writes not method GET HEAD OPTIONS
	doorward @writes {
		allow group:editors
	}
	reverse_proxy $RAW
}
https://rewrite.example.test:$PORT {
	tls internal
	rewrite /open /admin
	rewrite /admin/old /static/new
	uri strip_prefix /app
	@admin path /admin /admin/*
	doorward @admin {
		allow group:admins
	}
	doorward {
		allow *@example.test
		bypass /static/*
	}
	reverse_proxy $RAW
}
`})
})

// A header names another path than the one that was judged, and the app follows it.
// GET /admin with X-Original-URL: /healthz, and GET /healthz with it = /admin.
func TestT27PathOverrides(t *testing.T) {
	s := Begin(t)
	bob := s.SignedIn("bob")
	for _, name := range []string{
		"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Original-Uri", "X-Original-Host",
		"X-Forwarded-Method", "X-Original-Method", "X-Forwarded-Server", "X-Forwarded-Port", "X-Forwarded-Scheme", "Forwarded", "X-Host",
		"X-HTTP-Host-Override", "x-forwarded-uri", "X-FORWARDED-PREFIX",
	} {
		s.Refused(s.Get(A, "/admin/x", name+": /healthz"))
		s.Refused(s.Get(A, "/admin/x", bob.Cookie, name+": /static/x"))
		for _, path := range []string{"/healthz", "/static/x"} {
			if a := s.Get(A, path, name+": /admin/evil", bob.Cookie); a.Status != http.StatusOK {
				t.Fatalf("%s: %v", name, a)
			}
			if b := s.One(); strings.Contains(b.Head, "evil") {
				t.Errorf("the app was told %s:\n%s", name, b.Head)
			}
		}
	}
}

// A monitor's name is taken for a monitor.
// GET /admin with User-Agent: GoogleHC/1.0, kube-probe/1.29, ELB-HealthChecker/2.0.
func TestT28HealthCheckers(t *testing.T) {
	s := Begin(t)
	bob := s.SignedIn("bob")
	for _, agent := range []string{"GoogleHC/1.0", "kube-probe/1.29", "ELB-HealthChecker/2.0", "Prometheus/2.0", "UptimeRobot/2.0", "Googlebot/2.1", "doorward", "Caddy"} {
		s.Denied(s.Get(A, "/admin/x", "User-Agent: "+agent))
		s.Denied(s.Get(A, "/", "User-Agent: "+agent, "X-Health-Check: 1", "Purpose: prefetch"))
		s.Denied(s.Get(A, "/admin/x", "User-Agent: "+agent, bob.Cookie))
	}
}

// A header or a form field names another method than the one that was judged.
// GET /x with X-HTTP-Method-Override: DELETE, where reading is open to everybody.
func TestT32MethodOverride(t *testing.T) {
	s := judging().Begin(t)
	s.Opens = func(b Bytes) bool {
		return strings.HasPrefix(b.Values("Host")[0], byMethod) && b.Method == "GET" || open(b)
	}
	for _, name := range []string{"X-HTTP-Method-Override", "X-Http-Method", "X-Method-Override", "x-http-method-override"} {
		if a := s.Get(byMethod, "/x", name+": DELETE"); a.Status != http.StatusOK {
			t.Fatalf("reading: %v", a)
		}
		if b := s.One(); b.Method != "GET" || strings.Contains(b.Head, "DELETE") {
			t.Errorf("the app was told of another method:\n%s", b.Head)
		}
		s.Denied(s.Send(byMethod, s.Request(byMethod, "POST", "/x", name+": GET", "Content-Length: 0")))
	}
	for _, target := range []string{"/x", "/x?_method=GET", "/x?X-HTTP-Method-Override=GET"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "get", "Get", "PROPFIND"} {
			s.Denied(s.Send(byMethod, s.Request(byMethod, method, target, "Content-Length: 11")+"_method=GET"))
		}
	}
}

// Methods that few have heard of are judged as all others.
// get /, FOO /admin, TRACE /, CONNECT host:443, PROPFIND, without a session.
func TestT33OddMethods(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice", "admins")
	for _, method := range []string{"get", "Get", "FOO", "PROPFIND", "SEARCH", "TRACE", "TRACK", "DEBUG", "PRI", "QUERY", "M-SEARCH", "_", strings.Repeat("A", 32), strings.Repeat("A", 33)} {
		for _, path := range []string{"/", "/admin/x", "/Healthz"} {
			s.Refused(s.Send(A, s.Request(A, method, path)))
		}
	}
	for _, target := range []string{s.Origin(A)[len("https://"):], "/", "/admin/x", "/healthz", "/static/x"} {
		for _, fields := range [][]string{nil, {alice.Cookie}, {alice.Cookie, "Connection: Upgrade, close", "Upgrade: websocket"}} {
			s.Refused(s.Send(A, s.Request(A, "CONNECT", target, fields...)))
		}
	}
	for _, target := range []string{"evil.test:443", s.Raw.Addr} { // no site of the gateway's
		conn := s.Dial(A)
		if _, err := io.WriteString(conn, s.Request(A, "CONNECT", target, alice.Cookie)+"GET /admin/x HTTP/1.1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = bufio.NewReader(conn).ReadString('\n')
		s.Quiet()
	}
	// An app that answers TRACE sends back what it was told of its visitor.
	for _, method := range []string{"TRACE", "TRACK", "trace"} {
		for _, path := range []string{"/", "/healthz", "/static/x"} {
			a := s.Send(A, s.Request(A, method, path, alice.Cookie))
			s.Refused(a)
			if strings.Contains(a.Body, alice.Token) {
				t.Errorf("%s %s sent the session back: %v", method, path, a)
			}
		}
	}
}

// What looks like the question of a browser before a request is let through.
// OPTIONS /admin without Access-Control-Request-Method, and with a body.
func TestT34OptionsThatAreNoPreflight(t *testing.T) {
	s := Begin(t)
	bob := s.SignedIn("bob")
	for _, path := range []string{"/", "/admin/x", "/admin/x?/healthz", "*"} {
		for _, fields := range [][]string{
			nil,
			{"Origin: https://evil.test"},
			{"Origin: https://evil.test", "Access-Control-Request-Method: GET"},
			{"Origin: https://evil.test", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization"},
			{"Access-Control-Request-Method: DELETE"},
			{"Origin: " + s.Origin(A), "Access-Control-Request-Method: POST"},
		} {
			a := s.Send(A, s.Request(A, "OPTIONS", path, append(fields, "Content-Length: 4")...)+"evil")
			if s.Quiet(); path != "*" { // which the server answers for itself
				s.Refused(a)
			}
			if a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %q is shared: %v", path, fields, a)
			}
			if path == "/admin/x" {
				s.Denied(s.Send(A, s.Request(A, "OPTIONS", path, append(fields, bob.Cookie)...)))
			}
		}
	}
}

// HEAD is decided otherwise than GET.
// HEAD /admin as bob.
func TestT35Head(t *testing.T) {
	s := Begin(t)
	for name, p := range map[string]*Person{"bob": s.SignedIn("bob"), "alice": s.SignedIn("alice", "admins"), "nobody": {Cookie: "Cookie: x=1"}} {
		for _, path := range []string{"/", "/admin", "/admin/x", "/healthz", "/healthzx", "/static/x", "/static/../admin", "/doorward/account", "/doorward/nothing"} {
			for _, fields := range [][]string{{p.Cookie}, append([]string{p.Cookie}, Page...)} {
				get := s.Get(A, path, fields...)
				reached := len(s.Seen())
				head := s.Send(A, s.Request(A, "HEAD", path, fields...))
				if got := len(s.Seen()); got != reached || head.Status != get.Status || head.Header.Get("Location") != get.Header.Get("Location") {
					t.Errorf("%s, %s %q: HEAD is %d and reached the app %d times, GET %d and %d", name, path, fields[1:], head.Status, got, get.Status, reached)
				}
			}
		}
	}
}

// A rewrite before the door changes what is asked for.
// GET /open, where `rewrite /open /admin` comes first; GET /app/admin/x, stripped.
func TestT36RewritesBeforeTheDoor(t *testing.T) {
	s := judging().Begin(t)
	bob := s.Person("bob")
	s.SignIn(rewrites, bob)
	// The door judges the path that goes to the app.
	for _, path := range []string{"/open", "/app/admin/x", "/app/admin", "/admin/x", "/app//admin", "/app/static/../admin", "/open?/static/x"} {
		s.Refused(s.Get(rewrites, path))
		s.Refused(s.Get(rewrites, path, bob.Cookie))
	}
	for _, path := range []string{"/static/x", "/app/static/x", "/admin/old"} {
		if a := s.Get(rewrites, path); a.Status != http.StatusOK {
			t.Errorf("%s: %v, want it open", path, a)
		}
		if b := s.One(); !strings.HasPrefix(b.Target, "/static/") {
			t.Errorf("%s reached the app as %s", path, b.Target)
		}
	}
	// Doorward's own pages are its own before and after.
	for _, path := range []string{"/doorward/login", "/app/doorward/login"} {
		if a := s.Get(rewrites, path, Page...); a.Status != http.StatusOK || !strings.Contains(a.Body, "<form") {
			t.Errorf("%s: %v, want the sign-in page", path, a)
		}
		s.Quiet()
	}
}
