package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/doorward/doorward/integration/browser"
)

// tabs presses Tab, and wants the focus to go from one name to the next where it
// can be seen.
func tabs(v *browser.Visitor, names ...string) {
	for _, name := range names {
		v.Presses(kb.Tab)
		v.HasFocusOn(name)
		v.SeesFocus()
	}
}

func TestKeyboardAloneSignsInAndOut(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.HasAuthenticator()

	ann.Visits("/doorward/account")
	ann.HasFocusOn("E-mail address")
	ann.SeesFocus()
	ann.Presses("ann@example.com" + kb.Enter)
	ann.HasFocusOn("Passcode")
	ann.SeesFocus()
	ann.Presses(s.Passcode("ann@example.com"))

	ann.Sees("Sign in faster next time")
	tabs(ann, "Add a passkey", "Not now")
	ann.Presses(kb.Enter)
	ann.IsAt("/doorward/account")
	tabs(ann, "Add a passkey")
	ann.Presses(kb.Enter)
	ann.Sees("The passkey is added.")
	tabs(ann, "Rename", "Remove", "Add a passkey", "Add an address", "Delete the account", "Back", "Sign out")
	ann.Presses(kb.Enter)
	ann.Sees("You are signed out")
}

func TestTabOrderFollowsThePage(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.HasAuthenticator()
	ann.Visits("/wiki")
	ann.HasFocusOn("E-mail address")
	tabs(ann, "Continue", "Sign in with a passkey")

	ann.Types("E-mail address", "ann@example.com")
	ann.Presses(kb.Enter)
	ann.HasFocusOn("Passcode")
	tabs(ann, "Sign in", "Send a new passcode", "Use another address")
	ann.Presses(kb.Enter)
	ann.Sees("Enter your e-mail address")
	ann.HasFocusOn("E-mail address")
}
