package bench

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// A protocol is what the client speaks to the gateway.
type protocol string

const (
	http1    protocol = "HTTP/1.1"
	http1TLS protocol = "HTTP/1.1 with TLS"
	http2TLS protocol = "HTTP/2 with TLS"
)

// A load is a kind of traffic, under which set-ups are compared.
type load struct {
	*rig
	name     string
	protocol protocol
	setUps   []string
	sessions int
	inOrder  string  // uniform or Zipf; empty with one session
	goal     float64 // the most that a guarded request is meant to cost, of an unguarded one; 0: any

	// Files for wrk, if there is more than one session.
	tokenFile, orderFile string
}

const (
	hotGoal  = 1.05
	zipfGoal = 1.08 // with 100,000 sessions
)

// loads returns the kinds of traffic of a comparison.
func (r *rig) loads(t *testing.T, sizes []int) []*load {
	t.Helper()
	pair := slices.DeleteFunc(slices.Clone(r.setUps), func(name string) bool { return name != guarded && name != unguarded })
	list := []*load{
		{protocol: http1, setUps: r.setUps, goal: hotGoal},
		{protocol: http1TLS, setUps: pair, goal: hotGoal},
		{protocol: http2TLS, setUps: pair, goal: hotGoal}, // h2load knows no requests that differ
	}
	for _, l := range list {
		l.name, l.sessions = fmt.Sprintf("%s, one session", l.protocol), 1
	}
	for _, n := range sizes {
		if n == 1 {
			continue
		}
		var tokens []byte
		for _, token := range r.tokens[:n] {
			tokens = append(append(tokens, token...), '\n')
		}
		tokenFile := r.file(t, fmt.Sprintf("%d tokens", n), string(tokens))
		for _, o := range []struct {
			name  string
			order []int
		}{{"uniform", uniform(n)}, {"Zipf", zipf(n)}} {
			l := &load{
				name:     fmt.Sprintf("%s, %s sessions, %s", http1, thousands(n), o.name),
				protocol: http1, setUps: pair, sessions: n, inOrder: o.name,
				tokenFile: tokenFile, orderFile: r.file(t, fmt.Sprintf("%d %s", n, o.name), lines(o.order)),
			}
			if n == 100_000 && o.name == "Zipf" {
				l.goal = zipfGoal
			}
			list = append(list, l)
		}
	}
	for _, l := range list {
		l.rig = r
	}
	return list
}

// token returns the session token that all requests have, or what wrk puts others in
// the place of.
func (l *load) token() string {
	switch {
	case l.protocol != http1:
		return l.tlsToken
	case l.sessions > 1:
		return "$TOKEN"
	}
	return l.tokens[0]
}

// warmUp uses every session once, so that none is new to the gateway, and has each
// set-up under load once.
func (l *load) warmUp(t *testing.T) {
	t.Helper()
	if l.sessions > 1 && l.has(guarded) {
		l.useAll(t)
	}
	for _, setUp := range l.setUps {
		l.turn(t, setUp, 0, time.Second)
	}
}

func (l *load) useAll(t *testing.T) {
	t.Helper()
	const workers = 16
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	errs := make(chan error, workers)
	var working sync.WaitGroup
	for first := range workers {
		working.Go(func() {
			for i := first; i < l.sessions; i += workers {
				if err := use(client, l.origin(l, guarded), l.tokens[i]); err != nil {
					errs <- fmt.Errorf("using session %d: %w", i, err)
					return
				}
			}
		})
	}
	working.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
}

func use(client *http.Client, origin, token string) error {
	request, err := http.NewRequest("GET", origin+requestPath, nil)
	if err != nil {
		return err
	}
	request.AddCookie(&http.Cookie{Name: "doorward", Value: token})
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d, want 200", response.StatusCode)
	}
	return nil
}
