package browser_test

import (
	"slices"
	"testing"

	"github.com/doorward/doorward/integration/browser"
)

// noAutofill makes a browser one that does not offer passkeys in the autofill of
// a field.
const noAutofill = `PublicKeyCredential.isConditionalMediationAvailable = async () => false;`

// member returns somebody who has an account and a passkey, is signed out, and
// has to click to use the passkey.
func member(t *testing.T) (*browser.Scene, *browser.Visitor, *browser.Authenticator) {
	t.Helper()
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.Before(noAutofill)
	device := ann.HasAuthenticator()
	s.Joins(ann, "ann@example.com")
	ann.Clicks("Sign out")
	ann.Sees("You are signed out")
	return s, ann, device
}

func TestPasskeySignsInWithAClick(t *testing.T) {
	s, ann, _ := member(t)
	ann.Visits("/wiki")
	ann.Clicks("Sign in with a passkey")
	ann.IsAt("/wiki")
	if n := len(s.Mailbox.All()); n != 2 {
		t.Errorf("got %d letters, want 2: the passcode and the news of the passkey", n)
	}
}

func TestClickOnThePasskeyButtonEndsTheWaitForAutofill(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	device := ann.HasAuthenticator()
	s.Joins(ann, "ann@example.com")
	ann.Clicks("Sign out")
	ann.Sees("You are signed out")

	// She does not pick the passkey from the list under the field: nothing
	// happens, and nobody complains.
	device.WaitsForTouch(true)
	ann.Visits("/wiki")
	ann.Sends(1, "/doorward/webauthn/login/initialize")
	ann.SeesNoAlert()

	device.WaitsForTouch(false)
	ann.Clicks("Sign in with a passkey")
	ann.IsAt("/wiki")
}

func TestSeveralPasskeysAreRenamedAndRemovedEachByItself(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.Before(noAutofill)
	laptop := ann.HasAuthenticator()
	s.Joins(ann, "ann@example.com")
	ann.Clicks("Rename")
	ann.Types("Name of the passkey", "Laptop")
	ann.Clicks("Save")
	ann.Sees("The passkey is renamed.")

	// The laptop is put away, and a security key gets the second passkey.
	laptop.Unplug()
	key := ann.HasSecurityKey()
	ann.Clicks("Add a passkey")
	ann.Sees("The passkey is added.")
	key.Holds(1)
	ann.Sees("Laptop")
	ann.Clicks("Sign out")
	ann.Sees("You are signed out")
	ann.Visits("/doorward/login?return=/doorward/account")
	ann.Clicks("Sign in with a passkey")
	ann.IsAt("/doorward/account")

	ann.ClicksIn("Laptop", "Remove")
	ann.Clicks("Remove this passkey")
	ann.Sees("The passkey is removed.")
	ann.SeesNothingOf("Laptop")
	key.Holds(1) // the browser was told which one is left

	ann.Clicks("Remove")
	ann.Clicks("Remove this passkey")
	ann.Sees("You have no passkeys yet.")
	key.Holds(0) // by the Signal API
}

func TestPasskeyThatWasRemovedElsewhereIsForgottenByTheDevice(t *testing.T) {
	s, ann, device := member(t)
	away := s.Visitor()
	away.Visits("/doorward/account")
	s.SignsIn(away, "ann@example.com")
	away.Clicks("Remove")
	away.Clicks("Remove this passkey")
	away.Sees("You have no passkeys yet.")
	device.Holds(1) // which nobody has told yet

	ann.Visits("/wiki")
	ann.Clicks("Sign in with a passkey")
	ann.Sees("This passkey is not known here any more.")
	device.Holds(0)
	s.SignsIn(ann, "ann@example.com") // there is always another way in
	ann.Sees("Sign in faster next time")
}

func TestDeviceWithAPasskeyGetsNoSecondOne(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	device := ann.HasAuthenticator()
	s.Joins(ann, "ann@example.com")
	before := device.Passkeys()
	ann.Clicks("Add a passkey")
	ann.Sees("This device already has a passkey for your account.")
	if got := device.Passkeys(); !slices.Equal(got, before) {
		t.Errorf("got passkeys %v on the device, want %v as before", got, before)
	}
}

func TestCancelledPasskeyIsSaidGentlyAndMayBeTriedAgain(t *testing.T) {
	_, ann, device := member(t)
	ann.Visits("/wiki")
	device.Recognises(false)
	ann.Clicks("Sign in with a passkey")
	ann.Sees("No passkey was used. You can try again at any time.")
	device.Recognises(true)
	ann.Clicks("Sign in with a passkey")
	ann.IsAt("/wiki")
}

func TestChallengeIsRenewedBeforeItExpires(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	// Minutes pass in the blink of an eye.
	ann.Before(`{ const wait = setTimeout; window.setTimeout = (act, ms) => wait(act, ms >= 60_000 ? 200 : ms); }`)
	ann.HasAuthenticator()
	ann.Visits("/wiki")
	ann.Sends(3, "/doorward/webauthn/login/initialize")
	ann.SeesNoAlert()
}

func TestChallengeThatExpiredInItsSleepIsRenewedByTheClick(t *testing.T) {
	_, ann, _ := member(t)
	ann.Before(`{ const wait = setTimeout; window.setTimeout = (act, ms) => {
		if (ms >= 60_000) window.challenge = "in stock";
		return wait(act, ms);
	}; }`)
	ann.Visits("/wiki")
	ann.Finds(`window.challenge`, "in stock")
	// The lid is closed for an hour, in which timers stand still.
	ann.Runs(`{ const now = Date.now; Date.now = () => now() + 3_600_000; }`)
	ann.Clicks("Sign in with a passkey")
	ann.IsAt("/wiki")
	ann.Sends(2, "/doorward/webauthn/login/initialize")
}
