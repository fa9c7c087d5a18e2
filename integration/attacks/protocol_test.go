package attacks

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// cpu returns how much processor time the gateway has used, on Linux.
func (s *Scene) cpu() time.Duration {
	s.T.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Gateway.Pid()))
	if err != nil {
		s.T.Skip(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // a hundred ticks a second
}

// quiet is a house whose gateway logs no requests: that costs processor time, and
// Caddy counts what was read of a body without waiting for whoever reads it.
var quiet = sync.OnceValue(func() *House { return Build(&ever, Plan{Quiet: true, Global: testbed.FilteredLog}) })

// Paths that take long to read, for whoever reads them twice.
// GET /static/ with 12 KiB of a/, and with more than a server reads, and with what makes a careless expression go back.
func TestT38LongPaths(t *testing.T) {
	s := quiet().Begin(t)
	s.Opens = func(b Bytes) bool { return open(Bytes{Target: strings.ReplaceAll(b.Target, "%61", "a")}) } // a letter, however often it is read
	const times = 10
	cost := func(path string) time.Duration {
		line, began := s.Line(A), s.cpu()
		for range times {
			a := line.Get(path)
			if a.Status/100 == 5 || a.Status == http.StatusRequestHeaderFieldsTooLarge {
				t.Fatalf("%.40q...: status %d, want it read", path, a.Status)
			}
		}
		return (s.cpu() - began) / times
	}
	if a := s.Get(A, "/"+strings.Repeat("a/", 100<<10)); a.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("200 KiB: %v, want 431", a)
	}
	cost("/static/x") // warms up
	short := cost("/static/x")
	const size = 12 << 10 // what Caddy reads by default has room for it
	for name, path := range map[string]string{
		"segments":      "/static/" + strings.Repeat("a/", size/2),
		"letters":       "/static/" + strings.Repeat("a", size) + "!",
		"dots":          "/static/" + strings.Repeat("../", size/3) + "admin",
		"slashes":       strings.Repeat("/", size) + "admin",
		"escapes":       "/static/" + strings.Repeat("%61", size/3),
		"escaped twice": "/static/" + strings.Repeat("%2561", size/5),
		"semicolons":    "/static/" + strings.Repeat(";a=b", size/4),
		"ours":          "/doorward/" + strings.Repeat("a/", size/2),
		"closed":        "/" + strings.Repeat("a/", size/2),
		"a return":      "/doorward/login?return=/" + strings.Repeat("./", size/2),
		"parameters":    "/doorward/login?" + strings.Repeat("a&", size/2),
	} {
		// The race detector makes all of it some ten times dearer than it is.
		if got := cost(path); got > short+100*time.Millisecond {
			t.Errorf("%s: %v for one of %d bytes, and %v for a short path", name, got, len(path), short)
		}
		s.Seen()
	}
}

// A program's call is answered with a page that it cannot read.
// A gRPC call without a session; the preflight of one by gRPC-Web.
func TestT139CallsOfGRPC(t *testing.T) {
	s := Begin(t)
	bob := s.SignedIn("bob")
	cookie := "cookie: " + strings.TrimPrefix(bob.Cookie, "Cookie: ")
	for _, kind := range []string{"application/grpc", "application/grpc+proto", "application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"} {
		for _, tt := range []struct{ path, credential, status string }{
			{"/pkg.Service/Call", "x: y", "16"},
			{"/pkg.Service/Call", "authorization: Bearer dead", "16"},
			{"/admin/pkg.Service/Call", "x: y", "16"},
			{"/admin/pkg.Service/Call", cookie, "7"},
		} {
			c := s.H2(A)
			stream := c.Begin(false, c.Pseudo("POST", tt.path, "content-type: "+kind, "te: trailers", tt.credential, "accept: text/html", "sec-fetch-mode: navigate")...)
			_ = c.WriteData(stream, true, []byte("\x00\x00\x00\x00\x00"))
			a := c.Answer(stream, tt.path)
			if a.Status != http.StatusOK || a.Header.Get("Grpc-Status") != tt.status || a.Body != "" || !strings.HasPrefix(kind, a.Header.Get("Content-Type")) {
				t.Errorf("%s %s with %q: %v, want 200 with grpc-status %s and no body", kind, tt.path, tt.credential, a, tt.status)
			}
			if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Grpc-Message") == "" {
				t.Errorf("%s: %v, want no-store and a message", kind, a.Header)
			}
			s.Quiet()
		}
		// Who may call is let through, whatever the answer would have been.
		c := s.H2(A)
		stream := c.Begin(false, c.Pseudo("POST", "/pkg.Service/Call", "content-type: "+kind, cookie)...)
		_ = c.WriteData(stream, true, []byte("\x00\x00\x00\x00\x00"))
		c.Answer(stream, "/pkg.Service/Call")
		if b := s.One(); b.Target != "/pkg.Service/Call" {
			t.Errorf("%s: %s reached the app", kind, b.Target)
		}
	}
	for _, method := range []string{"GET", "OPTIONS"} {
		a := s.Send(A, s.Request(A, method, "/pkg.Service/Call", "Content-Type: application/grpc-web", "Origin: https://evil.test",
			"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,x-grpc-web"))
		if s.Denied(a); a.Header.Get("Access-Control-Allow-Origin") != "" || strings.Contains(a.Header.Get("Content-Type"), "html") {
			t.Errorf("a preflight: %v, want a refusal that nobody else reads", a)
		}
	}
	// Doorward's own endpoints are no services.
	if a := s.Post(A, "/doorward/passcode/login/initialize", "\x00\x00\x00\x00\x00", "Content-Type: application/grpc-web"); a.Status != http.StatusUnsupportedMediaType {
		t.Errorf("an endpoint: %v, want 415", a)
	}
}

// What kind of answer somebody wants decides who is let in.
// GET /admin with Sec-Fetch-Mode: cors, Accept: */*, X-Requested-With, and none.
func TestT140KindOfAnswerIsNoDecision(t *testing.T) {
	s := Begin(t)
	alice, bob := s.SignedIn("alice", "admins"), s.SignedIn("bob")
	kinds := [][]string{
		nil, Page, {"Accept: */*"}, {"Accept: text/html"}, {"Accept: application/json"}, {"Accept: text/event-stream"}, {"Sec-Fetch-Mode: cors"}, {"Sec-Fetch-Mode: navigate"},
		{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}, {"Sec-Fetch-Mode: websocket"}, {"Sec-Fetch-Dest: serviceworker"}, {"Sec-Fetch-Mode: evil", "Accept: text/html"},
		{"X-Requested-With: XMLHttpRequest", "Accept: text/html"}, {"Content-Type: application/grpc"}, {"Content-Type: application/json"}, {"Content-Type: application/x-www-form-urlencoded", "Accept: text/html"},
		{"Accept:"}, {"Accept: \x7f"}, {"Sec-Purpose: prefetch"}, {"Sec-Fetch-Mode: navigate", "Sec-Fetch-Mode: cors"}, {"Accept: text/html;q=0"}, {"Connection: Upgrade, close", "Upgrade: h2c", "Accept: text/html"},
		{"Sec-Fetch-Mode: NAVIGATE", "Accept: text/html"}, {"Origin: https://evil.test", "Accept: text/html"}, {"Referer: https://evil.test/", "Accept: text/html"}, {"Accept-Language: xx-\x80"},
	}
	for i, method := range []string{"GET", "POST", "DELETE"} {
		for _, kind := range kinds[:[]int{len(kinds), 9, 4}[i]] {
			for _, path := range []string{"/", "/admin/x"} {
				for name, tt := range map[string]struct {
					p    *Person
					lets bool
				}{"nobody": {&Person{Cookie: "Cookie: x=1"}, false}, "bob": {bob, path == "/"}, "alice": {alice, true}, "a forger": {&Person{Cookie: "Cookie: __Host-doorward=x"}, false}} {
					a := s.Send(A, s.Request(A, method, path, append(append([]string{}, kind...), tt.p.Cookie)...))
					if a.Status == http.StatusBadRequest { // a field that is none, for everybody
						s.Quiet()
						continue
					}
					if reached := len(s.Seen()) == 1; reached != tt.lets || reached != (a.Status == http.StatusOK) {
						t.Errorf("%s of %s %s with %q: reached the app %v with status %d, want %v", name, method, path, kind, reached, a.Status, tt.lets)
					}
				}
			}
		}
	}
}
