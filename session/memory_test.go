package session_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/doorward/doorward/session"
)

// What a node keeps of a session that is in use is bounded by its number, and each takes
// little: that is memory, and work for the collector, which looks at each object.
func TestKeptSessionTakesLittleMemory(t *testing.T) {
	const (
		sessions = 1000
		bytes    = 860 // of a visitor and their entry in the cache
		objects  = 6
		text     = 800 // of their assertion
	)
	h := newEmbeddedHouse(t)
	n := h.node()
	tokens := make([]string, sessions)
	for i := range tokens {
		subject := fmt.Sprintf("01234567-89ab-cdef-0123-4567890%05d", i)
		h.people.set(session.Identity{
			Subject: subject, Email: fmt.Sprintf("somebody.%d@example.com", i), EmailVerified: true,
			Name: fmt.Sprintf("Somebody %d", i), Groups: []string{"admins", "staff"},
		})
		_, tokens[i] = n.begin(subject)
	}
	n.wantOK("warm", tokens[0])
	visitors := make([]*session.Visitor, sessions)

	before := heap()
	for i, token := range tokens {
		visitors[i] = n.wantOK("first request", token)
	}
	checked := heap()
	for _, v := range visitors {
		n.assertion(v)
	}
	introduced := heap()
	runtime.KeepAlive(tokens)

	t.Logf("a session takes %d bytes in %d objects, its assertion %d in %d more",
		(checked.HeapAlloc-before.HeapAlloc)/sessions, (checked.HeapObjects-before.HeapObjects)/sessions,
		(introduced.HeapAlloc-checked.HeapAlloc)/sessions, (introduced.HeapObjects-checked.HeapObjects)/sessions)
	if got := checked.HeapAlloc - before.HeapAlloc; got > sessions*bytes {
		t.Errorf("a session takes %d bytes, want %d at most", got/sessions, bytes)
	}
	if got := checked.HeapObjects - before.HeapObjects; got > sessions*objects {
		t.Errorf("a session takes %d objects, want %d at most", got/sessions, objects)
	}
	if got := introduced.HeapAlloc - checked.HeapAlloc; got > sessions*text {
		t.Errorf("an assertion takes %d bytes, want %d at most", got/sessions, text)
	}
}

// heap returns what is in use when all garbage is gone.
func heap() (m runtime.MemStats) {
	for range 2 { // what is pooled goes with the second collection
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m
}
