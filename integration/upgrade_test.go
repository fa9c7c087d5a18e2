package integration

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// TestNoUpgradeDigsATunnelPastTheDoor asks for a protocol that reverse_proxy would
// pass on as it passes on a WebSocket. An app that speaks HTTP/2 without TLS says
// yes to h2c, and whoever holds the connection then sends it requests that no
// door sees, under any name.
func TestNoUpgradeDigsATunnelPastTheDoor(t *testing.T) {
	upgrades := make(chan string, 10)
	app := startAgreeableApp(t, upgrades)
	box := mailtest.Start(t, mailtest.Options{})
	g := testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(&testbed.App{Addr: app}, box, "")})
	c := testbed.NewClient(t, g.URL)
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	ask := func(path, protocol string) int {
		return raw(t, g, fmt.Sprintf("GET %s HTTP/1.1\nHost: localhost:%d\nCookie: doorward=%s\nConnection: Upgrade, HTTP2-Settings\nUpgrade: %s\nHTTP2-Settings: AAMAAABkAAQAAP__\n\n",
			path, g.Port, c.Cookie("doorward"), protocol))
	}
	if status := ask("/", "websocket"); status != http.StatusSwitchingProtocols || <-upgrades != "websocket" {
		t.Fatalf("a WebSocket: status %d, want 101, or this proves nothing", status)
	}
	for _, path := range []string{"/", "/healthz"} {
		for _, protocol := range []string{"h2c", "H2C", "h2c, websocket", "websocket, h2c", "foo"} {
			status := ask(path, protocol)
			if got := <-upgrades; status != http.StatusOK || got != "" {
				t.Errorf("%s with Upgrade: %s: status %d, and the app was asked to upgrade to %q; want 200, and not asked", path, protocol, status, got)
			}
		}
	}
}

// startAgreeableApp starts an app that changes to every protocol that it is asked
// for, and tells which.
func startAgreeableApp(t *testing.T, upgrades chan<- string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				protocol := request.Header.Get("Upgrade")
				if upgrades <- protocol; protocol == "" {
					fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
					return
				}
				fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
			}()
		}
	}()
	return listener.Addr().String()
}
