package attacks

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/doorward/doorward/integration/testbed"
)

// HTTP/2 and HTTP/3 write names in small letters, and the identity's, too.
// x-auth-token: evil; X-AUTH-TOKEN: evil; pseudo-header fields of one's own.
func TestT10IdentityByOtherProtocols(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	cookie := "cookie: " + strings.TrimPrefix(alice.Cookie, "Cookie: ")
	for _, path := range []string{"/", "/healthz"} {
		for _, name := range spellings {
			c := s.H2(A)
			a := c.Get(path, cookie, name+": evil", name+": evil")
			if name != strings.ToLower(name) && a.Status == http.StatusOK {
				t.Errorf("%s by HTTP/2: %v, want the stream ended", name, a)
			}
			for _, b := range s.Seen() {
				if strings.Contains(b.Head, "evil") {
					t.Errorf("%s by HTTP/2: the app read\n%s", name, b.Head)
				}
			}
		}
		var low []string
		for _, line := range forged("evil") {
			low = append(low, strings.ToLower(line))
		}
		low = slices.DeleteFunc(low, func(line string) bool { return strings.ContainsAny(line, "'`") })
		if a := s.H3(A, nil).Ask("GET", path, nil, append(low, alice.Cookie)...); a.Status != http.StatusOK {
			t.Fatalf("by HTTP/3: %v", a)
		}
		if b := s.One(); strings.Contains(b.Head, "evil") {
			t.Errorf("by HTTP/3: the app read\n%s", b.Head)
		}
	}
	s.Denied(s.H3(A, nil).Ask("GET", "/", nil, forged("evil")...))
}

// goneAfter reads until the gateway has ended the connection, and reports whether
// it has within a while.
func (c *H2) goneAfter(wait time.Duration) bool {
	_ = c.Conn.SetReadDeadline(time.Now().Add(wait))
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return !strings.Contains(err.Error(), "timeout")
		}
		if _, ok := frame.(*http2.GoAwayFrame); ok {
			return true
		}
	}
}

// One connection asks for more than a gateway can do.
// HEADERS and RST_STREAM in turn, a block without an end, a header of 40 MB in 40 kB.
func TestT136Floods(t *testing.T) {
	s := quiet().Begin(t)
	alice := s.SignedIn("alice")
	cookie := "cookie: " + strings.TrimPrefix(alice.Cookie, "Cookie: ")
	before := s.Gateway.Vitals()
	served := func(when string) {
		t.Helper()
		began := time.Now()
		if a := s.Get(A, "/healthz"); a.Status != http.StatusOK || time.Since(began) > 10*time.Second {
			t.Fatalf("%s: %v after %v, want others served", when, a, time.Since(began))
		}
	}

	// Rapid reset (CVE-2023-44487).
	c := s.H2(A)
	_ = c.Conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	for i := 0; i < 1000; i++ {
		stream := c.Begin(true, c.Pseudo("GET", "/", cookie)...)
		if c.WriteRSTStream(stream, http2.ErrCodeCancel) != nil {
			break
		}
	}
	served("after 1000 streams that were reset")

	// CONTINUATION without an end (CVE-2023-45288).
	c = s.H2(A)
	_ = c.Conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.Block(c.Pseudo("GET", "/", cookie)...)}); err != nil {
		t.Fatal(err)
	}
	const most = 4000
	sent := 0
	for block := c.Block([2]string{"x", strings.Repeat("y", 8<<10)}); sent < most && c.WriteContinuation(1, false, block) == nil; sent++ {
	}
	if sent == most && !c.goneAfter(5*time.Second) {
		t.Errorf("the gateway took %d frames of one block, and goes on", sent)
	}
	served("after a block without an end")

	// A field that is named ten thousand times, and stands in the table once.
	c = s.H2(A)
	block := c.Block(append(c.Pseudo("GET", "/healthz"), [2]string{"x-big", strings.Repeat("z", 3900)})...)
	named := c.Block([2]string{"x-big", strings.Repeat("z", 3900)})
	if len(named) > 4 {
		t.Fatalf("%d bytes name a field of the table, want one or two", len(named))
	}
	stream := c.stream
	c.stream += 2
	fragment := append(block, []byte(strings.Repeat(string(named), 10000))...)
	err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndStream: true})
	for rest := fragment[len(block):]; err == nil && len(rest) > 0; {
		part := rest[:min(len(rest), 16<<10)]
		rest = rest[len(part):]
		err = c.WriteContinuation(stream, len(rest) == 0, part)
	}
	if a := c.Answer(stream, "/healthz"); a.Status == http.StatusOK {
		t.Error("a header of 40 MB was taken")
	}
	served("after a header of 40 MB")

	// Headers without number, in each protocol.
	many := make([]string, 30000)
	for i := range many {
		many[i] = "x-many: " + strings.Repeat("v", 50)
	}
	if a := s.H2(A).Get("/healthz", many...); a.Status == http.StatusOK {
		t.Error("30000 fields were taken by HTTP/2")
	}
	if a := s.Get(A, "/healthz", many...); a.Status != 0 && a.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("30000 fields: %v, want 431", a)
	}
	for _, b := range s.Seen() {
		if len(b.Values("X-Big")) > 0 || len(b.Values("X-Many")) > 0 {
			t.Errorf("%s %s reached the app, with a header of %d bytes", b.Method, b.Target, len(b.Head))
		}
	}

	// Streams that are opened and left, beyond what was agreed.
	c = s.H2(A)
	_ = c.Conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	for range 1000 {
		c.Begin(false, c.Pseudo("POST", "/doorward/passcode/login/initialize", "content-type: application/json")...)
	}
	served("with 1000 streams left open")
	refused := 0
	_ = c.Conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			break
		}
		switch f := frame.(type) {
		case *http2.RSTStreamFrame:
			if refused++; f.ErrCode == http2.ErrCodeNo {
				refused--
			}
		case *http2.GoAwayFrame:
			refused += 1000
		}
	}
	if refused == 0 {
		t.Error("1000 streams at once are served, want most refused")
	}
	c.Conn.Close()

	// Pings and settings that want an answer each.
	c = s.H2(A)
	_ = c.Conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	for i := 0; i < 10000 && c.WritePing(false, [8]byte{}) == nil && c.WriteSettings() == nil; i++ {
	}
	c.Conn.Close()
	served("after pings and settings without number")
	testbed.Eventually(t, 20*time.Second, "the work of the floods to be over", func() bool {
		return s.Gateway.Vitals().Goroutines <= before.Goroutines+50
	})
	s.Seen()
}
