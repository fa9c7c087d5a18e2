// Package integration tests the whole: gateways as they are run, real clients, and
// what stands before and behind a gateway in service.
package integration

import (
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

func TestVisitorSignsInWithAPasscodeAndIsBackWhereTheyWere(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	g := testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(app, box, "")})
	c := testbed.NewClient(t, g.URL)

	sent := c.Navigate("/wiki?page=1")
	if got, want := sent.Header.Get("Location"), "/doorward/login?return=%2Fwiki%3Fpage%3D1"; sent.Status != http.StatusSeeOther || got != want {
		t.Fatalf("first visit: %d to %q, want 303 to %q", sent.Status, got, want)
	}
	if n := len(app.Requests()); n != 0 {
		t.Fatalf("%d requests reached the app before anybody signed in", n)
	}
	location, err := c.SignIn(box, "Ann@Example.com", "/wiki?page=1")
	if err != nil {
		t.Fatal(err)
	}
	if location != "/wiki?page=1" {
		t.Errorf("after signing in: sent to %q, want the page first asked for", location)
	}
	page := c.Do("GET", location, "", "X-Auth-Token", "evil", "Remote_User", "evil", "Cookie", "theme=dark")
	if page.Status != http.StatusOK {
		t.Fatalf("signed in: status %d\n%s", page.Status, page.Body)
	}
	seen := app.Requests()[0].Header
	if got := seen["Remote-User"]; len(got) != 1 || got[0] != "ann@example.com" {
		t.Errorf("Remote-User = %q, want ann@example.com", got)
	}
	if got := seen["X-Auth-Token"]; len(got) != 1 || strings.Count(got[0], ".") != 2 {
		t.Errorf("X-Auth-Token = %q, want one JWT", got)
	}
	if strings.Contains(strings.Join(seen["Cookie"], ";"), "doorward") {
		t.Errorf("the app saw our cookies: %q", seen["Cookie"])
	}
}
