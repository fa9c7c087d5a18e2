package attacks

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
	"github.com/doorward/doorward/store/storetest"
)

// A Pair is a house with a second node, on the same Redis: whatever is ended on
// one has to be dead on the other.
type Pair struct {
	*House
	Second *testbed.Gateway
}

// pair is the one that tests share. A check is good for a minute, so that a node
// that nobody tells goes on letting people in.
var pair = sync.OnceValue(func() *Pair { return startPair(&ever) })

func startPair(t testing.TB) *Pair {
	t.Helper()
	h := &House{Raw: StartRaw(t), App: testbed.StartApp(t), Mailbox: mailtest.Start(t, mailtest.Options{})}
	file := strings.NewReplacer("$RAW", h.Raw.Addr, "$APP", h.App.Addr, "tls internal", "tls internal\n\tbind $HOST").Replace(`{
	auto_https disable_redirects
	doorward {
		secret 5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo
		store ` + storetest.StartRedis(t).URL() + `
		directory embedded:` + t.TempDir() + `/directory.db
		mail ` + h.Mailbox.URL() + ` {
			from "Doorward <door@example.test>"
		}
		session {
			check_interval 1m
		}
	}
}
` + sites)
	h.Gateway = testbed.Start(t, testbed.Options{Host: "127.0.0.1", Caddyfile: file})
	p := &Pair{House: h, Second: testbed.Start(t, testbed.Options{Host: "127.0.0.2", Port: h.Gateway.Port, Caddyfile: file})}
	for _, site := range []string{A, B, C} {
		h.awaitCertificate(t, site)
		testbed.Eventually(t, 30*time.Second, "certificate of "+site, func() bool {
			conn, err := tls.Dial("tcp", p.Second.Addr, &tls.Config{ServerName: site, InsecureSkipVerify: true})
			return err == nil && conn.Close() == nil
		})
	}
	return p
}

// At asks the node at an address for a target with GET.
func (s *Scene) At(address, site, target string, fields ...string) Answer {
	s.T.Helper()
	dialer := &net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: s.from}}
	conn, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{ServerName: site, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		s.T.Fatalf("connecting to %s: %v", address, err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, s.Request(site, "GET", target, fields...)); err != nil {
		s.T.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "GET"})
	if err != nil {
		s.T.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.T.Fatal(err)
	}
	return s.Note(Answer{site, target, response.StatusCode, response.Header, string(body), response.Cookies()})
}

// Socket opens a WebSocket to the app behind A, as a page of A does, with the
// cookie of a person.
func (s *Scene) Socket(p *Person) *websocket.Conn {
	s.T.Helper()
	config, err := websocket.NewConfig(fmt.Sprintf("wss://%s:%d/socket", A, s.Gateway.Port), s.Origin(A))
	if err != nil {
		s.T.Fatal(err)
	}
	config.Header.Set("Cookie", "__Host-doorward="+p.Token)
	conn, err := websocket.NewClient(config, s.Dial(A))
	if err != nil {
		s.T.Fatalf("opening a socket: %v", err)
	}
	if err := testbed.Echo(conn, "hello"); err != nil {
		s.T.Fatal(err)
	}
	return conn
}

// Closes waits until the gateway closes a socket.
func (s *Scene) Closes(what string, conn *websocket.Conn) {
	s.T.Helper()
	closed := make(chan error, 1)
	go func() {
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		var message string
		closed <- websocket.Message.Receive(conn, &message)
	}()
	began := time.Now()
	err := <-closed
	if timeout, ok := err.(net.Error); err == nil || ok && timeout.Timeout() {
		s.T.Errorf("%s: the socket is open still: %v", what, err)
	}
	if took := time.Since(began); took > 10*time.Second {
		s.T.Errorf("%s: the socket was closed after %v", what, took)
	}
}
