package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/testbed"
)

// Traffic is people who use a site until they are told to stop: some are signed
// in, and read; others sign up and add a passkey. What they are answered is counted. The only
// answers that a fault may cause are a 503 that says when to come back, and, for
// what is not sent through the app, nothing else.
type traffic struct {
	visits, signIns tally        // by status
	slowest         atomic.Int64 // answer, in nanoseconds
	newcomers       []member     // whose sign-in was answered with success

	t    *testing.T
	site *site
	stop func() // stops it and waits

	mu sync.Mutex
}

// pace is how long each of them waits between two requests.
const pace = 10 * time.Millisecond

// startTraffic lets each of members visit each node, and somebody sign up on each
// node again and again. name tells its newcomers from others'.
func (s *site) startTraffic(t *testing.T, name string, members []member) *traffic {
	t.Helper()
	return s.startTrafficOf(t, name, members, false)
}

// startInsistentTraffic is startTraffic of people whose programs try again where a
// connection ends before an answer begins.
func (s *site) startInsistentTraffic(t *testing.T, name string, members []member) *traffic {
	t.Helper()
	return s.startTrafficOf(t, name, members, true)
}

func (s *site) startTrafficOf(t *testing.T, name string, members []member, insists bool) *traffic {
	t.Helper()
	f := &traffic{t: t, site: s}
	done := make(chan struct{})
	var workers sync.WaitGroup
	f.stop = sync.OnceFunc(func() {
		close(done)
		workers.Wait()
	})
	t.Cleanup(f.stop)
	work := func(once func() error) {
		workers.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					if err := once(); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for i := range s.nodes {
		for _, m := range members {
			p := s.program(t, i)
			p.KeepConnections()
			p.Insists = insists
			work(func() error { return f.visit(p, m) })
		}
		p, n := s.program(t, i), 0
		p.Insists = insists
		work(func() error {
			n++
			p.From = network()
			return f.signUp(p, fmt.Sprintf("%s-%d-%d@example.com", name, i, n))
		})
	}
	return f
}

// visit makes one request of somebody who is signed in. They may be told to come
// back later; that they are not signed in, never.
func (f *traffic) visit(p *testbed.Program, m member) error {
	began := time.Now()
	a, err := p.Send("GET", "/", m.token, nil)
	f.took(began)
	f.visits.add(outcome(a, err))
	switch {
	case err != nil:
		return fmt.Errorf("a visit: %w", err)
	case a.Status != http.StatusOK:
		return checkAway("a visit", a)
	case !strings.Contains(a.Body, `"Remote-User":["`+m.address+`"]`):
		return fmt.Errorf("%s was taken for somebody else: %s", m.address, a.Body)
	}
	return nil
}

// signUp signs somebody up, as far as they get.
func (f *traffic) signUp(p *testbed.Program, address string) error {
	began := time.Now()
	a, err := p.Send("POST", "/doorward/passcode/login/initialize", "", map[string]string{"email": address})
	f.took(began)
	f.signIns.add("asked " + outcome(a, err))
	if err != nil {
		return fmt.Errorf("asking for a passcode: %w", err)
	}
	if a.Status != http.StatusOK {
		return checkAway("asking for a passcode", a)
	}
	var proof testbed.Proof
	if err := a.JSON(&proof); err != nil {
		return err
	}
	letter, err := f.site.box.For(f.t.Context(), address)
	if err != nil {
		return err
	}
	proof.Code = letter.Passcode()
	began = time.Now()
	a, err = p.Finalize(proof)
	f.took(began)
	f.signIns.add("finished " + outcome(a, err))
	if err != nil {
		return fmt.Errorf("sending a passcode: %w", err)
	}
	if a.Status != http.StatusOK {
		return checkAway("sending a passcode", a)
	}
	m := member{address: address, token: a.Session()}
	err = f.addPasskey(p, &m)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.newcomers = append(f.newcomers, m)
	return err
}

// addPasskey gives somebody who has just signed up a passkey, as far as they get.
func (f *traffic) addPasskey(p *testbed.Program, m *member) error {
	send := func(step string, body any) (testbed.Answer, error) {
		began := time.Now()
		a, err := p.Send("POST", "/doorward/webauthn/registration/"+step, m.token, body)
		f.took(began)
		f.signIns.add("passkey " + outcome(a, err))
		if err != nil {
			return a, fmt.Errorf("adding a passkey: %w", err)
		}
		if a.Status != http.StatusOK {
			return a, checkAway("adding a passkey", a)
		}
		return a, nil
	}
	options, err := send("initialize", nil)
	if err != nil || options.Status != http.StatusOK {
		return err
	}
	key := &authenticator.Authenticator{Origin: p.Base}
	credential, err := key.Create([]byte(options.Body))
	if err != nil {
		return err
	}
	added, err := send("finalize", json.RawMessage(credential))
	if err == nil && added.Status == http.StatusOK {
		m.passkey = key
	}
	return err
}

// checkAway returns an error if an answer is a refusal: it has to ask to come
// back later, and to take no cookie away.
func checkAway(what string, a testbed.Answer) error {
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || a.Header["Set-Cookie"] != nil {
		return fmt.Errorf("%s: status %d, Retry-After %q, Set-Cookie %q; want 503, some seconds, none: %s",
			what, a.Status, a.Header.Get("Retry-After"), a.Header["Set-Cookie"], a.Body)
	}
	return nil
}

func (f *traffic) took(began time.Time) {
	took := int64(time.Since(began))
	for {
		slowest := f.slowest.Load()
		if took <= slowest || f.slowest.CompareAndSwap(slowest, took) {
			return
		}
	}
}

// String implements fmt.Stringer.
func (f *traffic) String() string {
	return fmt.Sprintf("visits: {%s}, sign-ups: {%s}, slowest answer %v",
		&f.visits, &f.signIns, time.Duration(f.slowest.Load()).Round(time.Millisecond))
}

func outcome(a testbed.Answer, err error) string {
	if err != nil {
		return "no answer"
	}
	return fmt.Sprint(a.Status)
}
