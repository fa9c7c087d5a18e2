package clients_test

import (
	"testing"

	"github.com/doorward/doorward/integration/browser"
	"github.com/doorward/doorward/integration/clients"
)

// auth opens a page with <hanko-auth>, which waits for somebody to sign in.
func auth(c *clients.Client, query ...string) *browser.Element {
	c.Opens("elements.html", append([]string{"element", "hanko-auth"}, query...)...)
	return c.Inside("hanko-auth")
}

// profile opens a page with <hanko-profile>.
func profile(c *clients.Client) *browser.Element {
	c.Opens("elements.html", "element", "hanko-profile")
	e := c.Inside("hanko-profile")
	e.Sees("Emails")
	return e
}

// namesThemselves types an address into <hanko-auth>, and, if that says that it
// knows nobody of that address, agrees to sign up.
func namesThemselves(e *browser.Element, address string, known bool) {
	e.Sees("Sign in or sign up")
	e.TypesInto("[name=email]", address)
	e.Clicks("Continue")
	if !known {
		e.Sees(`No account exists for "` + address + `"`)
		e.Clicks("Sign up")
	}
	e.Sees(`Enter the passcode that was sent to "` + address + `"`)
}

func TestElementsLeadThroughTheLifeOfAnAccount(t *testing.T) {
	everywhere(t, []bool{true, false}, func(t *testing.T, s *clients.Scene) {
		ann := s.Client()
		device := ann.HasAuthenticator()
		elementsSignUp(t, ann, device)
		elementsChangeThePasskeys(t, ann, device)
		elementsChangeTheAddresses(t, ann)
		elementsSignIn(t, ann, device, "ann.new@example.com")

		e := profile(ann)
		e.Clicks("Delete account")
		e.Sees("Are you sure you want to delete this account?")
		e.Ticks()
		e.Clicks("Delete")
		ann.Heard("user-deleted")
		ann.Fails("unauthorized", `hanko.user.getCurrent()`)
	})
}

func elementsSignUp(t *testing.T, ann *clients.Client, device *browser.Authenticator) {
	t.Helper()
	e := auth(ann)
	namesThemselves(e, "ann@example.com", false)
	passcode := ann.Scene.Passcode("ann@example.com")
	e.TypesInto("[name=passcode0]", clients.Wrong(passcode))
	e.Sees("The passcode provided was not correct.")
	e.TypesInto("[name=passcode0]", passcode)
	e.Sees("Sign in to your account easily and securely with a passkey.")
	e.Clicks("Create a passkey")
	device.Holds(1)
	ann.Heard("session-created", "auth-flow-completed")
	ann.SeesApp("ann@example.com")
}

func elementsChangeThePasskeys(t *testing.T, ann *clients.Client, device *browser.Authenticator) {
	t.Helper()
	e := profile(ann)
	e.Sees("ann@example.com - primary")
	var passkeys []credential
	ann.Gets(`hanko.webauthn.listCredentials()`, &passkeys)
	e.Opens(passkeys[0].Name)
	e.Clicks("Rename")
	e.TypesInto("[name=passkey]", "Laptop")
	e.Clicks("Save")
	e.Sees("Laptop")
	e.Opens("Laptop")
	e.Clicks("Delete")
	e.Clicks("yes")
	e.Loses("Laptop")

	before := device.Passkeys()[0]
	e.Opens("Create a passkey")
	e.Clicks("Create a passkey")
	ann.Finds(`hanko.webauthn.listCredentials().then((l) => String(l.length))`, "1")
	device.Holds(1)
	if device.Passkeys()[0] == before {
		t.Error("got the passkey on the device that was deleted, want a new one")
	}
}

func elementsChangeTheAddresses(t *testing.T, ann *clients.Client) {
	t.Helper()
	e := profile(ann)
	e.Opens("Add email")
	e.TypesInto("[type=email]", "ann.new@example.com")
	e.Clicks("Continue")
	e.Sees(`Enter the passcode that was sent to "ann.new@example.com"`)
	e.TypesInto("[name=passcode0]", ann.Scene.Passcode("ann.new@example.com"))
	e.Sees("Emails")
	ann.Heard("session-created")
	e.Opens("ann.new@example.com")
	e.Clicks("Set as primary")
	e.Sees("ann.new@example.com - primary")
	e.Opens("ann@example.com")
	e.Clicks("Delete")
	e.Clicks("yes")
	e.Loses("ann@example.com")
	ann.SeesApp("ann.new@example.com")
}

// elementsSignIn signs out and in in each way that there is.
func elementsSignIn(t *testing.T, ann *clients.Client, device *browser.Authenticator, address string) {
	t.Helper()
	signOut := func() {
		ann.Gets(`hanko.user.logout()`, nil)
		ann.Heard("user-logged-out")
	}
	signedIn := func() {
		ann.Heard("session-created", "auth-flow-completed")
		ann.SeesApp(address)
		signOut()
	}

	signOut()
	auth(ann).Clicks("Sign in with a passkey")
	signedIn()

	auth(ann, "experimental", "conditionalMediation") // the device answers for its owner
	signedIn()

	e := auth(ann)
	device.Recognises(false)
	if ann.Scene.Lookup {
		e.TypesInto("[name=email]", address)
		e.Clicks("Continue") // which asks for a passkey of the account, and then for a passcode
		e.Sees(`Enter the passcode that was sent to "` + address + `"`)
	} else {
		namesThemselves(e, address, false)
	}
	e.TypesInto("[name=passcode0]", ann.Scene.Passcode(address))
	ann.Heard("session-created", "auth-flow-completed")
	device.Recognises(true)
	ann.SeesApp(address)
}

func TestElementsSignInByAPasskeyOfTheAddress(t *testing.T) {
	s := clients.NewScene(t, chromium(t), clients.Options{Layout: clients.Layouts[3], Lookup: true})
	ann := s.Client()
	elementsSignUp(t, ann, ann.HasAuthenticator())
	ann.Gets(`hanko.user.logout()`, nil)
	e := auth(ann)
	e.TypesInto("[name=email]", "ann@example.com")
	e.Clicks("Continue")
	ann.Heard("session-created", "auth-flow-completed")
	ann.SeesApp("ann@example.com")
}

func TestElementsTakeNobodyInWhoMayNotSignUp(t *testing.T) {
	s := clients.NewScene(t, chromium(t), clients.Options{Lookup: true, Closed: true, Keeps: true})
	ann := s.Client()
	e := auth(ann)
	e.TypesInto("[name=email]", "ann@example.com")
	e.Clicks("Continue")
	e.Sees("Account not found")
}

// Where nobody may ask who has an account, all go the way of those who are new:
// also while sign-up is closed, since it is the only way in without a passkey.
func TestElementsLeadMembersInWhileSignUpIsClosedAndLookupIsOff(t *testing.T) {
	s := clients.NewScene(t, chromium(t), clients.Options{Layout: clients.Layouts[2], Closed: true, Keeps: true})
	if output, err := s.Gateway.Run("users", "add", "ann@example.com"); err != nil {
		t.Fatalf("adding a user: %v\n%s", err, output)
	}
	ann := s.Client()
	e := auth(ann)
	namesThemselves(e, "ann@example.com", false)
	e.TypesInto("[name=passcode0]", s.Passcode("ann@example.com"))
	e.Sees("Create a passkey")
	e.Clicks("Skip")
	ann.Heard("session-created", "auth-flow-completed")
	p := profile(ann)
	p.Sees("ann@example.com - primary")
	p.Loses("Delete account")
}
