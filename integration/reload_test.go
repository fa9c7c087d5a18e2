package integration

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

const reloads = 10

// TestReloadUnderTrafficFailsNoRequest reloads the gateway again and again, with
// a configuration that differs each time, while people use it.
//
// Caddy opens a listener of its own for each configuration (SO_REUSEPORT), and
// Linux drops the connections that wait at the old one when it is closed. They
// have reached nobody, Caddy without Doorward loses as many, and browsers try
// again without a word; so do the programs here. A request whose answer is lost
// after it was acted on is seen: its passcode would be used up.
func TestReloadUnderTrafficFailsNoRequest(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	configuration := func(n int) string {
		return strings.Replace(caddyfileOf(app, box, "", "servers {\n\t\ttrusted_proxies static private_ranges\n\t}"),
			"bypass /healthz", fmt.Sprintf("bypass /healthz /open%d", n), 1)
	}
	g := testbed.Start(t, testbed.Options{Caddyfile: configuration(0)})

	// What was begun before the first reload is finished after the last one.
	patient := newProgram(t, g.URL, "192.0.2.1")
	begun, err := patient.begin(t.Context(), box, "patient@example.com")
	if err != nil {
		t.Fatal(err)
	}
	careless := newProgram(t, g.URL, "192.0.2.2")
	guessed, err := careless.begin(t.Context(), box, "careless@example.com")
	if err != nil {
		t.Fatal(err)
	}
	wrong := proof{guessed.ID, "000000x"}
	for range 2 {
		if _, err := careless.want(http.StatusUnauthorized, "POST", "/doorward/passcode/login/finalize", "", wrong); err != nil {
			t.Fatal(err)
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var users sync.WaitGroup
	var served atomic.Int64
	use := func(address string, once func(p *program, i int) error) {
		p := newProgram(t, g.URL, address)
		p.insists = true
		users.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := once(p, i); err != nil && ctx.Err() == nil {
					t.Errorf("during a reload: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	member := newProgram(t, g.URL, "192.0.2.3")
	member.insists = true
	first, err := member.begin(ctx, box, "member@example.com")
	if err != nil {
		t.Fatal(err)
	}
	token, err := member.finish(first)
	if err != nil {
		t.Fatal(err)
	}
	use("198.51.100.1", func(p *program, _ int) error { return p.is("member@example.com", token) })
	use("198.51.100.2", func(p *program, _ int) error {
		_, err := p.want(http.StatusUnauthorized, "GET", "/", "", nil)
		return err
	})
	use("198.51.100.3", func(p *program, _ int) error {
		_, err := p.want(http.StatusOK, "GET", "/healthz", "", nil)
		return err
	})
	use("198.51.100.4", func(p *program, i int) error {
		p.address = fmt.Sprintf("203.0.113.%d", i%256)
		of, err := p.begin(ctx, box, fmt.Sprintf("new%d@example.com", i))
		if err != nil {
			return err
		}
		token, err := p.finish(of)
		if err != nil {
			return err
		}
		return p.is(fmt.Sprintf("new%d@example.com", i), token)
	})

	for n := 1; n <= reloads; n++ {
		before := served.Load()
		g.Configure(configuration(n))
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		if _, err := member.want(http.StatusOK, "GET", fmt.Sprintf("/open%d", n), "", nil); err != nil {
			t.Fatalf("reload %d has no effect: %v", n, err)
		}
		waitFor(t, "traffic after a reload", func() bool { return served.Load() >= before+20 || t.Failed() })
	}
	stop()
	users.Wait()

	if _, err := patient.finish(begun); err != nil {
		t.Errorf("a passcode sent before the reloads: %v", err)
	}
	if _, err := careless.want(http.StatusGone, "POST", "/doorward/passcode/login/finalize", "", wrong); err != nil {
		t.Errorf("the third wrong passcode, two of them before the reloads: %v", err)
	}
}

// TestReloadLeavesAnOpenSocketOpen needs stream_close_delay, without which
// reverse_proxy itself closes its sockets at a reload.
func TestReloadLeavesAnOpenSocketOpen(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	configuration := strings.Replace(caddyfileOf(app, box, ""),
		"reverse_proxy "+app.Addr, "reverse_proxy "+app.Addr+" {\n\t\tstream_close_delay 1m\n\t}", 1)
	g := testbed.Start(t, testbed.Options{Caddyfile: configuration})
	c := testbed.NewClient(t, g.URL)
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	socket, err := c.Dial("/socket")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := testbed.Echo(socket, fmt.Sprintf("before reload %d", n)); err != nil {
			t.Fatal(err)
		}
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		if err := testbed.Echo(socket, fmt.Sprintf("after reload %d", n)); err != nil {
			t.Fatalf("the socket did not outlive reload %d: %v", n, err)
		}
	}
}

// waitFor waits until done says so.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}
