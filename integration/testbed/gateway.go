package testbed

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Gateway is a gateway process with a data directory of its own. It can be
// killed and started again.
type Gateway struct {
	Dir       string // holds the Caddyfile and, below it, all state
	Port      int
	URL       string // http://localhost:port, or https
	Addr      string // host:port where it listens
	AdminAddr string

	t       testing.TB
	file    string
	binary  string
	host    string
	env     []string
	quiet   bool
	letters bool // the log may have letters in it
	command *exec.Cmd
	exited  chan struct{}
	log     *Log
}

// Options says what to start. In Caddyfile, $PORT stands for a free port, $HOST
// for the address to listen at, and $DIR for the gateway's directory; the admin
// option is added to it, and all that Caddy can log is switched on.
type Options struct {
	Caddyfile string
	File      string   // instead of Caddyfile: a path, of a file to run as it is
	Dir       string   // default: a new one
	Port      int      // default: a free one
	Host      string   // of the loopback interface; default: localhost. Nodes of one site share the port
	Binary    string   // default: [Binary]
	HTTPS     bool     // URL is https
	Env       []string // beside the process's own
	Quiet     bool     // logs as little as a gateway does by default: for what measures it
}

// Start starts a gateway, waits until it answers, and stops it when the test
// ends. A data race in it, a panic, or a secret in its log fails the test.
func Start(t testing.TB, o Options) *Gateway {
	t.Helper()
	g := Prepare(t, o)
	if err := g.Start(); err != nil {
		t.Fatalf("starting the gateway: %v\n%s", err, g.Log())
	}
	return g
}

// Prepare makes a gateway that has not been started.
func Prepare(t testing.TB, o Options) *Gateway {
	t.Helper()
	g := &Gateway{Dir: o.Dir, Port: o.Port, t: t, env: o.Env, binary: o.Binary, quiet: o.Quiet, log: &Log{}}
	if g.Dir == "" {
		g.Dir = t.TempDir()
	}
	if g.Port == 0 {
		g.Port = FreePort(t)
	}
	if g.host = o.Host; g.host == "" {
		g.host = "localhost"
	}
	if g.binary == "" {
		g.binary = Binary(t)
	}
	g.Addr = net.JoinHostPort(g.host, fmt.Sprint(g.Port))
	g.URL = fmt.Sprintf("http://localhost:%d", g.Port)
	if o.HTTPS {
		g.URL = fmt.Sprintf("https://localhost:%d", g.Port)
	}
	g.AdminAddr = fmt.Sprintf("localhost:%d", FreePort(t))
	if g.file = o.File; g.file == "" {
		g.Configure(o.Caddyfile)
	} else if content, err := os.ReadFile(g.file); err != nil {
		t.Fatal(err)
	} else {
		g.configured(string(content))
	}
	t.Cleanup(func() {
		g.Stop()
		g.examine()
	})
	return g
}

// Configure writes another Caddyfile, for the next start or reload.
func (g *Gateway) Configure(caddyfile string) {
	g.t.Helper()
	if g.file != "" {
		g.t.Fatalf("%s is to be run as it is", g.file)
	}
	global := "{\n\tadmin " + g.AdminAddr + "\n\tskip_install_trust\n"
	if body, ok := strings.CutPrefix(strings.TrimSpace(caddyfile), "{\n"); ok {
		caddyfile = global + body
	} else {
		caddyfile = global + "}\n" + caddyfile
	}
	caddyfile = strings.NewReplacer("$PORT", fmt.Sprint(g.Port), "$HOST", g.host, "$DIR", g.Dir).Replace(caddyfile)
	if !g.quiet {
		caddyfile = talkative(caddyfile)
	}
	g.configured(caddyfile)
	if err := os.WriteFile(g.caddyfile(), []byte(caddyfile+"\n"), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g *Gateway) caddyfile() string {
	if g.file != "" {
		return g.file
	}
	return filepath.Join(g.Dir, "Caddyfile")
}

// Command returns a command of the gateway's program in its environment, in
// which the gateway's admin endpoint is the default one.
func (g *Gateway) Command(args ...string) *exec.Cmd {
	command := exec.Command(g.binary, args...)
	command.Dir = g.Dir
	command.Env = append(os.Environ(),
		"XDG_DATA_HOME="+filepath.Join(g.Dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(g.Dir, "config"), "HOME="+g.Dir,
		"CADDY_ADMIN="+g.AdminAddr)
	command.Env = append(command.Env, g.env...)
	return command
}

// Run runs a sub-command against the running gateway, and returns its output.
func (g *Gateway) Run(args ...string) (string, error) {
	args = append(args, "--address", g.AdminAddr)
	output, err := g.Command(args...).CombinedOutput()
	return string(output), err
}

// Start starts the process and waits until it answers.
func (g *Gateway) Start() error {
	g.command = g.Command("run", "--config", g.caddyfile(), "--adapter", "caddyfile")
	g.command.Stdout, g.command.Stderr = g.log, g.log
	if err := g.command.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	g.exited = exited
	go func(c *exec.Cmd) {
		_ = c.Wait()
		close(exited)
	}(g.command)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		response, err := http.Get("http://" + g.AdminAddr + "/config/")
		if err == nil {
			content, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode == http.StatusOK && len(bytes.TrimSpace(content)) > len("null") && g.hasCertificate() {
				return nil
			}
		}
		select {
		case <-exited:
			return fmt.Errorf("the gateway exited")
		case <-ctx.Done():
			return fmt.Errorf("the gateway does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// hasCertificate reports whether the gateway can be talked to with TLS, if it
// shall be: it makes its certificate after it has started.
func (g *Gateway) hasCertificate() bool {
	address, secure := strings.CutPrefix(g.URL, "https://")
	if !secure {
		return true
	}
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// Reload makes the running gateway take the Caddyfile as it is now.
func (g *Gateway) Reload() error {
	output, err := g.Command("reload", "--config", g.caddyfile(), "--adapter", "caddyfile", "--address", g.AdminAddr, "--force").CombinedOutput()
	if err != nil {
		return fmt.Errorf("reloading: %w\n%s", err, output)
	}
	return nil
}

// Load is Reload without a process of its own.
func (g *Gateway) Load() error {
	content, err := os.ReadFile(g.caddyfile())
	if err != nil {
		return err
	}
	request, err := http.NewRequest("POST", "http://"+g.AdminAddr+"/load", bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/caddyfile")
	request.Header.Set("Cache-Control", "must-revalidate") // also what has not changed
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("reloading: %w", err)
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("reloading: status %d, %v\n%s", response.StatusCode, err, answer)
	}
	return nil
}

// Kill ends the process as kill -9 does.
func (g *Gateway) Kill() { g.end(syscall.SIGKILL) }

// Stop ends the process as an operator does. It does nothing if the process has
// ended.
func (g *Gateway) Stop() { g.end(syscall.SIGTERM) }

// Pause stops the process without ending it, and Resume lets it go on: a machine
// that was suspended, or had no time for it.
func (g *Gateway) Pause() { g.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (g *Gateway) Resume() { g.signal(syscall.SIGCONT) }

func (g *Gateway) signal(signal syscall.Signal) {
	g.t.Helper()
	if err := g.command.Process.Signal(signal); err != nil {
		g.t.Fatalf("sending %v to the gateway: %v", signal, err)
	}
}

func (g *Gateway) end(signal syscall.Signal) {
	if g.command == nil {
		return
	}
	_ = g.command.Process.Signal(signal)
	_ = g.command.Process.Signal(syscall.SIGCONT) // one that is paused hears nothing
	select {
	case <-g.exited:
	case <-time.After(30 * time.Second):
		_ = g.command.Process.Kill()
		<-g.exited
		g.t.Errorf("the gateway did not stop on %v", signal)
	}
	g.command = nil
}

// Pid returns the process ID of the running gateway.
func (g *Gateway) Pid() int { return g.command.Process.Pid }

// Log returns what the gateway has logged since it was prepared.
func (g *Gateway) Log() string { return g.log.String() }

// A Log is a buffer that may be read while it is written to.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
