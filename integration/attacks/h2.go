package attacks

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// An H2 is a connection by HTTP/2 on which every frame is the test's own: no
// client library is there to refuse what it would never send.
type H2 struct {
	*http2.Framer
	Conn *tls.Conn

	scene  *Scene
	site   string
	stream uint32
	fields bytes.Buffer
	hpack  *hpack.Encoder
}

// errGone is what a stream or its connection was ended by, instead of an answer.
var errGone = errors.New("ended")

// H2 opens a connection that speaks HTTP/2 and has got through the settings.
func (s *Scene) H2(site string) *H2 {
	s.T.Helper()
	conn := s.Dial(site, "h2").(*tls.Conn)
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		s.T.Fatalf("%s speaks %q, want h2", site, got)
	}
	c := &H2{Framer: http2.NewFramer(conn, conn), Conn: conn, scene: s, site: site, stream: 1}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.hpack = hpack.NewEncoder(&c.fields)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		s.T.Fatal(err)
	}
	if err := c.WriteSettings(); err != nil {
		s.T.Fatal(err)
	}
	return c
}

// Pseudo returns the pseudo-header fields of a request, and after them lines of
// the form "name: value", whose names stay as they are written.
func (c *H2) Pseudo(method, path string, lines ...string) [][2]string {
	fields := [][2]string{{":method", method}, {":scheme", "https"}, {":path", path}, {":authority", fmt.Sprintf("%s:%d", c.site, c.scene.Gateway.Port)}}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		fields = append(fields, [2]string{name, value})
	}
	return fields
}

// Begin opens a stream with a block of fields and returns its number.
func (c *H2) Begin(ends bool, fields ...[2]string) uint32 {
	c.scene.T.Helper()
	id := c.stream
	c.stream += 2
	block := c.Block(fields...)
	const most = 16 << 10 // of a frame
	first := block[:min(len(block), most)]
	err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: ends, EndHeaders: len(first) == len(block)})
	for rest := block[len(first):]; err == nil && len(rest) > 0; {
		part := rest[:min(len(rest), most)]
		rest = rest[len(part):]
		err = c.WriteContinuation(id, len(rest) == 0, part)
	}
	if err != nil {
		c.scene.T.Logf("writing a stream: %v", err) // the gateway may have closed it already
	}
	return id
}

// Block compresses a block of fields.
func (c *H2) Block(fields ...[2]string) []byte {
	c.fields.Reset()
	for _, f := range fields {
		_ = c.hpack.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
	}
	return bytes.Clone(c.fields.Bytes())
}

// Get asks with GET, and lines as [H2.Pseudo] has them.
func (c *H2) Get(path string, lines ...string) Answer {
	c.scene.T.Helper()
	return c.Ask(c.Pseudo("GET", path, lines...)...)
}

// Ask sends a request without a body, and returns the answer. Its Status is 0 if
// the stream or the connection was ended instead.
func (c *H2) Ask(fields ...[2]string) Answer {
	c.scene.T.Helper()
	return c.Answer(c.Begin(true, fields...), pathOf(fields))
}

func pathOf(fields [][2]string) string {
	for _, f := range fields {
		if f[0] == ":path" {
			return f[1]
		}
	}
	return ""
}

// Answer waits for the answer on a stream, whose end it does not need to see if
// the answer is the opening of a tunnel.
func (c *H2) Answer(stream uint32, target string) Answer {
	c.scene.T.Helper()
	a := Answer{Site: c.site, Target: target, Header: http.Header{}}
	for {
		_ = c.Conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		ended, err := c.read(stream, &a)
		if errors.Is(err, errGone) {
			return Answer{Site: c.site, Target: target}
		}
		if err != nil {
			c.scene.T.Fatalf("reading the answer: %v", err)
		}
		if ended || a.Status == http.StatusOK && target == "" {
			a.Cookies = (&http.Response{Header: a.Header}).Cookies()
			return c.scene.Note(a)
		}
	}
}

// read reads one frame, and notes in a what it says of a stream.
func (c *H2) read(stream uint32, a *Answer) (ended bool, err error) {
	frame, err := c.ReadFrame()
	if err != nil {
		return false, errGone
	}
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = c.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = c.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		if f.LastStreamID < stream || f.ErrCode != http2.ErrCodeNo {
			return false, errGone
		}
	case *http2.RSTStreamFrame:
		if f.StreamID == stream && a.Status == 0 {
			return false, errGone
		}
		return f.StreamID == stream, nil
	case *http2.MetaHeadersFrame:
		if f.StreamID != stream {
			return false, nil
		}
		for _, field := range f.Fields {
			if field.Name == ":status" {
				a.Status, _ = strconv.Atoi(field.Value)
				continue
			}
			a.Header.Add(field.Name, field.Value)
		}
		return f.StreamEnded(), nil
	case *http2.DataFrame:
		if f.StreamID == stream {
			a.Body += string(f.Data())
			return f.StreamEnded(), nil
		}
	}
	return false, nil
}
