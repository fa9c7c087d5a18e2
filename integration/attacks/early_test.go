package attacks

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// deaf is a socket that hears nothing: whoever holds it can send early data, and
// never ends the handshake. It is where somebody stands who sends again what they
// recorded of another.
type deaf struct{ net.PacketConn }

func (d deaf) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := d.PacketConn.ReadFrom(p)
		if err != nil {
			return n, from, err
		}
	}
}

// ticket returns what lets its owner send early data to a site.
func (s *Scene) ticket(site string) tls.ClientSessionCache {
	s.T.Helper()
	tickets := &kept{ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	c := s.H3(site, tickets)
	if a := c.Ask("GET", "/healthz", nil); a.Status != http.StatusOK {
		s.T.Fatalf("by HTTP/3: %v", a)
	}
	s.Eventually("a ticket", tickets.has.Load)
	return tickets
}

type kept struct {
	tls.ClientSessionCache
	has atomic.Bool
}

func (k *kept) Put(key string, state *tls.ClientSessionState) {
	k.ClientSessionCache.Put(key, state)
	k.has.Store(state != nil)
}

// sendEarly sends a request as early data, on a connection that hears no answer.
func (s *Scene) sendEarly(site string, tickets tls.ClientSessionCache, method, path, body string, fields ...string) {
	s.T.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: s.from})
	if err != nil {
		s.T.Fatal(err)
	}
	wire := &quic.Transport{Conn: deaf{socket}}
	s.T.Cleanup(func() {
		wire.Close()
		socket.Close()
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := wire.DialEarly(ctx, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.Gateway.Port}, &tls.Config{
		ServerName: site, InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}, ClientSessionCache: tickets, // the test's own CA
	}, &quic.Config{})
	if err != nil {
		s.T.Fatalf("connecting early: %v", err)
	}
	control, err := conn.OpenUniStream()
	if err != nil {
		s.T.Fatalf("opening a stream early: %v", err)
	}
	_, _ = control.Write([]byte{0, 4, 0}) // the control stream, and no settings (RFC 9114, section 6.2.1)
	stream, err := conn.OpenStream()
	if err != nil {
		s.T.Fatalf("opening a stream early: %v", err)
	}
	var block, request bytes.Buffer
	encoder := qpack.NewEncoder(&block)
	head := []string{":method: " + method, ":scheme: https", ":authority: " + s.Origin(site)[len("https://"):], ":path: " + path, fmt.Sprintf("content-length: %d", len(body))}
	for _, line := range append(head, fields...) {
		name, value, _ := strings.Cut(line, ": ")
		_ = encoder.WriteField(qpack.HeaderField{Name: strings.ToLower(name), Value: value}) // into memory
	}
	request.Write(quicvarint.Append(quicvarint.Append(nil, 1), uint64(block.Len()))) // HEADERS
	request.Write(block.Bytes())
	if body != "" {
		request.Write(quicvarint.Append(quicvarint.Append(nil, 0), uint64(len(body)))) // DATA
		request.WriteString(body)
	}
	if _, err := stream.Write(request.Bytes()); err != nil {
		s.T.Fatalf("writing early: %v", err)
	}
	_ = stream.Close()
}

// Early data is recorded, and sent again by whoever recorded it.
// A passcode's finalize and a POST to the app, by HTTP/3, before the handshake is over.
func TestT138EarlyData(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	tickets := s.ticket(A)
	s.Seen()

	// What only reads is served early, and the app is told (RFC 8470, section 5.1): or
	// nothing below proves anything.
	s.sendEarly(A, tickets, "GET", "/read", "", alice.Cookie)
	var read []Bytes
	s.Eventually("a request by early data", func() bool { read = append(read, s.Seen()...); return len(read) > 0 })
	if got := read[0].Values("Early-Data"); len(got) != 1 || got[0] != "1" {
		t.Fatalf("Early-Data %q, want 1", got)
	}

	p := s.Person("bob")
	proof := s.Passcode(A, p.Address)
	body := fmt.Sprintf(`{"id":%q,"code":%q}`, proof.ID, proof.Code)
	s.sendEarly(A, s.ticket(A), "POST", "/doorward/passcode/login/finalize", body, "Content-Type: application/json")
	s.sendEarly(A, s.ticket(A), "POST", "/doorward/logout", "", alice.Cookie)
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "FOO"} {
		s.sendEarly(A, s.ticket(A), method, "/write", "", alice.Cookie)
	}
	// A request that only reads comes after them, and has arrived when they have.
	s.sendEarly(A, s.ticket(A), "GET", "/last", "", alice.Cookie)
	last := false
	s.Eventually("the last request by early data", func() bool {
		for _, b := range s.Seen() {
			switch b.Target {
			case "/last":
				last = true
			case "/write":
				t.Errorf("%s %s reached the app early", b.Method, b.Target)
			}
		}
		return last
	})
	if a := s.Finalize(A, proof); a.Status != http.StatusOK {
		t.Errorf("the passcode after it was sent early: %v, want it unused", a)
	}
	if a := s.Post(A, "/doorward/logout", "", "Early-Data: 1", alice.Cookie); a.Status != http.StatusTooEarly {
		t.Errorf("a proxy in front tells of early data: %v, want 425", a)
	}
	if a := s.Get(A, "/", alice.Cookie); a.Status != http.StatusOK {
		t.Errorf("the session after a sign-out that came early: %v", a)
	}
}
