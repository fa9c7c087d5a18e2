package bench

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// forever is longer than a client is let run.
const forever = time.Hour

// alternate measures as run does, in turns of so many requests, which are a fraction
// of a second: a client for each set-up runs all the time, and all but one are paused.
// What else happens on a busy machine then hits all set-ups of a round alike. There
// are no rates and no latencies, which the pauses would be part of.
func (l *load) alternate(t *testing.T, rounds int, requests int64) *series {
	t.Helper()
	s := &series{Load: l.name, Protocol: l.protocol, Sessions: l.sessions, Order: l.inOrder, Goal: l.goal, SetUps: l.setUps}
	clients, before := make(map[string]*client), make(map[string]counts)
	for _, setUp := range l.setUps {
		before[setUp] = l.app.counted(t, setUp)
		clients[setUp] = l.begin(t, setUp, 0, forever)
		clients[setUp].signal(syscall.SIGSTOP)
	}
	for round := range rounds {
		order := slices.Clone(l.setUps)
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, setUp := range order {
			from := l.readQuiet(t, setUp)
			clients[setUp].signal(syscall.SIGCONT)
			testbed.Eventually(t, time.Minute, "the requests of a turn", func() bool {
				return l.app.counted(t, setUp).since(from.counts).Requests >= requests
			})
			clients[setUp].signal(syscall.SIGSTOP)
			to := l.readQuiet(t, setUp)
			s.Turns = append(s.Turns, turn{
				SetUp: setUp, Round: round, Requests: to.counts.since(from.counts).Requests, CPU: to.gateway - from.gateway,
			})
		}
	}
	for _, setUp := range l.setUps {
		clients[setUp].signal(syscall.SIGCONT)
		l.checkAnswers(t, setUp, clients[setUp].stop(), l.app.counted(t, setUp).since(before[setUp]))
	}
	return s
}

// readQuiet reads when the app has been asked all that was under way.
func (l *load) readQuiet(t *testing.T, setUp string) reading {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		counted := l.app.counted(t, setUp)
		<-tick.C
		if r := l.read(t, setUp); r.counts == counted {
			return r
		}
	}
}
