package attacks

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// An H3 is a connection by HTTP/3.
type H3 struct {
	Conn   *quic.Conn
	Client *http3.ClientConn

	scene *Scene
	site  string
}

// H3 opens a connection that speaks HTTP/3. With tickets from an earlier one, it is
// early: what is sent before the handshake is over goes out at once.
func (s *Scene) H3(site string, tickets tls.ClientSessionCache) *H3 {
	s.T.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: s.from})
	if err != nil {
		s.T.Fatal(err)
	}
	wire := &quic.Transport{Conn: socket}
	s.T.Cleanup(func() {
		wire.Close()
		socket.Close()
	})
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.Gateway.Port}
	conn, err := wire.DialEarly(context.Background(), to, &tls.Config{
		ServerName: site, InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}, ClientSessionCache: tickets, // the test's own CA
	}, &quic.Config{})
	if err != nil {
		s.T.Fatalf("connecting to %s by HTTP/3: %v", site, err)
	}
	s.T.Cleanup(func() { _ = conn.CloseWithError(0, "") }) // or the gateway would wait for it when it stops
	return &H3{conn, new(http3.Transport).NewClientConn(conn), s, site}
}

// Ask sends a request, whose fields are whole lines.
func (c *H3) Ask(method, target string, body io.Reader, fields ...string) Answer {
	c.scene.T.Helper()
	request, err := http.NewRequestWithContext(c.scene.T.Context(), method, fmt.Sprintf("%s%s", c.scene.Origin(c.site), target), body)
	if err != nil {
		c.scene.T.Fatal(err)
	}
	for _, line := range fields {
		name, value, _ := strings.Cut(line, ": ")
		request.Header[name] = append(request.Header[name], value)
	}
	response, err := c.Client.RoundTrip(request)
	if err != nil {
		c.scene.T.Logf("by HTTP/3: %v", err)
		return Answer{Site: c.site, Target: target}
	}
	defer response.Body.Close()
	content, _ := io.ReadAll(response.Body)
	return c.scene.Note(Answer{c.site, target, response.StatusCode, response.Header, string(content), response.Cookies()})
}
