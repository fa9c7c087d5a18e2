package faults

import (
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// run lets traffic go on for a while, and then stops it.
func (f *traffic) run(for_ time.Duration) {
	<-time.After(for_)
	f.stop()
}

// vitals measures all nodes.
func (s *site) vitals() []testbed.Vitals {
	var all []testbed.Vitals
	for _, g := range s.nodes {
		all = append(all, g.Vitals())
	}
	return all
}

// settled measures all nodes when nobody has used them for a moment, and what
// they had begun is over: when no node has fewer goroutines than a second ago.
func (s *site) settled(t *testing.T) []testbed.Vitals {
	t.Helper()
	last := s.vitals()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		<-time.After(time.Second)
		now, fewer := s.vitals(), false
		for i := range now {
			fewer = fewer || now[i].Goroutines < last[i].Goroutines || now[i].Descriptors < last[i].Descriptors
		}
		last = now
		if !fewer {
			break
		}
	}
	return last
}

// checkNoGrowth checks that no node has more goroutines, descriptors or memory
// than before: but for the few that are there or not at any moment, and for
// memory that the runtime has not given back yet.
func (s *site) checkNoGrowth(t *testing.T, before []testbed.Vitals) {
	t.Helper()
	after := s.settled(t)
	for i := range after {
		t.Logf("node %d: %v before, %v after", i, before[i], after[i])
		if after[i].Goroutines > before[i].Goroutines+20 {
			t.Errorf("node %d has %d goroutines, and had %d\n%s", i, after[i].Goroutines, before[i].Goroutines, s.nodes[i].Goroutines())
		}
		if after[i].Descriptors > before[i].Descriptors+20 {
			t.Errorf("node %d has %d open files and sockets, and had %d", i, after[i].Descriptors, before[i].Descriptors)
		}
		if after[i].Resident > before[i].Resident*3/2+64<<20 {
			t.Errorf("node %d takes %d MiB of memory, and took %d", i, after[i].Resident>>20, before[i].Resident>>20)
		}
	}
}
