package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// TestKill9LosesNothingThatWasAnswered kills a node at random moments while people
// sign up, add passkeys and sign in with them, and starts it again.
func TestKill9LosesNothingThatWasAnswered(t *testing.T) {
	t.Run("one node on SQLite", func(t *testing.T) { killAgainAndAgain(t, startSite(t, 1, "")) })
	t.Run("two nodes on PostgreSQL", func(t *testing.T) {
		killAgainAndAgain(t, startSite(t, 2, secrets+"store "+storetest.StartRedis(t).URL()+`
			directory `+directorytest.StartPostgres(t).URL()))
	})
}

// killWorkers is how many people at a time sign up on each node.
const killWorkers = 3

func killAgainAndAgain(t *testing.T, s *site) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	book := &ledger{}
	for round := range *rounds {
		victim, other := random.IntN(len(s.nodes)), round%len(s.nodes)
		// Somebody has been sent a passcode, and is looking for it in their mail.
		address := fmt.Sprintf("late%d@example.com", round)
		pending, err := s.program(t, victim).Begin(t.Context(), s.box, address)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for node := range s.nodes {
			for worker := range killWorkers {
				p := s.program(t, node)
				workers.Go(func() { book.signUpUntilKilled(ctx, p, s, fmt.Sprintf("r%dn%dw%d", round, node, worker)) })
			}
		}
		// A few answers later, and then at any moment of what is under way.
		enough := book.answers.Load() + 1 + random.Int64N(8)
		testbed.Eventually(t, time.Minute, "answers", func() bool { return book.answers.Load() >= enough })
		<-time.After(time.Duration(random.Int64N(int64(30 * time.Millisecond))))
		s.nodes[victim].Kill()
		cancel()
		workers.Wait()
		if err := s.nodes[victim].Start(); err != nil {
			t.Fatalf("round %d: starting again: %v", round, err)
		}

		token, err := s.program(t, other).Finish(pending)
		if err != nil {
			t.Errorf("round %d: a passcode sent before the kill: %v", round, err)
		}
		book.add(&signedUp{member{address: address, token: token}, pending})
		book.checkLatest(t, s, round)
	}
	book.checkAll(t, s)
	if book.passkeys == 0 {
		t.Error("no passkey was answered for in all the rounds: that proves nothing of them")
	}
	t.Logf("killed %d times: %d sign-ups, %d passkeys and %d sign-ins with them were answered, and all are there",
		*rounds, len(book.people), book.passkeys, book.signIns.Load())
}

// A ledger is what the site has answered, and so must know for ever after.
type ledger struct {
	answers atomic.Int64 // sign-ups and passkeys
	signIns atomic.Int64 // with passkeys

	mu       sync.Mutex
	people   []*signedUp
	checked  int // of people
	passkeys int // that were checked
}

// signedUp is somebody whose sign-up was answered with success.
type signedUp struct {
	member                 // the passkey is nil until its registration is answered
	passcode testbed.Proof // used up
}

func (l *ledger) add(m *signedUp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.people = append(l.people, m)
	l.answers.Add(1)
}

// signUpUntilKilled signs new people up, gives each a passkey and signs in with
// it, until the node is gone. What was answered goes into the ledger.
func (l *ledger) signUpUntilKilled(ctx context.Context, p *testbed.Program, s *site, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		m := &signedUp{member: member{address: fmt.Sprintf("%s-%d@example.com", name, i)}}
		p.From = network()
		var err error
		if m.passcode, err = p.Begin(ctx, s.box, m.address); err != nil {
			return
		}
		if m.token, err = p.Finish(m.passcode); err != nil {
			return
		}
		l.add(m)
		key, err := p.AddPasskey(m.token)
		if err != nil {
			return
		}
		l.mu.Lock()
		m.passkey = key
		l.mu.Unlock()
		l.answers.Add(1)
		if _, err := p.SignInWith(key); err != nil {
			return
		}
		l.signIns.Add(1)
	}
}

// checkLatest holds the site to what is in the ledger since the last check: that
// the users are there, with their sessions and passkeys, and that the passcodes
// that they have used are used up.
func (l *ledger) checkLatest(t *testing.T, s *site, round int) {
	t.Helper()
	for i, m := range l.people[l.checked:] {
		p := s.program(t, i%len(s.nodes))
		if err := p.Is(m.address, m.token); err != nil {
			t.Errorf("round %d: the session of %s: %v", round, m.address, err)
		}
		if a, err := p.Finalize(m.passcode); err != nil || a.Status != http.StatusUnauthorized {
			t.Errorf("round %d: the passcode that %s has used: status %d, %v; want 401", round, m.address, a.Status, err)
		}
		if m.passkey == nil {
			continue
		}
		l.passkeys++
		if _, err := p.SignInWith(m.passkey); err != nil {
			t.Errorf("round %d: the passkey of %s: %v", round, m.address, err)
		}
	}
	l.checked = len(l.people)
}

// checkAll checks at the end that all users are there, and signed in still.
func (l *ledger) checkAll(t *testing.T, s *site) {
	t.Helper()
	known := users(t, s.nodes[0])
	for i, m := range l.people {
		if _, there := known[m.address]; !there {
			t.Errorf("%s signed up, and is not there", m.address)
		}
		if err := s.program(t, i%len(s.nodes)).Is(m.address, m.token); err != nil {
			t.Errorf("at the end, the session of %s: %v", m.address, err)
		}
	}
}

// A user is what an operator sees of one.
type user struct {
	ID, Email string
	Verified  bool
}

// users asks a node for all users, as an operator does, by address.
func users(t *testing.T, g *testbed.Gateway) map[string]user {
	t.Helper()
	operator := testbed.NewClient(t, "http://"+g.AdminAddr)
	operator.HTTP.Transport = operator.Wire // Caddy's admin endpoint is in no contract with clients
	known := make(map[string]user)
	for after := ""; ; {
		var page []user
		a := operator.Call("GET", "/doorward/users?limit=1000&after="+url.QueryEscape(after), nil, &page)
		if a.Status != http.StatusOK {
			t.Fatalf("listing users: status %d: %s", a.Status, a.Body)
		}
		for _, u := range page {
			known[u.Email] = u
		}
		if len(page) < 1000 {
			return known
		}
		after = page[len(page)-1].ID
	}
}
