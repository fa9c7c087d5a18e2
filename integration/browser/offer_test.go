package browser_test

import (
	"testing"

	"github.com/doorward/doorward/integration/browser"
)

func TestOfferThatWasDeclinedIsNotMadeAgain(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	device := ann.HasAuthenticator()
	ann.Visits("/wiki?page=1")
	s.SignsIn(ann, "ann@example.com")
	ann.Clicks("Not now")
	ann.IsAt("/wiki?page=1")
	device.Holds(0)

	ann.Visits("/doorward/account")
	ann.Clicks("Sign out")
	ann.Sees("You are signed out")
	ann.Clicks("Sign in again")
	s.SignsIn(ann, "ann@example.com")
	ann.IsAt("/")
}

func TestOfferThatComesToNothingMayBeTakenAgain(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	device := ann.HasAuthenticator()
	ann.Visits("/wiki")
	s.SignsIn(ann, "ann@example.com")
	device.Recognises(false)
	ann.Clicks("Add a passkey")
	ann.Sees("No passkey was used. You can try again at any time.")
	device.Recognises(true)
	ann.Clicks("Add a passkey")
	ann.IsAt("/wiki")
	device.Holds(1)
}
