package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

const (
	killRounds  = 12
	killWorkers = 3
)

// A ledger is what the gateway has answered, and so must know for ever after.
type ledger struct {
	answers atomic.Int64 // sign-ups and passkeys

	mu      sync.Mutex
	members []*member
}

// A member signed up: the answer arrived.
type member struct {
	address  string
	passcode proof // used up
	session  string
	passkey  *authenticator.Authenticator // nil until its registration is answered
}

func (l *ledger) add(m *member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members = append(l.members, m)
	l.answers.Add(1)
}

// TestKill9LosesNothingThatWasAnswered kills the gateway at random moments while
// people sign up and add passkeys, and starts it again.
func TestKill9LosesNothingThatWasAnswered(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	// Each program says that it comes from elsewhere, so that none spends the
	// budget of another.
	g := testbed.Start(t, testbed.Options{Caddyfile: caddyfileOf(app, box, "",
		"servers {\n\t\ttrusted_proxies static private_ranges\n\t}")})
	book := &ledger{}
	passkeys := 0
	for round := range killRounds {
		// Somebody has been sent a passcode, and is looking for it in their mail.
		late := newProgram(t, g.URL, fmt.Sprintf("192.0.2.%d", round))
		address := fmt.Sprintf("late%d@example.com", round)
		pending, err := late.begin(t.Context(), box, address)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for worker := range killWorkers {
			p := newProgram(t, g.URL, fmt.Sprintf("198.51.%d.%d", round, worker))
			workers.Go(func() { signUpUntilKilled(ctx, p, box, book, fmt.Sprintf("r%dw%d", round, worker)) })
		}
		// A few answers later, and then at any moment of what is under way.
		enough := book.answers.Load() + 1 + random.Int64N(8)
		waitFor(t, "answers", func() bool { return book.answers.Load() >= enough })
		<-time.After(time.Duration(random.Int64N(int64(30 * time.Millisecond))))
		g.Kill()
		cancel()
		workers.Wait()
		if err := g.Start(); err != nil {
			t.Fatalf("round %d: starting again: %v", round, err)
		}

		token, err := late.finish(pending)
		if err != nil {
			t.Errorf("round %d: a passcode sent before the kill: %v", round, err)
		}
		book.add(&member{address, pending, token, nil})
		passkeys += book.check(t, g, round)
	}
	if passkeys == 0 {
		t.Error("no passkey was answered for in all the rounds: that proves nothing of them")
	}
	t.Logf("%d sign-ups and %d passkeys were answered", len(book.members), passkeys)
}

// signUpUntilKilled signs new people up and gives each a passkey, until the
// gateway is gone. What was answered goes into the book.
func signUpUntilKilled(ctx context.Context, p *program, box *mailtest.Mailbox, book *ledger, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		m := &member{address: fmt.Sprintf("%sn%d@example.com", name, i)}
		var err error
		if m.passcode, err = p.begin(ctx, box, m.address); err != nil {
			return
		}
		if m.session, err = p.finish(m.passcode); err != nil {
			return
		}
		book.add(m)
		options, err := p.want(http.StatusOK, "POST", "/doorward/webauthn/registration/initialize", m.session, nil)
		if err != nil {
			return
		}
		key := &authenticator.Authenticator{Origin: p.base}
		credential, err := key.Create(options.body)
		if err != nil {
			return
		}
		if _, err := p.want(http.StatusOK, "POST", "/doorward/webauthn/registration/finalize", m.session, json.RawMessage(credential)); err != nil {
			return
		}
		m.passkey = key
		book.answers.Add(1)
	}
}

// check holds the gateway to everything in the book, and returns the number of
// passkeys that have signed in since the last check.
func (l *ledger) check(t *testing.T, g *testbed.Gateway, round int) (passkeys int) {
	t.Helper()
	known := knownAddresses(t, g)
	for i, m := range l.members {
		p := newProgram(t, g.URL, fmt.Sprintf("203.0.%d.%d", round, i%256))
		if !known[m.address] {
			t.Errorf("round %d: %s signed up, and is not there", round, m.address)
		}
		if err := p.is(m.address, m.session); err != nil {
			t.Errorf("round %d: the session of %s: %v", round, m.address, err)
		}
		if m.passcode.ID != "" {
			if a, err := p.send("POST", "/doorward/passcode/login/finalize", "", m.passcode); err != nil || a.status != http.StatusUnauthorized {
				t.Errorf("round %d: the passcode that %s has used: status %d, %v; want 401", round, m.address, a.status, err)
			}
			m.passcode = proof{}
		}
		if m.passkey != nil {
			if err := p.signInWith(m.passkey); err != nil {
				t.Errorf("round %d: the passkey of %s: %v", round, m.address, err)
			}
			m.passkey = nil
			passkeys++
		}
	}
	return passkeys
}

// signInWith signs in with a passkey.
func (p *program) signInWith(key *authenticator.Authenticator) error {
	options, err := p.want(http.StatusOK, "POST", "/doorward/webauthn/login/initialize", "", nil)
	if err != nil {
		return err
	}
	assertion, err := key.Get(options.body)
	if err != nil {
		return err
	}
	_, err = p.want(http.StatusOK, "POST", "/doorward/webauthn/login/finalize", "", json.RawMessage(assertion))
	return err
}

// knownAddresses asks the gateway for its users, as an operator does.
func knownAddresses(t *testing.T, g *testbed.Gateway) map[string]bool {
	t.Helper()
	a, err := newProgram(t, "http://"+g.AdminAddr, "").want(http.StatusOK, "GET", "/doorward/users?limit=1000", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var users []struct{ Email string }
	if err := json.Unmarshal(a.body, &users); err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, u := range users {
		known[u.Email] = true
	}
	return known
}
