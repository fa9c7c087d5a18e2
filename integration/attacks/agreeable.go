package attacks

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Agreeable is an app that changes to every protocol that it is asked for, and
// keeps what it then reads: an app that speaks HTTP/2 without TLS does so.
type Agreeable struct {
	Addr string // host:port

	mu   sync.Mutex
	read []string // by connection, from the first byte
	told int      // how many of them Read has returned
}

// StartAgreeable starts an agreeable app on a free port.
func StartAgreeable(t testing.TB) *Agreeable {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	app := &Agreeable{Addr: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go app.serve(conn)
		}
	}()
	return app
}

func (a *Agreeable) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(conn)
	b, err := read(in)
	if err != nil && b.Head == "" {
		return
	}
	a.mu.Lock()
	at := len(a.read)
	a.read = append(a.read, b.Head)
	a.mu.Unlock()
	protocol := b.Values("Upgrade")
	if len(protocol) == 0 {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+strings.Join(protocol, ", ")+"\r\n\r\n")
	tunnel, _ := io.ReadAll(in)
	a.mu.Lock()
	a.read[at] += "\r\n\r\n" + string(tunnel)
	a.mu.Unlock()
}

// Read returns what has been read since the last call, by connection.
func (a *Agreeable) Read() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	since := append([]string(nil), a.read[a.told:]...)
	a.told = len(a.read)
	return since
}
