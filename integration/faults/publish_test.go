package faults

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// TestSessionEndedOnOneNodeIsDeadOnTheOther has two nodes that have checked a
// session a moment ago. Where they can tell each other, it is dead on the other
// within a second; where they cannot, when the other reads the journal.
func TestSessionEndedOnOneNodeIsDeadOnTheOther(t *testing.T) {
	const read = 3 * time.Second // it is read every second
	for _, test := range []struct {
		name  string
		limit time.Duration
		cut   func(*storetest.Redis) // again and again
	}{
		{"told", time.Second, nil},
		{"subscribers cut off", read, func(r *storetest.Redis) { _, _ = r.Do("client", "kill", "type", "pubsub") }},
		{"channels forbidden", read, func(r *storetest.Redis) { _, _ = r.Do("acl", "setuser", "default", "resetchannels") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			redis := storetest.StartRedis(t)
			s := startSite(t, 2, secrets+"store "+redis.URL()+`
				directory embedded:`+t.TempDir()+`/directory.db
				session {
					check_interval 1m
				}`)
			here, there := s.program(t, 0), s.program(t, 1)
			// A ceremony begun here ends there, and the session that it begins is one
			// here, too.
			begun, err := here.Begin(t.Context(), s.box, "ann@example.com")
			if err != nil {
				t.Fatal(err)
			}
			token, err := there.Finish(begun)
			if err != nil {
				t.Fatal(err)
			}
			if a, err := here.Finalize(begun); err != nil || a.Status != http.StatusUnauthorized {
				t.Errorf("a passcode used on the other node: status %d, %v; want 401", a.Status, err)
			}
			if test.cut != nil {
				ended := make(chan struct{})
				t.Cleanup(func() { close(ended) })
				test.cut(redis)
				go func() {
					for {
						select {
						case <-ended:
							return
						case <-time.After(5 * time.Millisecond):
							test.cut(redis)
						}
					}
				}()
			}
			for _, p := range []*testbed.Program{here, there} {
				if err := p.Is("ann@example.com", token); err != nil {
					t.Fatal(err)
				}
			}

			if _, err := here.Want(http.StatusNoContent, "POST", "/doorward/logout", token, nil); err != nil {
				t.Fatal(err)
			}
			took := testbed.Eventually(t, 30*time.Second, "the other node to refuse the session", func() bool {
				a, err := there.Send("GET", "/", token, nil)
				return err == nil && a.Status == http.StatusUnauthorized
			})
			if took > test.limit {
				t.Errorf("the session was dead on the other node after %v, want %v at most", took, test.limit)
			}
			if a, err := here.Send("GET", "/", token, nil); err != nil || a.Status != http.StatusUnauthorized {
				t.Errorf("the session on the node where it was ended: status %d, %v; want 401", a.Status, err)
			}
			t.Logf("dead on the other node after %v", took.Round(time.Millisecond))
			if strings.Contains(s.nodes[0].Log(), token) {
				t.Error("the session token is in the log")
			}
		})
	}
}
