package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/bench/processor"
)

// settling is how long a client is at work before what it causes is measured: its
// connections are made then.
const settling = 200 * time.Millisecond

// atRest is a turn in which nothing is asked of the gateway. With many sessions, what it
// does for them goes on for a minute after they were used, whatever is under load
// meanwhile: it is the guarded requests' doing and is taken off the unguarded ones.
const atRest = "at rest"

// A turn is one set-up under load, once. Requests and CPU are of the same stretch of
// time, which begins when the client has settled.
type turn struct {
	SetUp    string
	Round    int
	Lasted   time.Duration // how long the stretch was
	Requests int64         // that the app counted
	CPU      time.Duration // of the gateway
	AuthCPU  time.Duration // of the server that forward_auth asks
	Outcome  outcome       // of the whole turn
}

// each returns the gateway's processor time for one request.
func (m turn) each() time.Duration { return m.CPU / time.Duration(m.Requests) }

// A series is what set-ups did under one load.
type series struct {
	Load     string
	Protocol protocol
	Sessions int
	Order    string
	Goal     float64
	SetUps   []string
	Turns    []turn
}

// run lets each set-up have its turn in each round, in an order that is drawn.
func (l *load) run(t *testing.T, rounds int, during time.Duration) *series {
	t.Helper()
	s := &series{
		Load: l.name, Protocol: l.protocol, Sessions: l.sessions, Order: l.inOrder, Goal: l.goal, SetUps: l.setUps,
	}
	for round := range rounds {
		order := slices.Clone(l.setUps)
		if l.sessions > 1 {
			order = append(order, atRest)
		}
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		seed := rand.Uint64()
		for _, setUp := range order {
			var m turn
			if setUp == atRest {
				m = l.rest(t, during)
			} else {
				m = l.turn(t, setUp, seed, during)
			}
			m.Round = round
			s.Turns = append(s.Turns, m)
		}
	}
	return s
}

// rest lets the gateway be.
func (l *load) rest(t *testing.T, during time.Duration) turn {
	t.Helper()
	began, from := time.Now(), processor.OfProcess(t, l.gateway.Pid())
	<-time.After(during)
	return turn{SetUp: atRest, Lasted: time.Since(began), CPU: processor.OfProcess(t, l.gateway.Pid()) - from}
}

// A reading is what is accounted to processes at one moment.
type reading struct {
	at              time.Time
	counts          counts
	gateway, server time.Duration
	ticks           time.Duration // of the gateway, by the coarser account
}

func (l *load) read(t *testing.T, setUp string) reading {
	t.Helper()
	pid := l.pid(setUp)
	var r reading
	// Asking for the counts takes a moment, which is halved.
	before := processor.OfProcess(t, pid)
	r.at = time.Now()
	r.counts = l.app.counted(t, setUp)
	after := processor.OfProcess(t, pid)
	r.gateway = before + (after-before)/2
	r.ticks = processor.Accounted(t, pid)
	if setUp == forwardAuth {
		r.server = processor.OfProcess(t, l.auth.pid)
	}
	return r
}

// pid returns the process whose time a set-up takes.
func (l *load) pid(setUp string) int {
	if setUp == stock {
		return l.stock.Pid()
	}
	return l.gateway.Pid()
}

// turn puts a set-up under load. It fails the test if any request was not answered
// with 200 by the app, which says what it costs to be refused.
func (l *load) turn(t *testing.T, setUp string, seed uint64, during time.Duration) turn {
	t.Helper()
	before := l.app.counted(t, setUp)
	client := l.begin(t, setUp, seed, during)
	<-time.After(settling)
	from := l.read(t, setUp)
	seen := client.wait()
	to := l.read(t, setUp)
	m := turn{
		SetUp: setUp, Lasted: to.at.Sub(from.at), Requests: to.counts.Requests - from.counts.Requests,
		CPU: to.gateway - from.gateway, AuthCPU: to.server - from.server, Outcome: seen,
	}
	l.checkAnswers(t, setUp, seen, to.counts.since(before))
	checkAccounts(t, m.CPU, to.ticks-from.ticks)
	return m
}
