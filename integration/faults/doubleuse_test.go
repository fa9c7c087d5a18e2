package faults

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// doubleUse is people who try to use twice what may be used once.
type doubleUse struct {
	site  *site
	pairs tally // of answers to the two who finalized at the same time
	stop  func()

	mu   sync.Mutex
	uses []*use
	done [2][2]int // successes by kind and node that it was begun on
}

// A use is what was done with one passcode or challenge.
type use struct {
	what      string
	finalize  func(p *testbed.Program) (testbed.Answer, error)
	successes atomic.Int32
}

const doubleUsers = 3 // of each kind on each node

func (s *site) startDoubleUse(t *testing.T) *doubleUse {
	t.Helper()
	d := &doubleUse{site: s}
	ended := make(chan struct{})
	var workers sync.WaitGroup
	d.stop = sync.OnceFunc(func() {
		close(ended)
		workers.Wait()
	})
	t.Cleanup(d.stop)
	for node := range s.nodes {
		for user := range doubleUsers {
			for kind, begin := range s.kinds(t, node, fmt.Sprintf("user%d", user)) {
				both := d.both(t)
				workers.Go(func() {
					for {
						select {
						case <-ended:
							return
						case <-time.After(pace):
						}
						// What cannot be begun, cannot be used twice.
						if u := begin(); u != nil && d.useTwice(u, both) {
							d.mu.Lock()
							d.done[kind][node]++
							d.mu.Unlock()
						}
					}
				})
			}
		}
	}
	return d
}

// both returns programs that talk to one node each.
func (d *doubleUse) both(t *testing.T) [2]*testbed.Program {
	t.Helper()
	return [2]*testbed.Program{d.site.program(t, 0), d.site.program(t, 1)}
}

// kinds returns how somebody new begins a ceremony of each kind on a node. The
// functions return nil where that fails.
func (s *site) kinds(t *testing.T, node int, name string) [2]func() *use {
	t.Helper()
	name = fmt.Sprintf("%s-%d", name, node)
	asks, signsIn := s.program(t, node), s.program(t, node)
	token, err := signsIn.SignIn(t.Context(), s.box, name+"@example.com")
	if err != nil {
		t.Fatal(err)
	}
	key, err := signsIn.AddPasskey(token)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	return [2]func() *use{
		func() *use {
			asks.From = network()
			asked++
			proof, err := asks.Begin(t.Context(), s.box, fmt.Sprintf("%s-%d@example.com", name, asked))
			if err != nil {
				return nil
			}
			return &use{what: "passcode", finalize: func(p *testbed.Program) (testbed.Answer, error) { return p.Finalize(proof) }}
		},
		func() *use {
			assertion, err := signsIn.Challenge(key)
			if err != nil {
				return nil
			}
			return &use{what: "challenge", finalize: func(p *testbed.Program) (testbed.Answer, error) { return p.FinalizePasskey(assertion) }}
		},
	}
}

// hold begins a few ceremonies of each kind on each node.
func (d *doubleUse) hold(t *testing.T) (held []*use) {
	t.Helper()
	for node := range d.site.nodes {
		for _, begin := range d.site.kinds(t, node, "holder") {
			for range 5 {
				u := begin()
				if u == nil {
					t.Fatal("a ceremony cannot be begun")
				}
				held = append(held, u)
			}
		}
	}
	return held
}

// useHeld uses all of them, each twice, at the same time.
func (d *doubleUse) useHeld(t *testing.T, held []*use) {
	t.Helper()
	var using sync.WaitGroup
	for _, u := range held {
		both := d.both(t)
		using.Go(func() { d.useTwice(u, both) })
	}
	using.Wait()
}

// useTwice finalizes on both nodes at the same time, and reports whether that
// succeeded anywhere.
func (d *doubleUse) useTwice(u *use, both [2]*testbed.Program) bool {
	d.mu.Lock()
	d.uses = append(d.uses, u)
	d.mu.Unlock()
	statuses := make([]string, len(both))
	var racing sync.WaitGroup
	for i, p := range both {
		racing.Go(func() {
			p.From = network()
			a, err := u.finalize(p)
			if a.Status == http.StatusOK {
				u.successes.Add(1)
			}
			statuses[i] = outcome(a, err)
		})
	}
	racing.Wait()
	if statuses[1] < statuses[0] {
		statuses[0], statuses[1] = statuses[1], statuses[0]
	}
	d.pairs.add(u.what + " " + strings.Join(statuses, "+"))
	return u.successes.Load() > 0
}

// goOn returns a function that reports whether sign-ins of both kinds, begun on
// both nodes, have succeeded since.
func (d *doubleUse) goOn() func() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.done
	return func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		for kind := range d.done {
			for node := range d.done[kind] {
				if d.done[kind][node] < before[kind][node]+3 {
					return false
				}
			}
		}
		return true
	}
}

// replay finalizes everything once more: also what one node has taken from a
// server that has forgotten it.
func (d *doubleUse) replay(t *testing.T) {
	t.Helper()
	p := d.site.program(t, 0)
	for _, u := range d.uses {
		p.From = network()
		a, err := u.finalize(p)
		if err != nil {
			t.Fatal(err)
		}
		if a.Status == http.StatusOK {
			u.successes.Add(1)
		}
		d.pairs.add("once more " + outcome(a, err))
	}
}

// check counts what was used once and what never, and checks that nothing was
// used twice.
func (d *doubleUse) check(t *testing.T) (once, never int) {
	t.Helper()
	for _, u := range d.uses {
		switch u.successes.Load() {
		case 0:
			never++
		case 1:
			once++
		default:
			t.Errorf("a %s was used %d times", u.what, u.successes.Load())
		}
	}
	return once, never
}
