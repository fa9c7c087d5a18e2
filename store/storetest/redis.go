//go:build unix

package storetest

import (
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

// startPatience is how long servers may take to start, to stop, or to agree.
const startPatience = time.Minute

// Redis is a real Redis server, with nothing kept on disk.
type Redis struct {
	Addr   string // host:port, on the loopback
	Socket string // path of its unix socket; empty for a sentinel

	t            testing.TB
	args         []string
	certificates *Certificates // nil without TLS
	paused       bool
	server       *exec.Cmd
	exited       chan struct{} // closed when server has ended
	output       *bytes.Buffer // of server; read only after exited
}

// URL returns the address in the form that [store.NewRedis] reads.
func (r *Redis) URL() string { return r.scheme() + "://" + r.Addr + "/0" }

// SocketURL is like URL, for the unix socket.
func (r *Redis) SocketURL() string { return "unix://" + r.Socket + "?db=0" }

func (r *Redis) scheme() string {
	if r.certificates != nil {
		return "rediss"
	}
	return "redis"
}

// Certificates returns those that the server was started with, or nil.
func (r *Redis) Certificates() *Certificates { return r.certificates }

// StartRedis runs redis-server on a free port and a unix socket until the test
// ends, with further arguments if there are any, such as "--requirepass", "x".
// Without the binary the test fails: a test that is skipped proves nothing.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	return startRedis(t, nil, args...)
}

// StartRedisTLS is StartRedis for a server that speaks TLS only, and wants a
// certificate of its clients. Those that fit are in [Redis.Certificates].
func StartRedisTLS(t testing.TB, args ...string) *Redis {
	t.Helper()
	return startRedis(t, NewCertificates(t), args...)
}

// StartReplica runs a replica of primary, with its certificates if it has any, and
// waits until both find that it keeps up.
func StartReplica(t testing.TB, primary *Redis, args ...string) *Redis {
	t.Helper()
	host, port := primary.hostPort()
	r := startRedis(t, primary.certificates, append([]string{"--replicaof", host, port}, args...)...)
	_, own := r.hostPort()
	until(t, "the replica keeps up", func() bool {
		return r.info("master_link_status", "info", "replication") == "up" &&
			strings.Contains(primary.text("info", "replication"), "port="+own+",state=online")
	})
	return r
}

func startRedis(t testing.TB, certificates *Certificates, args ...string) *Redis {
	t.Helper()
	dir := serverDir(t)
	r := &Redis{t: t, Socket: filepath.Join(dir, "redis.sock"), certificates: certificates}
	r.args = slices.Concat([]string{
		"--unixsocket", r.Socket, "--dir", dir, "--save", "", "--appendonly", "no",
		"--repl-diskless-sync-delay", "0",
	}, args)
	r.startAnywhere()
	return r
}

// serverDir returns a folder for one server. Not t.TempDir: the path of a socket may
// have some 100 bytes at most, and that of a test is named after it.
func serverDir(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatalf("install redis-server: %v", err)
	}
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startAnywhere starts the server at a free address, and stops it with the test.
func (r *Redis) startAnywhere() {
	r.t.Helper()
	r.t.Cleanup(r.Stop)
	// Someone may take the port between our asking for a free one and the server's
	// using it: then the server ends, and we ask again.
	var err error
	for range 5 {
		r.Addr = net.JoinHostPort("127.0.0.1", freePort(r.t))
		if err = r.start(); err == nil {
			return
		}
	}
	r.t.Fatal(err)
}

// Stop kills the server, as a crash would. What it knew is lost.
func (r *Redis) Stop() {
	if r.server == nil {
		return
	}
	_ = r.server.Process.Kill() // also one that is paused
	<-r.exited
	r.server, r.paused = nil, false
}

// Restart starts the server again, at the same addresses: empty, unless it was told
// to save before.
func (r *Redis) Restart() {
	r.t.Helper()
	r.Stop()
	if err := r.start(); err != nil {
		r.t.Fatal(err)
	}
}

// AddArgs gives the server further arguments, from its next start on.
func (r *Redis) AddArgs(args ...string) { r.args = append(r.args, args...) }

// Pause stops the server without closing a connection: it accepts, and does not
// answer.
func (r *Redis) Pause() {
	r.t.Helper()
	r.paused = true
	r.signal(syscall.SIGSTOP)
}

// Resume lets a paused server go on.
func (r *Redis) Resume() {
	r.t.Helper()
	r.paused = false
	r.signal(syscall.SIGCONT)
}

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.server.Process.Signal(s); err != nil {
		r.t.Fatalf("sending %v to redis-server: %v", s, err)
	}
}

func (r *Redis) start() error {
	host, port := r.hostPort()
	args := slices.Concat(r.args, []string{"--bind", host, "--port", port})
	if c := r.certificates; c != nil {
		args = slices.Concat(r.args, []string{
			"--bind", host, "--port", "0", "--tls-port", port, "--tls-auth-clients", "yes",
			"--tls-ca-cert-file", c.CAFile, "--tls-cert-file", c.serverCertFile, "--tls-key-file", c.serverKeyFile,
			"--tls-replication", "yes", "--tls-cluster", "yes",
		})
	}
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

// answers tells whether the server takes commands: that a password is needed, or
// that it is still loading, is an answer too.
func (r *Redis) answers() bool {
	_, err := r.Do("ping")
	answered := err == nil || strings.HasPrefix(err.Error(), "NOAUTH") || strings.HasPrefix(err.Error(), "LOADING")
	if !answered || r.Socket == "" {
		return answered
	}
	conn, err := net.Dial("unix", r.Socket)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func (r *Redis) hostPort() (host, port string) {
	host, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		r.t.Fatal(err)
	}
	return host, port
}

// freePort returns a port that nobody listened on a moment ago.
func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// until waits for something that servers agree on among themselves.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(startPatience)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s", startPatience, what)
		}
		<-time.After(10 * time.Millisecond)
	}
}
