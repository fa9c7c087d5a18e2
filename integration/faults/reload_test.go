package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// TestReloadUnderTrafficFailsNoRequest reloads a gateway again and again, with a
// configuration that differs each time, while people use it and are in the middle
// of signing in.
//
// Caddy opens a listener of its own for each configuration (SO_REUSEPORT), and
// Linux drops the connections that wait at the old one when it is closed. They
// have reached nobody, Caddy without Doorward loses as many, and browsers try
// again without a word; so do the programs here. A request whose answer is lost
// after it was acted on is seen: its passcode would be used up.
func TestReloadUnderTrafficFailsNoRequest(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { reloadAgainAndAgain(t, "") })
	t.Run("Redis and PostgreSQL", func(t *testing.T) {
		reloadAgainAndAgain(t, secrets+"store "+storetest.StartRedis(t).URL()+`
			directory `+directorytest.SharedPostgres(t).NewDatabase())
	})
}

func reloadAgainAndAgain(t *testing.T, option string) {
	s := startSite(t, 1, option)
	g := s.nodes[0]
	// Caddy leaves the connections to the app open that are in use when a
	// configuration ends. They stay for two minutes, and would be taken for ours.
	configure := func(n int) {
		t.Helper()
		g.Configure(strings.NewReplacer(
			"bypass /healthz", fmt.Sprintf("bypass /healthz /open%d", n),
			"reverse_proxy "+s.app.Addr, "reverse_proxy "+s.app.Addr+" {\n\t\ttransport http {\n\t\t\tkeepalive 1s\n\t\t}\n\t}",
		).Replace(testbed.Caddyfile(s.app, s.box, option, testbed.TrustPrograms)))
		if err := g.Load(); err != nil {
			t.Fatal(err)
		}
	}
	configure(0)
	members := s.members(t, 3)
	key := s.addKey(t, "key@example.com")
	patient := s.beginCeremonies(t, "patient@example.com", key)
	careless := s.program(t, 0)
	guessed, err := careless.Begin(t.Context(), s.box, "careless@example.com")
	if err != nil {
		t.Fatal(err)
	}
	guessed.Code = "000000x"
	for range 2 {
		if _, err := careless.Want(http.StatusUnauthorized, "POST", "/doorward/passcode/login/finalize", "", guessed); err != nil {
			t.Fatal(err)
		}
	}
	s.startTraffic(t, "warm", members).run(time.Second)
	before := s.settled(t)

	f := s.startInsistentTraffic(t, "reload", members)
	open := s.program(t, 0)
	open.Insists = true
	for n := 1; n <= *reloads; n++ {
		served := f.visits.count("200")
		halfway := s.beginCeremonies(t, fmt.Sprintf("halfway%d@example.com", n), key)
		configure(n)
		if _, err := open.Want(http.StatusOK, "GET", fmt.Sprintf("/open%d", n), "", nil); err != nil {
			t.Fatalf("reload %d has no effect: %v", n, err)
		}
		if err := halfway.finish(); err != nil {
			t.Errorf("reload %d: %v", n, err)
		}
		testbed.Eventually(t, 20*time.Second, "traffic after a reload", func() bool {
			return f.visits.count("200") >= served+10 || t.Failed()
		})
	}
	f.stop()
	if answers := f.String(); strings.Contains(answers, "503") || f.signIns.count("passkey 200") == 0 {
		t.Errorf("answers during the reloads: %s; want 200 to all, passkeys among them", answers)
	}
	if err := patient.finish(); err != nil {
		t.Errorf("begun before the first reload, and finished after the last one: %v", err)
	}
	if _, err := careless.Want(http.StatusGone, "POST", "/doorward/passcode/login/finalize", "", guessed); err != nil {
		t.Errorf("the third wrong passcode, two of them before the reloads: %v", err)
	}
	s.checkMembers(t, append(f.newcomers, members...))
	s.checkNoGrowth(t, before)
	t.Logf("%d reloads; %v", *reloads, f)
}

// Ceremonies are a passcode and a challenge that somebody has got and not sent
// back yet.
type ceremonies struct {
	p         *testbed.Program
	passcode  testbed.Proof
	assertion json.RawMessage
}

// addKey signs somebody up who has a passkey.
func (s *site) addKey(t *testing.T, address string) *authenticator.Authenticator {
	t.Helper()
	p := s.program(t, 0)
	token, err := p.SignIn(t.Context(), s.box, address)
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.AddPasskey(token)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// beginCeremonies begins one of each: one for address, and one for the owner of
// key.
func (s *site) beginCeremonies(t *testing.T, address string, key *authenticator.Authenticator) *ceremonies {
	t.Helper()
	c := &ceremonies{p: s.program(t, 0)}
	c.p.Insists = true
	var err error
	if c.passcode, err = c.p.Begin(t.Context(), s.box, address); err != nil {
		t.Fatal(err)
	}
	if c.assertion, err = c.p.Challenge(key); err != nil {
		t.Fatal(err)
	}
	return c
}

// finish finishes both.
func (c *ceremonies) finish() error {
	if _, err := c.p.Finish(c.passcode); err != nil {
		return fmt.Errorf("a passcode that was sent before: %w", err)
	}
	a, err := c.p.FinalizePasskey(c.assertion)
	if err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("a challenge that was handed out before: status %d, %v: %s", a.Status, err, a.Body)
	}
	return nil
}

// TestReloadLeavesAnOpenSocketOpen needs stream_close_delay, without which
// reverse_proxy itself closes its sockets at a reload.
func TestReloadLeavesAnOpenSocketOpen(t *testing.T) {
	s := startSite(t, 1, "")
	g := s.nodes[0]
	g.Configure(strings.Replace(testbed.Caddyfile(s.app, s.box, ""),
		"reverse_proxy "+s.app.Addr, "reverse_proxy "+s.app.Addr+" {\n\t\tstream_close_delay 1m\n\t}", 1))
	if err := g.Load(); err != nil {
		t.Fatal(err)
	}
	c := testbed.NewClient(t, g.URL)
	if _, err := c.SignIn(s.box, "ann@example.com", "/"); err != nil {
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
