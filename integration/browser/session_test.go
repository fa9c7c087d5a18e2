package browser_test

import (
	"testing"

	"github.com/doorward/doorward/integration/browser"
)

func TestBackButtonShowsNothingAfterSigningOut(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.Visits("/doorward/account")
	s.SignsIn(ann, "ann@example.com")
	ann.Sees("You have no passkeys yet.")
	ann.Clicks("Sign out")
	ann.Sees("You are signed out")
	ann.GoesBack()
	ann.IsAt("/doorward/login?return=%2Fdoorward%2Faccount")
	ann.SeesNothingOf("ann@example.com")
	ann.SeesNothingOf("You have no passkeys yet.")
}

func TestAllOtherSessionsEndAtOnce(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	var signedIn []*browser.Visitor
	for range 3 {
		v := s.Visitor()
		v.Visits("/doorward/account")
		s.SignsIn(v, "ann@example.com")
		v.IsAt("/doorward/account")
		signedIn = append(signedIn, v)
	}
	here, others := signedIn[2], signedIn[:2]
	here.Visits("/doorward/account")
	here.Clicks("End all other sessions")
	here.Sees("All other sessions are ended.")
	here.SeesNothingOf("End all other sessions")
	for _, v := range others {
		v.Visits("/wiki")
		v.IsAt("/doorward/login?return=%2Fwiki")
	}
	here.Visits("/wiki")
	here.IsAt("/wiki")
}

func TestWhoMayNotPassCanComeBackAsSomebodyElse(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.Visits("/admin/")
	s.SignsIn(ann, "ann@example.com")
	ann.Sees("No access")
	ann.Clicks("Use another account")
	ann.Sees("You are signed out")
	ann.Clicks("Sign in again")
	s.SignsIn(ann, "root@example.com")
	ann.Visits("/doorward/account")
	ann.Sees("root@example.com")
}
