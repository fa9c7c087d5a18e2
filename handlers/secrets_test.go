package handlers_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/session"
)

// Whatever is asked, in any order and with any outcome, no answer and no line of
// the log shows a secret outside the one place where it belongs.
func TestSecretsAppearOnlyWhereTheyBelong(t *testing.T) {
	r := newRig(t, setup{api: handlers.API{TokenHeader: true}})
	var codes, challenges []string
	note := func(c *client, path, body string) string { // a challenge
		options := c.fetch("POST", path, body)
		var o struct{ PublicKey struct{ Challenge string } }
		options.decode(t, &o)
		challenges = append(challenges, o.PublicKey.Challenge)
		return options.body
	}

	// Ann signs in on the pages, after a mistake, and adds a passkey.
	ann := r.client()
	ann.submit("/doorward/login", "email", "ann@example.com")
	codes = append(codes, r.box.passcode(t))
	ann.navigate("/doorward/login/passcode?sent=1")
	ann.submit("/doorward/login/passcode", "passcode", wrong(codes[0]))
	ann.submit("/doorward/login/passcode", "passcode", codes[0])
	a := newAuthenticator()
	created, err := a.Create([]byte(note(ann, "/doorward/webauthn/registration/initialize", "")))
	must(t, err)
	ann.fetch("POST", "/doorward/webauthn/registration/finalize", string(created))
	ann.fetch("POST", "/doorward/webauthn/registration/finalize", string(created)) // replayed
	ann.navigate("/doorward/account")
	ann.fetch("GET", "/doorward/sessions", "")
	ann.fetch("GET", "/doorward/webauthn/credentials", "")
	ann.refuse(errors.New("store away"), "GET", "/wiki", navigates...)
	ann.refuse(session.ErrInvalid, "GET", "/wiki", fetches...)

	// She signs in with it elsewhere, and somebody replays that.
	phone := r.client()
	got, err := a.Get([]byte(note(phone, "/doorward/webauthn/login/initialize", "")))
	must(t, err)
	for range 2 {
		phone.fetch("POST", "/doorward/webauthn/login/finalize", string(got))
	}
	// A stranger asks, and answers with garbage.
	stranger := r.client()
	stranger.submit("/doorward/login", "email", "stranger@example.net")
	note(stranger, "/doorward/webauthn/login/initialize", "")
	stranger.fetch("POST", "/doorward/webauthn/login/finalize", string(got[:len(got)-1]))
	// A program signs in, uses its token wrongly, and the store goes away.
	r.box.letters(t)
	program := r.client()
	id, _ := program.initialize("bob@example.com")
	codes = append(codes, r.box.passcode(t))
	in := program.finalize(id, codes[1])
	program.finalize(id, codes[1])
	program.call("GET", "/doorward/me?token="+in.header.Get("X-Auth-Token"), "", "Authorization", "Bearer "+in.header.Get("X-Auth-Token")+"x")
	must(t, r.store.Close())
	program.finalize(id, codes[1])
	phone.fetch("POST", "/doorward/webauthn/login/finalize", string(got))

	var tokens []string
	for _, answer := range r.answers {
		if token := answer.header.Get("X-Auth-Token"); token != "" {
			tokens = append(tokens, token)
		}
		for _, cookie := range (&http.Response{Header: answer.header}).Cookies() {
			if cookie.Name == r.cookie.Name && cookie.Value != "" {
				tokens = append(tokens, cookie.Value)
			}
		}
	}
	if len(tokens) != 3 || len(codes) != 2 || len(challenges) != 3 {
		t.Fatalf("%d tokens, %d passcodes, %d challenges; want 3, 2, 3: the journeys went wrong", len(tokens), len(codes), len(challenges))
	}
	log := r.log.String()
	if strings.Count(log, "signed in") != 3 || !strings.Contains(log, "request refused") || !strings.Contains(log, "request failed") {
		t.Fatalf("the log does not tell of the journeys:\n%s", log)
	}
	for _, secret := range append(append(codes, tokens...), challenges...) {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows %.12s", secret)
		}
	}
	for _, address := range []string{"stranger@example.net", "ann@example.com", "bob@example.com"} {
		if strings.Contains(log, address) {
			t.Errorf("the log shows the whole address %s", address)
		}
	}
	for _, answer := range r.answers {
		header := answer.header.Clone()
		header.Del("Set-Cookie")
		header.Del("X-Auth-Token")
		shown, err := json.Marshal(header)
		must(t, err)
		for _, secret := range append(codes, tokens...) {
			if strings.Contains(string(shown)+answer.body, secret) {
				t.Errorf("%s shows %.12s", answer.asked, secret)
			}
		}
		for _, challenge := range challenges {
			if strings.Contains(string(shown)+answer.body, challenge) && !strings.HasSuffix(answer.asked, "/initialize") {
				t.Errorf("%s shows a challenge", answer.asked)
			}
		}
	}
}
