//go:build unix

package storetest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startPatience is how long a Redis server may take to start or stop.
const startPatience = 20 * time.Second

// Redis is a real Redis server, with nothing kept on disk.
type Redis struct {
	Addr   string // host:port, on the loopback
	Socket string // path of its unix socket

	t      testing.TB
	args   []string
	server *exec.Cmd
	exited chan struct{} // closed when server has ended
	output *bytes.Buffer // of server; read only after exited
}

// URL returns the address in the form that [store.NewRedis] reads.
func (r *Redis) URL() string { return "redis://" + r.Addr + "/0" }

// SocketURL is like URL, for the unix socket.
func (r *Redis) SocketURL() string { return "unix://" + r.Socket + "?db=0" }

// StartRedis runs redis-server on a free port and a unix socket until the test
// ends, with further arguments if there are any, such as "--requirepass", "x".
// Without the binary the test fails: a test that is skipped proves nothing.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatalf("install redis-server: %v", err)
	}
	// Not t.TempDir: the path of a socket may have some 100 bytes at most, and
	// that of a test is named after it.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &Redis{t: t, Socket: filepath.Join(dir, "redis.sock"), args: args}
	t.Cleanup(r.Stop)
	// Someone may take the port between our asking for a free one and the server's
	// using it: then the server ends, and we ask again.
	for range 5 {
		r.Addr = freeAddr(t)
		if err = r.start(); err == nil {
			return r
		}
	}
	t.Fatal(err)
	return nil
}

// Stop kills the server, as a crash would. What it knew is lost.
func (r *Redis) Stop() {
	if r.server == nil {
		return
	}
	_ = r.server.Process.Kill() // also one that is paused
	<-r.exited
	r.server = nil
}

// Restart starts the server again, empty, at the same addresses.
func (r *Redis) Restart() {
	r.t.Helper()
	r.Stop()
	if err := r.start(); err != nil {
		r.t.Fatal(err)
	}
}

// Pause stops the server without closing a connection: it accepts, and does not
// answer.
func (r *Redis) Pause() { r.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (r *Redis) Resume() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.server.Process.Signal(s); err != nil {
		r.t.Fatalf("sending %v to redis-server: %v", s, err)
	}
}

func (r *Redis) start() error {
	host, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		return err
	}
	args := slices.Concat([]string{
		"--bind", host, "--port", port, "--unixsocket", r.Socket,
		"--dir", filepath.Dir(r.Socket), "--save", "", "--appendonly", "no",
	}, r.args)
	output := &bytes.Buffer{}
	server := exec.Command("redis-server", args...)
	server.Stdout, server.Stderr = output, output
	if err := server.Start(); err != nil {
		return err
	}
	r.server, r.output, r.exited = server, output, make(chan struct{})
	go func(exited chan struct{}) {
		defer close(exited)
		_ = server.Wait()
	}(r.exited)
	deadline := time.Now().Add(startPatience)
	for !r.answers() {
		select {
		case <-r.exited:
			return fmt.Errorf("redis-server has ended:\n%s", output)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			r.Stop()
			return fmt.Errorf("redis-server does not answer after %v:\n%s", startPatience, output)
		}
	}
	return nil
}

// answers tells whether the server takes commands at both addresses: PONG, or
// that a password is needed.
func (r *Redis) answers() bool {
	return listens("tcp", r.Addr) && listens("unix", r.Socket)
}

func listens(network, address string) bool {
	conn, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && (strings.HasPrefix(line, "+PONG") || strings.HasPrefix(line, "-NOAUTH"))
}

// freeAddr returns an address that nobody listened on a moment ago.
func freeAddr(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
}
