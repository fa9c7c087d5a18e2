package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// An outcome is what a client saw.
type outcome struct {
	Answers int64 // of any kind
	Refused int64 // answers other than a success
	Broken  int64 // connections and answers that were never whole
	Took    time.Duration
	P50     time.Duration
	P99     time.Duration
}

// A client is a process that has a set-up under load.
type client struct {
	t       *testing.T
	name    string
	command *exec.Cmd
	output  string // path of what it prints
	exited  chan error
	read    func(output []byte) (outcome, error)
}

// begin puts a set-up under load for a while, and waits until the app has been asked.
// Where sessions differ, the seed says with which the client begins.
func (l *load) begin(t *testing.T, setUp string, seed uint64, during time.Duration) *client {
	t.Helper()
	c := &client{t: t, name: l.name + ", " + setUp, output: filepath.Join(l.dir, "client of "+setUp), exited: make(chan error, 1)}
	if l.protocol == http2TLS {
		c.command, c.read = l.h2load(t, setUp, during)
	} else {
		c.command, c.read = l.wrk(t, setUp, seed, during)
	}
	output, err := os.Create(c.output)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	c.command.Stdout, c.command.Stderr = output, output
	before := l.app.counted(t, setUp)
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.exited <- c.command.Wait() }()
	testbed.Eventually(t, time.Minute, "the first request", func() bool {
		return l.app.counted(t, setUp).Requests > before.Requests || len(c.exited) > 0
	})
	return c
}

// signal pauses the client, or lets it go on.
func (c *client) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.command.Process.Signal(s); err != nil {
		c.t.Fatalf("%s: sending %v to the client: %v", c.name, s, err)
	}
}

// stop ends the client before its time. wrk sleeps until it hears of it, and does not
// hear it if another of its threads takes the signal.
func (c *client) stop() outcome {
	c.t.Helper()
	testbed.Eventually(c.t, time.Minute, "the end of a client", func() bool {
		_ = c.command.Process.Signal(syscall.SIGINT) // it may just have ended
		return len(c.exited) > 0
	})
	return c.wait()
}

// wait returns what the client saw when it has ended.
func (c *client) wait() outcome {
	c.t.Helper()
	err := <-c.exited
	output, readErr := os.ReadFile(c.output)
	if err != nil || readErr != nil {
		c.t.Fatalf("%s: the client: %v, %v\n%s", c.name, err, readErr, output)
	}
	o, err := c.read(output)
	if err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
	return o
}
