package attacks

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Raw is an app that records the bytes that reach it and understands as little of
// them as it can. It answers every request with 200, and closes the connection.
type Raw struct {
	Addr string // host:port

	mu       sync.Mutex
	requests []Bytes
}

// Bytes is a request as it came in.
type Bytes struct {
	Method, Target string
	Head           string // the request line and the fields, without the empty line
	Body           []byte // as it was sent: of a chunked one with the chunks
	Trailer        string // of a chunked body
	Extra          []byte // what followed on the connection
}

// Fields returns names and values as they were written, in order.
func (b Bytes) Fields() [][2]string {
	var fields [][2]string
	lines := strings.Split(b.Head, "\r\n")
	for _, line := range append(lines[1:], strings.Split(b.Trailer, "\r\n")...) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields = append(fields, [2]string{name, strings.Trim(value, " \t")})
		}
	}
	return fields
}

// Values returns the values of the fields whose name folds to that of name: with
// every case and every sign that app servers take for a hyphen.
func (b Bytes) Values(name string) []string {
	var values []string
	for _, f := range b.Fields() {
		if fold(f[0]) == fold(name) {
			values = append(values, f[1])
		}
	}
	return values
}

// StartRaw starts a raw app on a free port.
func StartRaw(t testing.TB) *Raw {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	r := &Raw{Addr: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(conn)
		}
	}()
	return r
}

// Requests returns what has come in so far.
func (r *Raw) Requests() []Bytes {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Bytes(nil), r.requests...)
}

func (r *Raw) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	in := bufio.NewReader(conn)
	b, err := read(in)
	if err != nil && b.Head == "" {
		return // a connection that was opened and not used
	}
	r.mu.Lock()
	at := len(r.requests)
	r.requests = append(r.requests, b)
	r.mu.Unlock()
	if err != nil {
		return
	}
	const body = "the app"
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", len(body))
	if b.Method != "HEAD" {
		_, _ = io.WriteString(conn, body)
	}
	if half, ok := conn.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
	if extra, _ := io.ReadAll(in); len(extra) > 0 {
		r.mu.Lock()
		r.requests[at].Extra = extra
		r.mu.Unlock()
	}
}

func read(in *bufio.Reader) (Bytes, error) {
	var head bytes.Buffer
	for {
		line, err := in.ReadString('\n')
		head.WriteString(line)
		if err != nil {
			return Bytes{Head: head.String()}, err
		}
		if line == "\r\n" || line == "\n" {
			break
		}
	}
	b := Bytes{Head: strings.TrimRight(head.String(), "\r\n")}
	first, _, _ := strings.Cut(b.Head, "\r\n")
	b.Method, first, _ = strings.Cut(first, " ")
	b.Target, _, _ = strings.Cut(first, " ")
	for _, f := range b.Fields() {
		switch strings.ToLower(f[0]) {
		case "content-length":
			n, err := strconv.Atoi(f[1])
			if err != nil {
				return b, err
			}
			b.Body = make([]byte, n)
			_, err = io.ReadFull(in, b.Body)
			return b, err
		case "transfer-encoding":
			body, err := io.ReadAll(httputil.NewChunkedReader(in))
			if err != nil {
				return b, err
			}
			b.Body = body
			var trailer strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return b, err
				}
				if line = strings.TrimRight(line, "\r\n"); line == "" {
					b.Trailer = trailer.String()
					return b, nil
				}
				trailer.WriteString(line + "\r\n")
			}
		}
	}
	return b, nil
}

// fold maps every spelling of a field name that some app server takes for the
// same to one. It is written apart from what the gateway has for it.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, name)
}
