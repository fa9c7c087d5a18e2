package browser_test

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/browser"
)

func TestAddressesAreChangedOnTheAccountPage(t *testing.T) {
	changeAddresses(t, true)
}

func TestAddressesAreChangedWithoutJavaScript(t *testing.T) {
	changeAddresses(t, false)
}

// changeAddresses is how somebody moves from an old address to a new one.
func changeAddresses(t *testing.T, scripts bool) {
	const oldAddress, newAddress = "ann@example.com", "ann.example@example.com"
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	submits := func(string) {} // by itself, when the passcode is whole
	if !scripts {
		ann.TurnsScriptsOff()
		submits = ann.Clicks
	}
	ann.Visits("/doorward/account")
	ann.Types("E-mail address", oldAddress)
	ann.Clicks("Continue")
	ann.Types("Passcode", s.Passcode(oldAddress))
	submits("Sign in")
	ann.IsAt("/doorward/account")

	// She proves that the new address is hers.
	ann.Clicks("Add an address")
	ann.Types("New e-mail address", newAddress)
	ann.Clicks("Send a passcode")
	ann.Sees("Confirm your new address")
	ann.Sees(newAddress)
	ann.HasFocusOn("Passcode")
	passcode := s.Passcode(newAddress)
	ann.Types("Passcode", wrong(passcode))
	submits("Add the address")
	ann.Sees("This passcode is not right.")
	ann.HasFocusOn("Passcode")
	ann.Types("Passcode", passcode)
	ann.Clicks("Add the address") // after a mistake the page waits to be told
	ann.Sees("The address is added.")
	wantLetter(t, s, oldAddress, "added")

	// Apps know her by it from now on.
	ann.ClicksIn(newAddress, "Make it the main one")
	ann.Sees("Your main address is changed.")
	wantLetter(t, s, oldAddress, "main")
	ann.Visits("/wiki?page=2")
	ann.IsAt("/wiki?page=2")
	requests := s.App.Requests()
	if got := requests[len(requests)-1].Header.Get("Remote-User"); got != newAddress {
		t.Errorf("got a request by %q at the app, want %s", got, newAddress)
	}

	// The old one goes, and is told so.
	ann.Visits("/doorward/account")
	ann.ClicksIn(oldAddress, "Remove")
	ann.Clicks("Remove this address")
	ann.Sees("The address is removed.")
	ann.SeesNothingOf(oldAddress)
	wantLetter(t, s, newAddress, "removed")
	wantLetter(t, s, oldAddress, "removed")

	// It is no way into her account any more: whoever has it is somebody else.
	other := s.Visitor()
	other.Visits("/doorward/account")
	s.SignsIn(other, oldAddress)
	other.Visits("/doorward/account")
	other.Sees(oldAddress)
	other.SeesNothingOf(newAddress)
}

// wantLetter waits for a letter to address with a word in its subject.
func wantLetter(t *testing.T, s *browser.Scene, address, word string) {
	t.Helper()
	for {
		letter := s.Letter(address)
		if letter.Passcode() != "" {
			continue
		}
		if !strings.Contains(letter.Subject, word) {
			t.Errorf("got a letter to %s about %q, want %q in it", address, letter.Subject, word)
		}
		return
	}
}

func TestAddressOfSomebodyElseIsNotTakenFromThem(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	eve := s.Visitor()
	eve.Visits("/doorward/account")
	s.SignsIn(eve, "eve@example.com")

	// Ann reads Eve's mail, and even so does not get her address.
	ann := s.Visitor()
	ann.Visits("/doorward/account")
	s.SignsIn(ann, "ann@example.com")
	ann.Clicks("Add an address")
	ann.Types("New e-mail address", "eve@example.com")
	ann.Clicks("Send a passcode")
	ann.Sees("Confirm your new address")
	ann.Types("Passcode", s.Passcode("eve@example.com"))
	ann.Sees("it belongs to another account")
	ann.Sees("ann@example.com")
	eve.Visits("/doorward/account")
	eve.Sees("eve@example.com")
}

func TestLongAddressFitsAPhone(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.Visits("/doorward/account")
	s.SignsIn(ann, "ann@example.com")
	long := strings.Repeat("ann-and-her-many-names.", 2) + "example@" + strings.Repeat("a-long-host-name.", 6) + "example.com"
	ann.Resizes(360, 640, 1)
	ann.Clicks("Add an address")
	ann.Types("New e-mail address", long)
	ann.Clicks("Send a passcode")
	ann.Sees("Confirm your new address")
	ann.Finds(`String(document.documentElement.scrollWidth)`, "360")
	ann.Types("Passcode", s.Passcode(long))
	ann.Sees("The address is added.")
	ann.ClicksIn(long, "Remove")
	ann.Sees("Remove this address")
	ann.Finds(`String(document.documentElement.scrollWidth)`, "360")
}

func TestAccountIsDeletedByItsOwner(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	device := ann.HasAuthenticator()
	s.Joins(ann, "ann@example.com")
	phone := s.Visitor()
	phone.Visits("/wiki")
	s.SignsIn(phone, "ann@example.com")
	phone.IsAt("/wiki")

	ann.Visits("/doorward/account")
	ann.Clicks("Delete the account")
	ann.Sees("Nobody can bring them back.")
	ann.Clicks("Delete my account for good") // not without saying that she means it
	ann.IsAt("/doorward/account")
	ann.HasFocusOn("I understand, and want my account to be deleted.")
	ann.ClicksOn("#delete-confirm")
	ann.Clicks("Delete my account for good")
	ann.Sees("Your account is deleted")
	device.Holds(0) // the browser was told that the passkey is good for nothing
	wantLetter(t, s, "ann@example.com", "deleted")

	for _, v := range []*browser.Visitor{ann, phone} {
		v.Visits("/wiki?page=2")
		v.IsAt("/doorward/login?return=%2Fwiki%3Fpage%3D2")
	}
}

func TestAccountIsDeletedWithoutJavaScript(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	ann.TurnsScriptsOff()
	ann.Visits("/doorward/account")
	ann.Types("E-mail address", "ann@example.com")
	ann.Clicks("Continue")
	ann.Types("Passcode", s.Passcode("ann@example.com"))
	ann.Clicks("Sign in")
	ann.Clicks("Delete the account")
	ann.ClicksOn("#delete-confirm")
	ann.Clicks("Delete my account for good")
	ann.Sees("Your account is deleted")
	ann.Visits("/wiki")
	ann.IsAt("/doorward/login?return=%2Fwiki")
}
