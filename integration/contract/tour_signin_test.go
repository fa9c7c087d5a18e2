package contract_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
)

// passcodes goes past signing in with a passcode.
func (to *tour) passcodes(at place) {
	const initialize, finalize = "/passcode/login/initialize", "/passcode/login/finalize"
	stranger := to.arrives(at)
	for _, refused := range []struct {
		recipient map[string]string
		problem   string
	}{
		{map[string]string{"email": "somebody"}, "address_invalid"},
		{map[string]string{"user_id": "2f1a6f3e-5e0c-4c86-9f1b-8f0c1d1c7a11"}, "unknown_user"},
	} {
		to.wants(stranger.calls("POST", initialize, refused.recipient), http.StatusBadRequest, refused.problem)
	}
	address := to.somebody()
	p := stranger.isSent(address)
	for range 2 {
		to.wants(stranger.calls("POST", finalize, p.wrong()), http.StatusUnauthorized, "wrong_passcode")
	}
	to.wants(stranger.calls("POST", finalize, p.wrong()), http.StatusGone, "too_many_attempts")
	to.wants(stranger.calls("POST", finalize, p), http.StatusUnauthorized, "passcode_not_found")
	userID := stranger.signsIn(address)

	// A user is named by ID as well, by whoever is not signed in as another one.
	known := map[string]string{"user_id": userID}
	to.arrives(at).isSentTo(address, known)
	unknown := map[string]string{"user_id": userID, "email_id": "2f1a6f3e-5e0c-4c86-9f1b-8f0c1d1c7a11"}
	to.wants(to.arrives(at).calls("POST", initialize, unknown), http.StatusBadRequest, "unknown_address")
	other := to.arrives(at)
	other.signsIn(to.somebody())
	to.wants(other.calls("POST", initialize, known), http.StatusForbidden, "other_user")
	p = to.arrives(at).isSent(address)
	to.wants(other.calls("POST", finalize, p), http.StatusForbidden, "other_user")

	to.operates("users", "disable", address)
	to.wants(to.arrives(at).calls("POST", finalize, p), http.StatusForbidden, "not_allowed")
}

// late goes past passcodes that are sent back too late.
func (to *tour) late() {
	sent := make(map[*traveller]proof)
	for _, at := range to.places {
		v := to.arrives(at)
		sent[v] = v.isSent(to.somebody())
	}
	time.Sleep(lifetime + time.Second) // the gateway's clock is ours
	for v, p := range sent {
		to.wants(v.calls("POST", "/passcode/login/finalize", p), http.StatusRequestTimeout, "passcode_expired")
	}
}

// passkeys goes past passkeys: making them, signing in with them in both
// spellings, and seeing to them.
func (to *tour) passkeys(at place) {
	const create = "/webauthn/registration/"
	ann := to.arrives(at)
	address := to.somebody()
	ann.signsIn(address)
	unknown := map[string]string{"user_id": "2f1a6f3e-5e0c-4c86-9f1b-8f0c1d1c7a11"}
	to.wants(ann.calls("POST", create+"initialize", unknown), http.StatusForbidden, "other_user")

	key := ann.makesPasskey()
	first := key.Credentials[0].ID
	same := func(a *authenticator.Answer) { a.CredentialID = first }
	madeUp := func(a *authenticator.Answer) { a.Challenge = strings.Repeat("A", 43) }
	honest := func(*authenticator.Answer) {}
	for _, refused := range []struct {
		change  func(*authenticator.Answer)
		wishes  any
		key     *authenticator.Authenticator
		status  int
		problem string
	}{
		{same, nil, &authenticator.Authenticator{Origin: at.base}, http.StatusConflict, "passkey_exists"},
		{honest, nil, &authenticator.Authenticator{Origin: evil}, http.StatusBadRequest, "attestation_failed"},
		{madeUp, nil, &authenticator.Authenticator{Origin: at.base}, http.StatusBadRequest, "challenge_mismatch"},
		{honest, json.RawMessage(`{"options":{"authenticatorSelection":{"userVerification":"required"}}}`),
			&authenticator.Authenticator{Origin: at.base, Unverified: true}, http.StatusUnprocessableEntity, "user_verification_required"},
	} {
		a := ann.calls("POST", create+"finalize", ann.creates(refused.key, refused.wishes, refused.change))
		to.wants(a, refused.status, refused.problem)
	}

	var listed []struct{ ID string }
	ann.has(http.StatusOK, "GET", "/webauthn/credentials", nil, &listed)
	if len(listed) != 1 {
		to.Fatalf("%d passkeys, want 1", len(listed))
	}
	mine := "/webauthn/credentials/" + listed[0].ID
	ann.has(http.StatusOK, "PATCH", mine, map[string]string{"name": "Laptop"}, nil)
	to.wants(ann.calls("PATCH", mine, map[string]string{"name": "two\nlines"}), http.StatusBadRequest, "name_invalid")

	for _, spelling := range []string{"login", "authentication"} {
		to.logins(at, "/webauthn/"+spelling+"/", spelling, key)
	}
	for _, spelling := range []string{"login", "authentication"} {
		assertion := to.arrives(at).answers(spelling, key)
		to.operates("users", "disable", address)
		to.wants(to.arrives(at).calls("POST", "/webauthn/"+spelling+"/finalize", assertion), http.StatusForbidden, "not_allowed")
		to.operates("users", "enable", address)
	}

	removed := to.arrives(at)
	removed.has(http.StatusOK, "POST", "/webauthn/login/finalize", removed.answers("login", key), nil)
	removed.has(http.StatusNoContent, "DELETE", mine, nil, nil)
	for _, spelling := range []string{"login", "authentication"} {
		a := to.arrives(at).calls("POST", "/webauthn/"+spelling+"/finalize", to.arrives(at).answers(spelling, key))
		to.wants(a, http.StatusUnauthorized, "unknown_passkey")
	}
}

// logins goes past signing in with key.
func (to *tour) logins(at place, path, spelling string, key *authenticator.Authenticator) {
	v := to.arrives(at)
	assertion := v.answers(spelling, key)
	v.has(http.StatusOK, "POST", path+"finalize", assertion, nil)
	to.wants(v.calls("POST", path+"finalize", assertion), http.StatusUnauthorized, "challenge_mismatch")
	spoilt := v.answers(spelling, key, func(a *authenticator.Answer) {
		a.Spoil = func(signature []byte) []byte { signature[len(signature)-1] ^= 1; return signature }
	})
	to.wants(v.calls("POST", path+"finalize", spoilt), http.StatusUnauthorized, "assertion_failed")
	browser := to.arrives(at)
	a := browser.calls("POST", path+"finalize", browser.answers(spelling, key), "Origin", at.base, "Sec-Fetch-Site", "same-origin")
	to.wants(a, http.StatusBadRequest, "cookies_blocked")
	unknown := map[string]string{"user_id": "2f1a6f3e-5e0c-4c86-9f1b-8f0c1d1c7a11"}
	to.wants(to.arrives(at).calls("POST", path+"initialize", unknown), http.StatusBadRequest, "unknown_user")
}
