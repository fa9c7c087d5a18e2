package browser_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/browser"
)

func TestJourneyFromFirstVisitToSignedOutFromAfarWithEmbeddedStore(t *testing.T) {
	journey(t, browser.NewScene(t, chromium(t)))
}

func TestJourneyFromFirstVisitToSignedOutFromAfarWithRedis(t *testing.T) {
	journey(t, browser.NewRedisScene(t, chromium(t)))
}

// journey is what Doorward is for, from end to end.
func journey(t *testing.T, s *browser.Scene) {
	ann := s.Visitor()
	device := ann.HasAuthenticator()

	// Ann comes for the first time, and signs in with a passcode.
	ann.Visits("/wiki?page=1")
	ann.IsAt("/doorward/login?return=%2Fwiki%3Fpage%3D1")
	if n := len(s.App.Requests()); n != 0 {
		t.Fatalf("got %d requests at the app before anybody signed in", n)
	}
	ann.Types("E-mail address", "ann@example.com")
	ann.Clicks("Continue")
	ann.Sees("ann@example.com")
	ann.Types("Passcode", s.Passcode("ann@example.com"))

	// She is offered a passkey, takes it, and is where she wanted to be.
	ann.Sees("Sign in faster next time")
	ann.Clicks("Add a passkey")
	ann.IsAt("/wiki?page=1")
	device.Holds(1)
	seen := s.App.Requests()[0]
	if got := seen.Header.Get("Remote-User"); seen.URI != "/wiki?page=1" || got != "ann@example.com" {
		t.Errorf("got a request for %s by %q at the app, want /wiki?page=1 by ann@example.com", seen.URI, got)
	}
	if letter := s.Letter("ann@example.com"); !strings.Contains(letter.Subject, "passkey") {
		t.Errorf("got a letter about %q, want one about the new passkey", letter.Subject)
	}

	// Her account shows the passkey. She signs out.
	ann.Visits("/doorward/account")
	ann.Sees("On one device only")
	ann.Sees("Not used yet")
	ann.Clicks("Sign out")
	ann.Sees("You are signed out")

	// She comes back and picks the passkey from the list under the address field.
	ann.Visits("/wiki?page=2")
	ann.IsAt("/wiki?page=2")
	ann.Visits("/doorward/account")
	ann.Sees("Last used")
	ann.Sees("(passkey)")

	// At another browser she ends the session of the first.
	away := s.Visitor()
	away.Visits("/doorward/login?return=/doorward/account")
	s.SignsIn(away, "ann@example.com")
	away.IsAt("/doorward/account")
	away.ClicksIn("Chrome on Linux", "End")
	away.Sees("The session is ended.")

	// The first one is out: its scripts hear so, and its next page is the door.
	got := ann.Fetches("/wiki?page=3")
	if got.Status != http.StatusUnauthorized || got.ContentType != "application/problem+json" {
		t.Errorf("got %d, %s for a script of the session that was ended, want 401, application/problem+json", got.Status, got.ContentType)
	}
	ann.Before(noAutofill) // else she would be in again at once
	ann.Visits("/wiki?page=4")
	ann.IsAt("/doorward/login?return=%2Fwiki%3Fpage%3D4")
	away.Visits("/wiki?page=5")
	away.IsAt("/wiki?page=5")
}
