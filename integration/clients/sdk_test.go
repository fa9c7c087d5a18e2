package clients_test

import (
	"slices"
	"testing"

	"github.com/doorward/doorward/integration/browser"
	"github.com/doorward/doorward/integration/clients"
)

// What the SDK returns.
type (
	user struct {
		ID          string
		Email       string
		Credentials []credential `json:"webauthn_credentials"`
	}
	account struct {
		ID      string
		EmailID string `json:"email_id"`
	}
	created struct {
		UserID  string `json:"user_id"`
		EmailID string `json:"email_id"`
	}
	credential struct{ ID, Name string }
	email      struct {
		ID, Address string
		Primary     bool `json:"is_primary"`
		Verified    bool `json:"is_verified"`
	}
	session struct {
		UserID            string
		JWT               string
		ExpirationSeconds int
	}
)

// everywhere runs a journey in each layout, and with account_lookup as it says.
func everywhere(t *testing.T, lookups []bool, journey func(*testing.T, *clients.Scene)) {
	b := chromium(t)
	for _, layout := range clients.Layouts {
		for _, lookup := range lookups {
			name := layout.Name + ", no lookup"
			if lookup {
				name = layout.Name + ", lookup"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				journey(t, clients.NewScene(t, b, clients.Options{Layout: layout, Lookup: lookup}))
			})
		}
	}
}

// signsUp has the SDK lead somebody in whom nobody knows, and returns their ID.
func signsUp(c *clients.Client, t *testing.T, address string) string {
	t.Helper()
	var promised created
	c.Fails("notFound", `hanko.user.getInfo(`+quote(address)+`)`)
	c.Gets(`hanko.user.create(`+quote(address)+`)`, &promised)
	verifies(c, t, promised.UserID, promised.EmailID, address)
	return promised.UserID
}

// verifies has the SDK ask for a passcode and send it.
func verifies(c *clients.Client, t *testing.T, userID, emailID, address string) {
	t.Helper()
	var begun struct {
		ID  string
		TTL int
	}
	c.Gets(`hanko.passcode.initialize(`+quote(userID)+`, `+quote(emailID)+`, true)`, &begun)
	if begun.ID == "" || begun.TTL != 300 {
		t.Errorf("got passcode %q for %d seconds, want one for 300", begun.ID, begun.TTL)
	}
	c.Gets(`hanko.passcode.finalize(`+quote(userID)+`, `+quote(c.Scene.Passcode(address))+`)`, nil)
}

func TestSDKLeadsThroughTheLifeOfAnAccount(t *testing.T) {
	everywhere(t, []bool{true, false}, func(t *testing.T, s *clients.Scene) {
		ann := s.Client()
		device := ann.HasAuthenticator()
		ann.Opens("sdk.html")

		id := sdkSignsUp(t, ann)
		sdkUsesPasskeys(t, ann, device, id)
		sdkUsesAddresses(t, ann, id)
		sdkSignsInByAddress(t, ann, id, "ann.new@example.com")

		ann.Gets(`hanko.user.delete()`, nil)
		ann.Heard("user-deleted")
		var valid bool
		if ann.Gets(`hanko.session.isValid()`, &valid); valid {
			t.Error("got a session that the SDK calls valid after the account was deleted")
		}
		ann.Fails("unauthorized", `hanko.user.getCurrent()`)
		ann.Heard("session-expired")
	})
}

func sdkSignsUp(t *testing.T, ann *clients.Client) (id string) {
	t.Helper()
	s := ann.Scene
	var config struct {
		Account struct {
			Signup   bool `json:"allow_signup"`
			Deletion bool `json:"allow_deletion"`
		}
		Emails struct {
			Verification bool `json:"require_verification"`
			Most         int  `json:"max_num_of_addresses"`
		}
	}
	ann.Gets(`hanko.config.get()`, &config)
	if !config.Account.Signup || !config.Account.Deletion || !config.Emails.Verification || config.Emails.Most != 5 {
		t.Errorf("got the configuration %+v, want all on and 5 addresses", config)
	}
	ann.Fails("unauthorized", `hanko.user.getCurrent()`)
	ann.Heard("session-expired")

	var promised, again created
	ann.Fails("notFound", `hanko.user.getInfo("ann@example.com")`)
	ann.Gets(`hanko.user.create("ann@example.com")`, &promised)
	ann.Gets(`hanko.user.create("ann@example.com")`, &again)
	if promised.UserID == "" || promised.EmailID == "" || promised != again {
		t.Errorf("got the IDs %+v and then %+v, want the same twice", promised, again)
	}
	ann.Gets(`hanko.passcode.initialize(`+quote(promised.UserID)+`, `+quote(promised.EmailID)+`)`, nil)
	passcode := s.Passcode("ann@example.com")
	ann.Fails("invalidPasscode", `hanko.passcode.finalize(`+quote(promised.UserID)+`, `+quote(clients.Wrong(passcode))+`)`)
	ann.Heard()
	ann.Gets(`hanko.passcode.finalize(`+quote(promised.UserID)+`, `+quote(passcode)+`)`, nil)

	var begun []session
	ann.Finds(`String(begun.length)`, "1")
	ann.Gets(`begun`, &begun)
	if got := begun[0]; got.UserID != promised.UserID || got.ExpirationSeconds <= 0 || (got.JWT != "") != s.Header {
		t.Errorf("got the session %+v, want one of %s, and its token in a header: %t", got, promised.UserID, s.Header)
	}
	ann.Heard("session-created")
	var valid bool
	if ann.Gets(`hanko.session.isValid()`, &valid); !valid {
		t.Error("got a session that the SDK does not call valid")
	}
	var script bool
	if ann.Gets(`document.cookie.includes("hanko=")`, &script); script != s.Header {
		t.Errorf("got a cookie with the session token that scripts can read: %t, want %t", script, s.Header)
	}
	var me user
	ann.Gets(`hanko.user.getCurrent()`, &me)
	if me.ID != promised.UserID || me.Email != "ann@example.com" || len(me.Credentials) != 0 {
		t.Errorf("got the user %+v, want %s without a passkey", me, promised.UserID)
	}
	ann.SeesApp("ann@example.com")
	return me.ID
}

func sdkUsesPasskeys(t *testing.T, ann *clients.Client, device *browser.Authenticator, id string) {
	t.Helper()
	var should bool
	if ann.Gets(`hanko.user.getCurrent().then((u) => hanko.webauthn.shouldRegister(u))`, &should); !should {
		t.Error("got no advice to register a passkey on a new device")
	}
	ann.Gets(`hanko.webauthn.register()`, nil)
	device.Holds(1)
	if ann.Gets(`hanko.user.getCurrent().then((u) => hanko.webauthn.shouldRegister(u))`, &should); should {
		t.Error("got the advice to register a second passkey on one device")
	}
	var passkeys []credential
	ann.Gets(`hanko.webauthn.listCredentials()`, &passkeys)
	if len(passkeys) != 1 || passkeys[0].ID != device.Passkeys()[0] {
		t.Fatalf("got the passkeys %v, want the one on the device", passkeys)
	}
	passkey := passkeys[0].ID
	ann.Gets(`hanko.webauthn.updateCredential(`+quote(passkey)+`, "Laptop")`, nil)
	ann.Gets(`hanko.webauthn.listCredentials()`, &passkeys)
	if want := []credential{{passkey, "Laptop"}}; !slices.Equal(passkeys, want) {
		t.Errorf("got the passkeys %v, want %v", passkeys, want)
	}

	for _, way := range []string{`hanko.webauthn.login()`, `hanko.webauthn.login(null, true)`, `hanko.webauthn.login(` + quote(id) + `)`} {
		sdkSignsOut(t, ann)
		var in struct {
			UserID       string `json:"user_id"`
			CredentialID string `json:"credential_id"`
		}
		ann.Gets(way, &in)
		if in.UserID != id || in.CredentialID != passkey {
			t.Errorf("%s: got user %s by passkey %s, want %s by %s", way, in.UserID, in.CredentialID, id, passkey)
		}
		ann.Heard("session-created")
	}
	ann.SeesApp("ann@example.com")

	ann.Gets(`hanko.webauthn.deleteCredential(`+quote(passkey)+`)`, nil)
	ann.Gets(`hanko.webauthn.listCredentials()`, &passkeys)
	if len(passkeys) != 0 {
		t.Errorf("got the passkeys %v after the only one was deleted", passkeys)
	}
	ann.Fails("somethingWentWrong", `hanko.webauthn.deleteCredential(`+quote(passkey)+`)`)
}

// sdkSignsOut signs out, and checks that the session is over and not forgotten.
func sdkSignsOut(t *testing.T, ann *clients.Client) {
	t.Helper()
	ann.Runs(`window.jwt = hanko.session.get().jwt`)
	ann.Gets(`hanko.user.logout()`, nil)
	ann.Heard("user-logged-out")
	var valid bool
	if ann.Gets(`hanko.session.isValid()`, &valid); valid {
		t.Error("got a session that the SDK calls valid after signing out")
	}
	if ann.Scene.Header {
		var status int
		ann.Gets(`fetch(hanko.api + "/me", { headers: { Authorization: "Bearer " + jwt } }).then((r) => r.status)`, &status)
		if status != 401 {
			t.Errorf("got status %d for the token of a session that was ended, want 401", status)
		}
	}
	ann.Fails("unauthorized", `hanko.user.getCurrent()`)
	ann.Heard("session-expired")
}

func sdkUsesAddresses(t *testing.T, ann *clients.Client, id string) {
	t.Helper()
	var second email
	ann.Gets(`hanko.email.create("ann.new@example.com")`, &second)
	var emails []email
	if ann.Gets(`hanko.email.list()`, &emails); len(emails) != 1 {
		t.Errorf("got the addresses %v before the second one is verified, want the first", emails)
	}
	ann.Runs(`window.jwt = hanko.session.get().jwt`)
	verifies(ann, t, id, second.ID, "ann.new@example.com")
	ann.Heard("session-created") // says the SDK; it is the one that there was
	var same bool
	if ann.Gets(`hanko.session.get().jwt === jwt`, &same); !same {
		t.Error("got another session token for a second address, want the one that was presented")
	}
	ann.SeesApp("ann@example.com")
	ann.Fails("emailAddressAlreadyExistsError", `hanko.email.create("ann.new@example.com")`)

	if ann.Gets(`hanko.email.list()`, &emails); len(emails) != 2 {
		t.Fatalf("got the addresses %v, want two", emails)
	}
	at := slices.IndexFunc(emails, func(e email) bool { return e.Address == "ann@example.com" })
	first := emails[max(at, 0)]
	if want := (email{second.ID, "ann.new@example.com", false, true}); !slices.Contains(emails, want) || !first.Primary {
		t.Errorf("got the addresses %+v, want %+v among them, and the first still primary", emails, want)
	}
	ann.Fails("somethingWentWrong", `hanko.email.delete(`+quote(first.ID)+`)`) // the primary one stays
	ann.Gets(`hanko.email.setPrimaryEmail(`+quote(second.ID)+`)`, nil)
	ann.Gets(`hanko.email.delete(`+quote(first.ID)+`)`, nil)
	ann.Gets(`hanko.email.list()`, &emails)
	if want := []email{{second.ID, "ann.new@example.com", true, true}}; !slices.Equal(emails, want) {
		t.Errorf("got the addresses %+v, want %+v", emails, want)
	}
	ann.SeesApp("ann.new@example.com")
}

// sdkSignsInByAddress signs in somebody who has an account: after looking it up,
// or, where nobody may look, in the way of somebody new.
func sdkSignsInByAddress(t *testing.T, ann *clients.Client, id, address string) {
	t.Helper()
	sdkSignsOut(t, ann)
	if ann.Scene.Lookup {
		var found account
		ann.Gets(`hanko.user.getInfo(`+quote(address)+`)`, &found)
		if found.ID != id {
			t.Errorf("got %s for %s, want %s", found.ID, address, id)
		}
		ann.Fails("conflict", `hanko.user.create(`+quote(address)+`)`)
		verifies(ann, t, found.ID, found.EmailID, address)
	} else {
		signsUp(ann, t, address)
	}
	ann.Heard("session-created")
	var me user
	ann.Gets(`hanko.user.getCurrent()`, &me)
	if me.ID != id {
		t.Errorf("got the user %s, want %s: the account that has the address", me.ID, id)
	}
	ann.SeesApp(address)
}
