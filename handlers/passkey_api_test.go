package handlers_test

import (
	"net/http"
	"testing"

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
	r.wantProblem("login: not an answer", r.client().call("POST", "/doorward/webauthn/login/finalize", `{"id":1}`), 400, "malformed")
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

func meID(t *testing.T, c *client) string {
	t.Helper()
	var me struct{ ID string }
	c.fetch("GET", "/doorward/me", "").decode(t, &me)
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
