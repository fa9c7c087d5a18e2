package store_test

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// A proxy passes connections on to a server, and loses an answer when it is told
// to: the command has been carried out, and nobody hears of it.
type proxy struct {
	Addr   string
	server string
	lose   atomic.Pointer[[]byte]
	watch  atomic.Pointer[[]byte] // what was to be lost last
	seen   atomic.Int64           // requests with that in it
}

// startProxy runs a proxy to the server at addr until the test ends.
func startProxy(t *testing.T, addr string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	p := &proxy{Addr: listener.Addr().String(), server: addr}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.pass(client)
		}
	}()
	return p
}

// LoseAnswer makes the proxy close the connection of the next request with what in
// it, instead of passing the answer back.
func (p *proxy) LoseAnswer(what string) {
	b := []byte(what)
	p.seen.Store(0)
	p.watch.Store(&b)
	p.lose.Store(&b)
}

// Lost tells whether the answer has been lost.
func (p *proxy) Lost() bool { return p.lose.Load() == nil }

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	var cut atomic.Bool
	go func() {
		defer server.Close()
		request := make([]byte, 64<<10)
		for {
			n, err := client.Read(request)
			if err != nil {
				return
			}
			if what := p.watch.Load(); what != nil && bytes.Contains(request[:n], *what) {
				p.seen.Add(1)
			}
			if what := p.lose.Load(); what != nil && bytes.Contains(request[:n], *what) && p.lose.CompareAndSwap(what, nil) {
				cut.Store(true)
			}
			if _, err := server.Write(request[:n]); err != nil {
				return
			}
		}
	}()
	io.Copy(client, untilCut{server, &cut})
}

// untilCut reads until what it reads is the answer that gets lost.
type untilCut struct {
	io.Reader
	cut *atomic.Bool
}

func (r untilCut) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.cut.Load() {
		return 0, io.EOF
	}
	return n, err
}
