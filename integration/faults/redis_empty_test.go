package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// A Redis that comes back empty has forgotten who was signed in: that costs a
// sign-in, and no account.
func TestEmptyRedisCostsASignInAndNoAccount(t *testing.T) {
	redis := storetest.StartRedis(t)
	s := startSite(t, 1, secrets+"store "+redis.URL()+`
		session {
			check_interval 100ms
		}`)
	c := testbed.NewClient(t, s.nodes[0].URL)
	if _, err := c.SignIn(s.box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	if output, err := s.nodes[0].Run("users", "groups", "ann@example.com", "staff"); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	redis.Restart()
	testbed.Eventually(t, 10*time.Second, "the gateway to find Redis empty", func() bool { return c.Navigate("/").Status == http.StatusSeeOther })
	if _, err := c.SignIn(s.box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	s.app.Forget()
	c.Navigate("/")
	if got := s.app.Requests()[0].Header.Get("Remote-Groups"); got != "staff" {
		t.Errorf("signed in again: Remote-Groups = %q, want staff as before", got)
	}
}
