// Package faults breaks what a gateway stands on, while people use it, and counts
// what they were answered: Redis, PostgreSQL, the disk, the clock, the network
// between nodes, the gateway's own process. The servers and the gateways are real
// processes.
//
// The faults are short here. The flags make them longer; scripts/faults sets them.
package faults

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

var (
	rounds  = flag.Int("rounds", 6, "how often a node is killed")
	reloads = flag.Int("reloads", 50, "how often a gateway is reloaded")
	outage  = flag.Duration("outage", 4*time.Second, "how long a server is away")
)

// secrets is what all nodes of a site have in common in their configuration.
const secrets = "secret 5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo\n"

// A site is one site, on one gateway or on several.
type site struct {
	app   *testbed.App
	box   *mailtest.Mailbox
	nodes []*testbed.Gateway
}

// startSite starts a site on n nodes at once. All have one port, each at an
// address of its own, as behind a balancer. option is what they have in the
// global option doorward, in which $DIR is a node's own directory.
func startSite(t *testing.T, n int, option string) *site {
	t.Helper()
	s := prepareSite(t, n, option)
	s.start(t)
	return s
}

// prepareSite is startSite for nodes that are not started yet.
func prepareSite(t *testing.T, n int, option string) *site {
	t.Helper()
	s := &site{app: testbed.StartApp(t), box: mailtest.Start(t, mailtest.Options{})}
	port := testbed.FreePort(t)
	for i := range n {
		s.nodes = append(s.nodes, testbed.Prepare(t, testbed.Options{
			Port: port, Host: fmt.Sprintf("127.0.0.%d", i+1),
			Caddyfile: testbed.Caddyfile(s.app, s.box, option, testbed.TrustPrograms),
		}))
	}
	t.Cleanup(func() { // before each stops by itself, one after the other
		var stopping sync.WaitGroup
		for _, g := range s.nodes {
			stopping.Go(g.Stop)
		}
		stopping.Wait()
	})
	return s
}

// start starts all nodes at once.
func (s *site) start(t *testing.T) {
	t.Helper()
	failures := make([]error, len(s.nodes))
	var starting sync.WaitGroup
	for i, g := range s.nodes {
		starting.Go(func() { failures[i] = g.Start() })
	}
	starting.Wait()
	for i, err := range failures {
		if err != nil {
			t.Fatalf("starting node %d: %v\n%s", i, err, s.nodes[i].Log())
		}
	}
}

// networks counts the client networks that were given out.
var networks atomic.Uint32

// program returns a program of a network of its own, which talks to node i.
func (s *site) program(t *testing.T, i int) *testbed.Program {
	t.Helper()
	return testbed.NewProgram(t, s.nodes[i], network())
}

// network returns a client network that has spent no budget.
func network() string {
	n := networks.Add(1)
	return fmt.Sprintf("198.%d.%d.%d", 18+n>>16&1, n>>8&0xff, n&0xff)
}

// A member of a site is signed in.
type member struct {
	address, token string
	passkey        *authenticator.Authenticator // nil for most
}

// members signs n people up, by turns on each node.
func (s *site) members(t *testing.T, n int) []member {
	t.Helper()
	var all []member
	for i := range n {
		m := member{address: fmt.Sprintf("member%d@example.com", i)}
		var err error
		if m.token, err = s.program(t, i%len(s.nodes)).SignIn(t.Context(), s.box, m.address); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// checkMembers checks that all are signed in still, on every node.
func (s *site) checkMembers(t *testing.T, all []member) {
	t.Helper()
	for i := range s.nodes {
		p := s.program(t, i)
		for _, m := range all {
			if err := p.Is(m.address, m.token); err != nil {
				t.Errorf("node %d: %s is not signed in any more: %v", i, m.address, err)
			}
		}
	}
}

// A tally counts what happened, by name.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	c.counts[what]++
}

func (c *tally) count(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[what]
}

// String implements fmt.Stringer.
func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, c.counts[what]))
	}
	return strings.Join(parts, ", ")
}
