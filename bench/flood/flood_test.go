// Package flood measures what strangers can fill a gateway with: its heap, its
// memory as the system counts it, the sockets and goroutines it holds, and its
// store. It measures the real thing: gateway processes that are asked over HTTP,
// on embedded state and on Redis, by many connections at once.
//
// A flood is sent in parts, and what the gateway holds is looked at in between.
// Whatever grows with the number of requests shows, however little each leaves. What
// a flood may leave in the store is held to a number of bytes, and to a time.
//
// In the ordinary tests the floods are small, and large enough for a token that
// is kept of each request to be noticed. The flags make them large, and
// print tables:
//
//	go test ./bench/flood -timeout 0 -v -args -requests 50000 -connections 256 -sessions 500000 -table
package flood

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

var (
	requests    = flag.Int("requests", 400, "requests of each flood")
	connections = flag.Int("connections", 32, "connections that a flood comes by")
	used        = flag.Int("sessions", 400, "sessions that are used at each gateway, one after the other")
	table       = flag.Bool("table", false, "print tables")
)

const (
	// parts is how often what a gateway holds is looked at.
	parts = 4

	// slack is by how much a heap differs from one look to the next with nothing
	// left behind: pools, buffers, what the runtime keeps for itself.
	slack = 256 << 10

	// rest is by how much a store differs so: tables that double, a log on disk.
	rest = 512 << 10

	// trace is how many bytes of heap a request may leave. It is less than the
	// shortest thing that could be kept by name: a key, and what it leads to.
	trace = 64
)

// eachStore runs a test with a gateway for each kind of store.
func eachStore(t *testing.T, more string, test func(*testing.T, *node)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, newNode(t, nil, more)) })
	t.Run("redis", func(t *testing.T) { test(t, newNode(t, storetest.StartRedis(t), more)) })
}

// A look is what a gateway held at some time.
type look struct {
	sent   int   // requests, since the flood began
	heap   int64 // bytes, without garbage
	vitals testbed.Vitals
	store  int64 // bytes of the store
	keys   int64 // in the store, where it can tell; or 0
}

// holdsNoMore fails the test if the heap, the goroutines or the descriptors grew
// with a flood.
func holdsNoMore(t *testing.T, looks []look) {
	t.Helper()
	first, last := looks[0], looks[len(looks)-1]
	n := int64(last.sent - first.sent)
	if grown := last.heap - first.heap; grown > slack+trace*n {
		t.Errorf("after %d requests the heap has %d bytes more, want %d at most: %d for each", n, grown, slack+trace*n, grown/n)
	}
	const few = 16 // connections to a store, of the tests' own to the admin endpoint
	if got, want := last.vitals.Goroutines, first.vitals.Goroutines+few; got > want {
		t.Errorf("after %d requests there are %d goroutines, want %d at most", n, got, want)
	}
	if got, want := last.vitals.Descriptors, first.vitals.Descriptors+few; got > want {
		t.Errorf("after %d requests there are %d descriptors, want %d at most", n, got, want)
	}
}

// keepsNothing fails the test if a flood left something in the store.
func keepsNothing(t *testing.T, looks []look) {
	t.Helper()
	first, last := looks[0], looks[len(looks)-1]
	if last.store > first.store+rest || last.keys > first.keys {
		t.Errorf("after %d requests the store has %d bytes and %d keys, before %d and %d, want no more",
			last.sent-first.sent, last.store, last.keys, first.store, first.keys)
	}
}

// A left is what a request leaves in the store at most.
type left struct{ bytes, keys float64 }

// keeps fails the test if the requests of a flood left more in the store than most
// each.
func keeps(t *testing.T, looks []look, most left) {
	t.Helper()
	first, last := looks[0], looks[len(looks)-1]
	n := float64(last.sent - first.sent)
	got := left{float64(last.store-first.store) / n, float64(last.keys-first.keys) / n}
	t.Logf("each request leaves %.0f bytes and %.2f keys in the store", got.bytes, got.keys)
	if got.bytes > most.bytes+rest/n || got.keys > most.keys {
		t.Errorf("each request leaves %.0f bytes and %.2f keys in the store, want %.0f and %.0f at most",
			got.bytes, got.keys, most.bytes, most.keys)
	}
}

// show prints what was seen.
func show(t *testing.T, looks []look) {
	t.Helper()
	if !*table {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n", t.Name())
	b.WriteString("| requests | heap, MB | resident, MB | goroutines | store, MB | keys |\n| ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, l := range looks {
		fmt.Fprintf(&b, "| %d | %.1f | %.0f | %d | %.2f | %d |\n", l.sent, float64(l.heap)/1e6,
			float64(l.vitals.Resident)/1e6, l.vitals.Goroutines, float64(l.store)/1e6, l.keys)
	}
	fmt.Print(b.String())
}
