package handlers_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/integration/authenticator"
)

func TestPasskeySignsInOnThePage(t *testing.T) {
	r := newRig(t, setup{})
	a := newAuthenticator()
	id := r.client().signIn("ann@example.com").addPasskey(a)
	c := r.client()
	in := c.usePasskey(a)
	r.wantStatus("login/finalize", in, http.StatusOK)
	var body struct {
		CredentialID string `json:"credential_id"`
		UserID       string `json:"user_id"`
	}
	in.decode(t, &body)
	user, err := r.directory.UserByAddress(t.Context(), "ann@example.com")
	must(t, err)
	if body.CredentialID != id || body.UserID != user.ID || !c.signedIn() {
		t.Errorf("finalize: %s, signed in %v; want %s and %s", in.body, c.signedIn(), id, user.ID)
	}
	events, err := r.directory.Events(t.Context(), user.ID, 10)
	must(t, err)
	if len(events) != 3 || events[0].Type != "signed_in" || events[0].Detail != "pop mfa" || events[1].Type != "passkey_added" {
		t.Errorf("audit records %+v, want the sign-in with the passkey, its making, and the sign-in before", events)
	}
}

func TestPasskeyAnswersAreHankos(t *testing.T) {
	r := newRig(t, setup{verify: "required"})
	ann := r.client().signIn("ann@example.com")
	a := newAuthenticator()
	ann.addPasskey(a)
	spoilt := func(a *authenticator.Answer) { a.Spoil = func(s []byte) []byte { s[len(s)-1] ^= 1; return s } }
	none := func(a *authenticator.Answer) { a.CredentialID = []byte("nobody's") }
	alien := func(a *authenticator.Answer) { a.Challenge = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }
	unverified := func(a *authenticator.Answer) { a.Flags &^= authenticator.UserVerified }

	r.wantProblem("login: signature", r.client().usePasskey(a, spoilt), 401, "assertion_failed")
	r.wantProblem("login: unverified", r.client().usePasskey(a, unverified), 401, "assertion_failed")
	r.wantProblem("login: unknown", r.client().usePasskey(a, none), 401, "unknown_passkey")
	r.wantProblem("login: challenge", r.client().usePasskey(a, alien), 401, "challenge_mismatch")
	r.wantProblem("login: browser without cookies", r.client().fetch("POST", "/doorward/webauthn/login/finalize", `{}`), 400, "cookies_blocked")

	register := func(a *authenticator.Authenticator, change func(*authenticator.Answer)) answer {
		options := ann.fetch("POST", "/doorward/webauthn/registration/initialize", "{}")
		created, err := a.Create([]byte(options.body), change)
		must(t, err)
		return ann.fetch("POST", "/doorward/webauthn/registration/finalize", string(created))
	}
	twin := func(b *authenticator.Answer) { b.CredentialID = a.Credentials[0].ID }
	elsewhere := func(a *authenticator.Answer) { a.Origin = "https://evil.test" }
	r.wantProblem("registration: origin", register(newAuthenticator(), elsewhere), 400, "attestation_failed")
	r.wantProblem("registration: challenge", register(newAuthenticator(), alien), 400, "challenge_mismatch")
	r.wantProblem("registration: unverified", register(newAuthenticator(), unverified), 422, "user_verification_required")
	r.wantProblem("registration: twice", register(newAuthenticator(), twin), 409, "passkey_exists")
	r.wantProblem("registration: not an answer", ann.fetch("POST", "/doorward/webauthn/registration/finalize", "{}"), 400, "malformed")
	if list, err := r.directory.Passkeys(t.Context(), meID(t, ann)); err != nil || len(list) != 1 {
		t.Errorf("%d passkeys, %v; want 1", len(list), err)
	}
}

func meID(t testing.TB, c *client, header ...string) string {
	t.Helper()
	var me struct{ ID string }
	c.call("GET", "/doorward/me", "", header...).decode(t, &me)
	return me.ID
}

func TestChallengeOfABrowserIsAnsweredByThatBrowser(t *testing.T) {
	r := newRig(t, setup{})
	a := newAuthenticator()
	r.client().signIn("ann@example.com").addPasskey(a)
	attacker, victim := r.client(), r.client()
	victim.fetch("POST", "/doorward/webauthn/login/initialize", "")
	options := attacker.fetch("POST", "/doorward/webauthn/login/initialize", "")
	got, err := a.Get([]byte(options.body))
	must(t, err)
	r.wantProblem("victim's browser", victim.fetch("POST", "/doorward/webauthn/login/finalize", string(got)), 401, "challenge_mismatch")
	// A program has no cookies, and none has to come back.
	program := r.client()
	options = program.call("POST", "/doorward/webauthn/login/initialize", `{"user_id":null}`)
	if got, err = a.Get([]byte(options.body)); err != nil {
		t.Fatal(err)
	}
	r.wantStatus("program", program.call("POST", "/doorward/webauthn/login/finalize", string(got)), http.StatusOK)
}

// finalized is the end of a ceremony, as clients of both APIs read it.
type finalized struct {
	CredentialID string `json:"credential_id"`
	UserID       string `json:"user_id"`
	Credential   struct {
		ID               string
		CreatedAt        time.Time
		LastUsed         time.Time
		Name             string
		UserVerification bool
		IsResidentKey    bool
		Authenticator    struct{ AAGUID, Name, Attachment string }
	}
	User struct{ ID string }
}

func TestEndOfACeremonyTellsOfThePasskey(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	id, made := meID(t, ann), r.now()
	a := &authenticator.Authenticator{Origin: origin, Attachment: "platform", AAGUID: uuid.MustParse("08987058-cadc-4b81-b6e1-30de50dcbe96")}
	check := func(what string, got answer, used time.Time) {
		t.Helper()
		r.wantStatus(what, got, http.StatusOK)
		var f finalized
		got.decode(t, &f)
		c, passkey := f.Credential, base64.RawURLEncoding.EncodeToString(a.Credentials[0].ID)
		if f.CredentialID != passkey || c.ID != passkey || f.UserID != id || f.User.ID != id {
			t.Errorf("%s: %s, want passkey %s of user %s", what, got.body, passkey, id)
		}
		if !c.CreatedAt.Equal(made) || !c.LastUsed.Equal(used) || !c.UserVerification || !c.IsResidentKey || c.Name == "" {
			t.Errorf("%s: %s, want a verified, discoverable passkey of %v, last used %v", what, got.body, made, used)
		}
		if c.Authenticator.AAGUID != "08987058-cadc-4b81-b6e1-30de50dcbe96" || c.Authenticator.Name != "Windows Hello" || c.Authenticator.Attachment != "platform" {
			t.Errorf("%s: authenticator %+v, want Windows Hello", what, c.Authenticator)
		}
	}
	response, err := a.Create([]byte(ann.call("POST", "/doorward/webauthn/registration/initialize", "").body))
	must(t, err)
	check("registration", ann.call("POST", "/doorward/webauthn/registration/finalize", string(response)), made)
	for _, path := range []string{"/webauthn/login", "/webauthn/authentication"} {
		r.advance(time.Minute)
		program := r.client()
		response, err := a.Get([]byte(program.call("POST", "/doorward"+path+"/initialize", "").body))
		must(t, err)
		check(path, program.call("POST", "/doorward"+path+"/finalize", string(response)), r.now())
		if !program.signedIn() {
			t.Errorf("%s: not signed in", path)
		}
	}
}

// Clients of the Hanko API spell a field in their own way, and put another beside
// the response; what they know beyond that is not looked at.
func TestResponsesOfHankosClientsAreUnderstood(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	amend := func(change func(c, response map[string]any)) func(*authenticator.Answer) {
		return func(a *authenticator.Answer) {
			a.Amend = func(c map[string]any) { change(c, c["response"].(map[string]any)) }
		}
	}
	respell := func(c, response map[string]any) {
		response["clientDataJson"] = response["clientDataJSON"]
		delete(response, "clientDataJSON")
	}
	for name, change := range map[string]func(c, response map[string]any){
		"as it is":                 func(c, response map[string]any) {},
		"clientDataJson":           respell,
		"transports in it":         func(c, response map[string]any) { response["transports"] = []string{"usb", "nfc"} },
		"transports beside it":     func(c, response map[string]any) { c["transports"] = []string{"usb", "nfc"} },
		"no extension results":     func(c, response map[string]any) { delete(c, "clientExtensionResults") },
		"null extension results":   func(c, response map[string]any) { c["clientExtensionResults"] = nil },
		"unknown fields":           func(c, response map[string]any) { c["device"], response["publicKeyAlgorithm"] = 7, "-7" },
		"IDs with padding":         func(c, response map[string]any) { c["id"], c["rawId"] = c["id"].(string)+"=", c["rawId"].(string)+"=" },
		"no attachment":            func(c, response map[string]any) { c["authenticatorAttachment"] = nil },
		"an attachment of its own": func(c, response map[string]any) { c["authenticatorAttachment"] = "embedded" },
	} {
		a := newAuthenticator()
		response, err := a.Create([]byte(ann.call("POST", "/doorward/webauthn/registration/initialize", "").body), amend(change))
		must(t, err)
		r.wantStatus("registration, "+name, ann.call("POST", "/doorward/webauthn/registration/finalize", string(response)), http.StatusOK)
		passkey, err := r.directory.Passkey(t.Context(), a.Credentials[0].ID)
		must(t, err)
		if strings.HasPrefix(name, "transports") && !slices.Equal(passkey.Transports, []string{"usb", "nfc"}) {
			t.Errorf("%s: transports kept: %q", name, passkey.Transports)
		}
	}
	a := newAuthenticator()
	ann.addPasskey(a)
	for name, change := range map[string]func(c, response map[string]any){
		"clientDataJson": respell,
		"unknown fields": func(c, response map[string]any) { c["device"], response["device"] = 7, "-7" },
		// An authenticator may leave it out where credentials were named (WebAuthn L3,
		// section 6.3.3), as they are to somebody who is signed in.
		"no user handle":   func(c, response map[string]any) { delete(response, "userHandle") },
		"null user handle": func(c, response map[string]any) { response["userHandle"] = nil },
	} {
		response, err := a.Get([]byte(ann.call("POST", "/doorward/webauthn/login/initialize", "").body), amend(change))
		must(t, err)
		r.wantStatus("login, "+name, ann.call("POST", "/doorward/webauthn/login/finalize", string(response)), http.StatusOK)
	}
}

func TestUserHandleOfNoUserIsMalformed(t *testing.T) {
	r := newRig(t, setup{})
	a := newAuthenticator()
	r.client().signIn("ann@example.com").addPasskey(a)
	for name, change := range map[string]func(*authenticator.Answer){
		"a byte more": func(a *authenticator.Answer) { a.UserHandle = append(slices.Clone(a.UserHandle), 0) },
		"the ID as text": func(a *authenticator.Answer) {
			a.Amend = func(c map[string]any) { c["response"].(map[string]any)["userHandle"] = r.user("ann@example.com").ID }
		},
	} {
		if p := r.wantProblem(name, r.client().usePasskey(a, change), 400, "malformed"); p.Message != "failed to parse userHandle as uuid" {
			t.Errorf("%s: message %q", name, p.Message)
		}
	}
}

// Who names users is a stranger to all but one of them.
func TestLoginsForNamedUsersAreOneBudgetOfTheNetwork(t *testing.T) {
	r := newRig(t, setup{accounts: lookups.accounts, logins: ceremony.Budget{Times: 2, Per: time.Hour}})
	ann := r.client().signIn("ann@example.com")
	r.client().signIn("bob@example.com")
	ask := func(c *client, address string) answer {
		return c.call("POST", "/doorward/webauthn/login/initialize", `{"user_id":"`+r.user(address).ID+`"}`)
	}
	r.wantStatus("Ann, by a stranger", ask(r.client(), "ann@example.com"), http.StatusOK)
	r.wantStatus("Bob, by a stranger", ask(r.client(), "bob@example.com"), http.StatusOK)
	r.wantProblem("Ann again", ask(r.client(), "ann@example.com"), 429, "too_many_requests")
	r.wantProblem("Bob, by Ann", ask(ann, "bob@example.com"), 429, "too_many_requests")
	r.wantStatus("Ann, by herself", ask(ann, "ann@example.com"), http.StatusOK)
}
