package attacks

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// smuggled is a request that no door has seen.
const smuggled = "GET /admin/smuggled HTTP/1.1\r\nHost: app\r\nConnection: close\r\nX-Auth-Token: evil\r\nRemote-User: evil\r\n\r\n"

// handshake are the fields of a WebSocket's.
var handshake = []string{"Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}

// firstLine sends bytes and returns the first line of what comes back: an answer
// of 101 has no end.
func (s *Scene) firstLine(site, bytes string) string {
	s.T.Helper()
	conn := s.Dial(site)
	defer conn.Close()
	if _, err := io.WriteString(conn, bytes); err != nil {
		return ""
	}
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line)
}

// A protocol is changed to that carries requests past the door.
// GET /healthz, Upgrade: h2c, to an app that agrees; then GET /admin in the tunnel.
func TestT129UpgradeDigsATunnel(t *testing.T) {
	s := judging().Begin(t)
	alice := s.Person("alice")
	s.SignIn(upgrades, alice)
	app := agreeable()
	app.Read()
	if got := s.firstLine(upgrades, s.Request(upgrades, "GET", "/", append(handshake, alice.Cookie)...)); !strings.Contains(got, " 101 ") {
		t.Fatalf("a WebSocket: %q, want 101, or this proves nothing", got)
	}
	app.Read()
	for _, path := range []string{"/", "/healthz", "/static/x"} {
		for _, credential := range []string{alice.Cookie, alice.Bearer, "X-None: 1"} {
			for _, lines := range [][]string{
				{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"},
				{"Connection: Upgrade", "Upgrade: H2C"},
				{"Connection: upgrade", "upgrade: h2c, websocket"},
				{"Connection: Upgrade", "Upgrade: websocket, h2c"},
				{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"},
				{"Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket"},
				{"Connection: Upgrade", "Upgrade: websocket/13"},
				{"Connection: Upgrade", "Upgrade: TLS/1.0"},
				{"Connection: Upgrade", "Upgrade: connect-udp"},
				{"Connection: Upgrade", "Upgrade: "},
				{"Connection: keep-alive, Upgrade", "Upgrade: foo"},
			} {
				if got := s.firstLine(upgrades, s.Request(upgrades, "GET", path, append(lines, credential)...)+smuggled); strings.Contains(got, " 101 ") {
					t.Errorf("%s %q: %q", path, lines, got)
				}
				for _, read := range app.Read() {
					if strings.Contains(strings.ToLower(read), "upgrade:") || strings.Contains(strings.ToLower(read), "http2-settings") || strings.Contains(read, "smuggled") {
						t.Errorf("%s %q: the app read %q", path, lines, read)
					}
				}
			}
		}
	}
	// Many apps take a WebSocket at any path: what is open is so for pages alone.
	for _, path := range []string{"/healthz", "/static/x"} {
		if got := s.firstLine(upgrades, s.Request(upgrades, "GET", path, handshake...)); !strings.Contains(got, " 401 ") {
			t.Errorf("a WebSocket at %s, which is open: %q, want 401", path, got)
		}
		if read := app.Read(); len(read) > 0 {
			t.Errorf("a WebSocket at %s reached the app: %q", path, read)
		}
	}
}

// What follows a CONNECT goes to the app without any framing, and is a request to it.
// CONNECT by HTTP/2 with a session, and a request with a forged identity for its data.
func TestT129ConnectDigsATunnel(t *testing.T) {
	s := Begin(t)
	bob := s.SignedIn("bob")
	session := strings.TrimPrefix(bob.Cookie, "Cookie: ")
	authority := s.Origin(A)[len("https://"):]
	for _, fields := range [][][2]string{
		{{":method", "CONNECT"}, {":authority", authority}},
		{{":method", "CONNECT"}, {":authority", authority}, {"cookie", session}},
		{{":method", "CONNECT"}, {":authority", authority}, {"authorization", "Bearer " + bob.Token}},
		{{":method", "CONNECT"}, {":protocol", "websockets"}, {":scheme", "https"}, {":path", "/"}, {":authority", authority}, {"cookie", session}},
		{{":method", "CONNECT"}, {":protocol", "connect-udp"}, {":scheme", "https"}, {":path", "/healthz"}, {":authority", authority}, {"cookie", session}},
		{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":path", "/healthz"}, {":authority", authority}},
		{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":path", "/"}, {":authority", authority}, {"cookie", session}, {"origin", "https://evil.test"}},
	} {
		c := s.H2(A)
		stream := c.Begin(false, fields...)
		_ = c.WriteData(stream, true, []byte(smuggled)) // which the gateway may not want any more
		if a := c.Answer(stream, pathOf(fields)); a.Status == http.StatusOK {
			t.Errorf("%q: %v", fields, a)
		}
		s.Quiet()
	}
	body := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)
	for _, target := range []string{"/", "/healthz", authority} {
		for _, credential := range []string{bob.Cookie, "X-None: 1"} {
			s.Refused(s.Send(A, s.Request(A, "CONNECT", target, credential, "Transfer-Encoding: chunked")+body))
			s.Refused(s.Send(A, s.Request(A, "CONNECT", target, credential, fmt.Sprintf("Content-Length: %d", len(smuggled)))+smuggled))
			s.Refused(s.Send(A, s.Request(A, "CONNECT", target, credential)+smuggled))
		}
	}
	if a := s.H3(A, nil).Ask("CONNECT", "/", strings.NewReader(smuggled), bob.Cookie); a.Status == http.StatusOK {
		t.Errorf("by HTTP/3: %v", a)
	}
	s.Quiet()
}
