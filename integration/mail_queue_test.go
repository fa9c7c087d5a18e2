package integration

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// queueCapacity is how many letters wait for a mail server that is away.
const queueCapacity = 1000

// TestFullMailQueueIsToldToEverybodyAlike fills the queue of letters while the
// mail server is away. From then on it must not show who would have been sent one.
func TestFullMailQueueIsToldToEverybodyAlike(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	g := testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(app, box, "", testbed.TrustPrograms)})
	member := testbed.NewProgram(t, g, "192.0.2.1")
	begun, err := member.Begin(t.Context(), box, "member@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := member.Finish(begun); err != nil {
		t.Fatal(err)
	}
	if output, err := g.Run("users", "add", "banned@example.com"); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if output, err := g.Run("users", "disable", "banned@example.com"); err != nil {
		t.Fatalf("%v: %s", err, output)
	}

	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	var askers sync.WaitGroup
	const each = queueCapacity / 4
	for asker := range 4 {
		askers.Go(func() {
			for i := range each {
				p := testbed.NewProgram(t, g, fmt.Sprintf("198.51.%d.%d", asker, i%256))
				address := fmt.Sprintf("new%d-%d@example.com", asker, i)
				if _, err := p.Want(http.StatusOK, "POST", "/doorward/passcode/login/initialize", "", map[string]string{"email": address}); err != nil {
					t.Errorf("asker %d, letter %d: %v", asker, i, err)
					return
				}
			}
		})
	}
	askers.Wait()

	for i, address := range []string{"member@example.com", "newcomer@example.com", "banned@example.com", "mallory@evil.test"} {
		p := testbed.NewProgram(t, g, fmt.Sprintf("203.0.113.%d", i))
		a, err := p.Send("POST", "/doorward/passcode/login/initialize", "", map[string]string{"email": address})
		if err != nil {
			t.Fatal(err)
		}
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "30" {
			t.Errorf("%s: status %d, Retry-After %q; want 503, 30\n%s", address, a.Status, a.Header.Get("Retry-After"), a.Body)
		}
	}
}
