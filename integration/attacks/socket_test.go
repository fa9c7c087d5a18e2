package attacks

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// open opens a stream as p and reads until the answer's header is over.
func (s *Scene) open(p *Person, path string, fields ...string) (net.Conn, *bufio.Reader) {
	s.T.Helper()
	conn := s.Dial(A)
	if _, err := io.WriteString(conn, s.Request(A, "GET", path, append(fields, p.Cookie)...)); err != nil {
		s.T.Fatal(err)
	}
	in := bufio.NewReader(conn)
	status, err := in.ReadString('\n')
	if err != nil || !strings.Contains(status, " 101 ") && !strings.Contains(status, " 200 ") {
		s.T.Fatalf("opening %s: %q, %v", path, status, err)
	}
	for line := ""; line != "\r\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			s.T.Fatal(err)
		}
	}
	return conn, in
}

// A page of another site opens a WebSocket with the visitor's cookies.
// A handshake with a session and Origin: https://evil.test.
func TestT131CrossSiteSocket(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	own := s.Origin(A)
	conn, _ := s.open(alice, "/socket", append(handshake, "Origin: "+own)...)
	conn.Close()
	reached := len(s.App.Requests())
	for _, lines := range [][]string{
		{"Origin: https://evil.test"}, {"Origin: null"}, {"Origin: "}, {"Origin: " + s.Origin(B)}, {"Origin: " + s.Origin(C)}, {"Origin: https://" + A},
		{"Origin: " + own + ".evil.test"}, {"Origin: " + own + "@evil.test"}, {"Origin: https://evil" + A}, {"Origin: http" + strings.TrimPrefix(own, "https")},
		{"Origin: " + strings.ToUpper(own)}, {"Origin: " + own + "/"}, {"Origin: " + own, "Origin: https://evil.test"}, {"Origin: https://evil.test", "Origin: " + own},
		{"Origin: " + own + ", https://evil.test"}, {"Origin: file://"}, {"Origin: moz-extension://x"}, {"Origin: " + own + " https://evil.test"},
	} {
		for _, credential := range []string{alice.Cookie, alice.Bearer} {
			if a := s.Get(A, "/socket", append(append(handshake, lines...), credential)...); a.Status != http.StatusForbidden {
				t.Errorf("%q: %v, want 403", lines, a)
			}
		}
	}
	for _, lines := range [][]string{{"Origin: " + own}, {"Origin: https://evil.test"}, nil} {
		s.Denied(s.Get(A, "/socket", append(handshake, lines...)...))
		s.Denied(s.Get(A, "/socket", append(append(handshake, lines...), "Sec-WebSocket-Protocol: bearer, "+alice.Token)...))
	}
	if got := len(s.App.Requests()); got != reached {
		t.Errorf("%d handshakes reached the app, want none", got-reached)
	}
	s.Quiet()
}

// A socket that is open when its session ends goes on.
// A WebSocket and an event stream; then sign-out, and disabling the user.
func TestT132SocketOutlivesItsSession(t *testing.T) {
	s := Begin(t)
	for name, end := range map[string]func(p *Person){
		"signing out": func(p *Person) {
			if a := s.Post(A, "/doorward/logout", "", p.Cookie, "Origin: "+s.Origin(A)); a.Status/100 != 2 && a.Status != http.StatusSeeOther {
				t.Fatalf("signing out: %v", a)
			}
		},
		"disabled":     func(p *Person) { s.Admin(t, "POST", "/doorward/users/"+p.ID+"/disable", nil) },
		"session gone": func(p *Person) { s.Admin(t, "DELETE", "/doorward/users/"+p.ID+"/sessions", nil) },
	} {
		p := s.SignedIn("p" + strings.ReplaceAll(name, " ", ""))
		socket, fromSocket := s.open(p, "/socket", handshake...)
		events, fromEvents := s.open(p, "/events", "Accept: text/event-stream")
		other := s.SignedIn("q" + strings.ReplaceAll(name, " ", ""))
		stays, fromStays := s.open(other, "/socket", handshake...)
		end(p)
		ended := time.Now()
		for what, in := range map[string]*bufio.Reader{"the socket": fromSocket, "the event stream": fromEvents} {
			if _, err := io.Copy(io.Discard, in); err != nil && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
				t.Errorf("%s: %s: %v", name, what, err)
			}
			if took := time.Since(ended); took > 3*time.Second {
				t.Errorf("%s: %s ended after %v, want a second", name, what, took)
			}
		}
		_ = stays.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := fromStays.ReadByte(); err == nil || !strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: somebody else's socket: %v, want it open", name, err)
		}
		socket.Close()
		events.Close()
		stays.Close()
		s.Denied(s.Get(A, "/socket", append(handshake, p.Cookie)...))
	}
}

// What the app sends bit by bit is kept until there is more of it.
// An event stream, by HTTP/1.1 and HTTP/2: each event is sent once the last was read.
func TestT133EventsAreHeldBack(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	for _, accept := range []string{"text/event-stream", "*/*"} {
		conn, in := s.open(alice, "/events", "Accept: "+accept)
		for i := range 5 {
			event := "event" + strings.Repeat("x", i)
			if err := s.App.Emit(event); err != nil {
				t.Fatal(err)
			}
			for line := ""; line != "data: "+event+"\n"; {
				var err error
				if line, err = in.ReadString('\n'); err != nil {
					t.Fatalf("event %d with Accept %s: %v", i, accept, err)
				}
			}
		}
		conn.Close()
	}
	c := s.H2(A)
	stream := c.Begin(true, c.Pseudo("GET", "/events", "accept: text/event-stream", "cookie: "+strings.TrimPrefix(alice.Cookie, "Cookie: "))...)
	var a Answer
	a.Header = http.Header{}
	for i := range 3 {
		if err := s.App.Emit("by HTTP/2"); err != nil {
			t.Fatal(err)
		}
		testbed.Eventually(t, 10*time.Second, "an event by HTTP/2", func() bool {
			if _, err := c.read(stream, &a); err != nil {
				t.Fatal(err)
			}
			return strings.Count(a.Body, "data: ") > i
		})
	}
}
