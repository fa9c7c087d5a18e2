package browser_test

import (
	"testing"

	"github.com/doorward/doorward/integration/browser"
)

// wrong returns a passcode that is not the one given.
func wrong(passcode string) string {
	if passcode[0] == '0' {
		return "1" + passcode[1:]
	}
	return "0" + passcode[1:]
}

func TestPasscodeFieldIsOneThatDevicesFillIn(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.Visits("/wiki")
	ann.Types("E-mail address", "ann@example.com")
	ann.Clicks("Continue")
	ann.HasFocusOn("Passcode")
	ann.Finds(`document.activeElement.autocomplete`, "one-time-code")
	ann.Finds(`document.activeElement.inputMode`, "numeric")
	// As it comes from the clipboard; it submits itself when it is whole.
	passcode := s.Passcode("ann@example.com")
	ann.Pastes(" " + passcode[:3] + " " + passcode[3:] + "\n")
	ann.IsAt("/wiki") // no offer: this browser cannot make passkeys
}

func TestWrongPasscodeIsSaidWhereTheFocusIs(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.Visits("/wiki")
	ann.Types("E-mail address", "ann@example.com")
	ann.Clicks("Continue")
	passcode := s.Passcode("ann@example.com")
	ann.Types("Passcode", wrong(passcode))
	ann.Sees("This passcode is not right.")
	ann.HasFocusOn("Passcode")
	ann.Finds(`document.activeElement.value`, "")
	ann.Finds(`document.activeElement.getAttribute("aria-invalid")`, "true")
	ann.Finds(`document.getElementById(document.activeElement.getAttribute("aria-describedby").split(" ")[0]).getAttribute("role")`, "alert")
	// After a mistake the page waits to be told.
	ann.Types("Passcode", passcode)
	ann.Clicks("Sign in")
	ann.IsAt("/wiki")
}

func TestNewPasscodeReplacesTheOldOne(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.Visits("/wiki")
	ann.Types("E-mail address", "ann@example.com")
	ann.Clicks("Continue")
	old := s.Passcode("ann@example.com")
	ann.Clicks("Send a new passcode")
	ann.Sees("We sent a new passcode")
	if passcode := s.Passcode("ann@example.com"); passcode != old { // one in a million is the same
		ann.Types("Passcode", old)
		ann.Sees("This passcode is not right.")
		ann.Types("Passcode", passcode)
		ann.Clicks("Sign in")
	}
	ann.IsAt("/wiki")
}

func TestPasscodeSignsInWithoutJavaScript(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.HasAuthenticator() // which does not help without scripts
	ann.TurnsScriptsOff()
	ann.Visits("/wiki?page=1")
	ann.SeesNothingOf("Sign in with a passkey")
	ann.Types("E-mail address", "ann@example.com")
	ann.Clicks("Continue")
	passcode := s.Passcode("ann@example.com")
	ann.Types("Passcode", wrong(passcode))
	ann.Clicks("Sign in")
	ann.Sees("This passcode is not right.")
	ann.Types("Passcode", passcode)
	ann.Clicks("Sign in")
	ann.IsAt("/wiki?page=1")

	ann.Visits("/doorward/account")
	ann.Sees("You have no passkeys yet.")
	ann.SeesNothingOf("Add a passkey")
	ann.Sees("UTC") // the script would have put times into her zone
	ann.Clicks("Sign out")
	ann.Sees("You are signed out")
	ann.Visits("/wiki?page=2")
	ann.IsAt("/doorward/login?return=%2Fwiki%3Fpage%3D2")
}
