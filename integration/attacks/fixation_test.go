package attacks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/doorward/doorward/integration/authenticator"
)

// A browser is given a session, or the name of a ceremony, before its owner signs
// in: POST /doorward/login/passcode with Cookie: __Host-doorward=<mallory's>.
func TestT60SessionIsFixedBeforeSignIn(t *testing.T) {
	s := Begin(t)
	n := 0
	for name, plant := range map[string]func(mallory *Person) Jar{
		"a session":          func(m *Person) Jar { return Jar{"__Host-doorward": m.Token} },
		"a made-up session":  func(*Person) Jar { return Jar{"__Host-doorward": "chosen"} },
		"a made-up browser":  func(*Person) Jar { return Jar{"__Host-doorward-browser": "chosen"} },
		"a made-up ceremony": func(m *Person) Jar { return Jar{"__Host-doorward-passcode": m.ID, "__Host-doorward-browser": "chosen"} },
		"all that mallory's browser has": func(m *Person) Jar {
			jar := Jar{"__Host-doorward": m.Token}
			jar.Keep(s.Form(A, "/doorward/login", url.Values{"email": {m.Address}}.Encode()))
			return jar
		},
	} {
		n++
		mallory := s.SignedIn(fmt.Sprint("mallory", n))
		v := s.Visitor(func(string) bool { return false })
		v.jar = plant(mallory)
		if v.jar["__Host-doorward"] == mallory.Token { // the sign-in page would lead on
			if shown, _ := v.Submit("/doorward/logout", nil); shown.Status != http.StatusOK {
				t.Fatalf("%s: signing out: %v", name, shown)
			}
			v.jar["__Host-doorward"] = mallory.Token
		}
		alice := s.Person(fmt.Sprint("alice", n))
		v.SignIn(alice)
		token := v.jar["__Host-doorward"]
		if token == "" || token == mallory.Token || token == "chosen" {
			t.Fatalf("%s: alice has the session %.10q", name, token)
		}
		s.Seen()
		s.Get(A, "/wiki", "Cookie: __Host-doorward="+token)
		if got := s.One().Values("Remote-User"); len(got) != 1 || got[0] != alice.Address {
			t.Errorf("%s: the app saw %q, want %q", name, got, alice.Address)
		}
		if name == "a session" {
			s.Denied(s.Get(A, "/wiki", mallory.Cookie))
		}
	}

	// Signing in again, by whatever means and as whomever, ends what was before.
	alice, bob := s.SignedIn("alice"), s.SignedIn("bob")
	s.AddPasskey(A, alice)
	tokens := []string{bob.Token, alice.Token}
	options := s.Post(A, "/doorward/webauthn/login/initialize", struct{}{})
	assertion, err := alice.Key.Get([]byte(options.Body))
	if err != nil {
		t.Fatal(err)
	}
	s.adopt(alice, s.Post(A, "/doorward/webauthn/login/finalize", json.RawMessage(assertion), bob.Cookie))
	tokens = append(tokens, alice.Token)
	s.adopt(alice, s.Finalize(A, s.Passcode(A, alice.Address), alice.Cookie))
	tokens = append(tokens, alice.Token)
	s.adopt(alice, s.Finalize(A, s.Passcode(A, alice.Address), alice.Bearer))
	if slices.Contains(tokens, alice.Token) {
		t.Error("a session was used again")
	}
	for i, token := range tokens {
		a := s.Get(A, "/wiki", "Cookie: __Host-doorward="+token)
		if i == 1 { // that of another client
			if a.Status != http.StatusOK {
				t.Errorf("a session that nobody ended: %v", a)
			}
			s.Seen()
			continue
		}
		s.Denied(a)
	}
	// Somebody else's proof does not turn a session into theirs.
	if a := s.Finalize(A, s.Passcode(A, bob.Address), alice.Cookie); a.Status != http.StatusForbidden {
		t.Errorf("bob's passcode in alice's session: %v", a)
	}
	if a := s.Get(A, "/wiki", alice.Cookie); a.Status != http.StatusOK {
		t.Errorf("the session that was begun: %v", a)
	}
}

// An attacker begins a sign-in that somebody else's browser finishes, or the
// reverse: initialize in one browser, finalize in another.
func TestT61SignInIsFinishedByAnotherBrowser(t *testing.T) {
	s := Begin(t)
	own := "Origin: " + s.Origin(A)
	alice := s.Person("alice")
	attacker := make(Jar)
	begun := s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"email": alice.Address}, own)
	attacker.Keep(begun)
	var proof Proof
	begun.JSON(t, &proof)
	letter, err := s.Mailbox.For(s.mailbox, alice.Address)
	if err != nil {
		t.Fatal(err)
	}
	proof.Code = letter.Passcode()
	other := make(Jar)
	other.Keep(s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"email": s.Person("bob").Address}, own))
	for name, field := range map[string]string{
		"no cookie": "X-No: cookie", "another browser's": other.Field(),
	} {
		if a := s.Finalize(A, proof, own, field); a.Status != http.StatusUnauthorized || a.Cookie("__Host-doorward") != "" {
			t.Errorf("finished with %s: %v", name, a)
		}
	}
	if a := s.Finalize(A, proof, own, attacker.Field()); a.Status != http.StatusOK {
		t.Errorf("finished by the browser that began: %v", a)
	}
	t.Run("pages", pagesAreBound)
	t.Run("passkeys", passkeysAreBound)
	t.Run("another site", finishedByAnotherSite)
}

// pagesAreBound plants the name of an attacker's ceremony in a browser, so that
// its owner would sign in as the attacker.
func pagesAreBound(t *testing.T) {
	s := Begin(t)
	mallory, alice := s.Person("mallory"), s.Person("alice")
	attacker, victim := make(Jar), make(Jar)
	attacker.Keep(s.Form(A, "/doorward/login", url.Values{"email": {mallory.Address}}.Encode()))
	letter, err := s.Mailbox.For(s.mailbox, mallory.Address)
	if err != nil {
		t.Fatal(err)
	}
	victim.Keep(s.Form(A, "/doorward/login", url.Values{"email": {alice.Address}}.Encode()))
	free := s.Passcode(A, s.Person("mal").Address) // by a program: bound to no browser
	form := url.Values{"passcode": {letter.Passcode()}}.Encode()
	for name, jar := range map[string]Jar{
		"in a browser of its own":     {"__Host-doorward-passcode": attacker["__Host-doorward-passcode"]},
		"in a browser with another":   {"__Host-doorward-passcode": attacker["__Host-doorward-passcode"], "__Host-doorward-browser": victim["__Host-doorward-browser"]},
		"begun by a program":          {"__Host-doorward-passcode": free.ID, "__Host-doorward-browser": victim["__Host-doorward-browser"]},
		"begun by a program, alone":   {"__Host-doorward-passcode": free.ID},
		"with an empty browser":       {"__Host-doorward-passcode": attacker["__Host-doorward-passcode"], "__Host-doorward-browser": ""},
		"the browser without its one": {"__Host-doorward-browser": attacker["__Host-doorward-browser"]},
	} {
		body := form
		if jar["__Host-doorward-passcode"] == free.ID {
			body = url.Values{"passcode": {free.Code}}.Encode()
		}
		a := s.Form(A, "/doorward/login/passcode", body, jar.Field())
		if a.Status != http.StatusUnprocessableEntity || a.Cookie("__Host-doorward") != "" {
			t.Errorf("%s: %v", name, a)
		}
	}
	if a := s.Form(A, "/doorward/login/passcode", form, attacker.Field()); a.Status != http.StatusSeeOther || a.Cookie("__Host-doorward") == "" {
		t.Errorf("the browser that began: %v", a)
	}
}

// passkeysAreBound finishes passkey ceremonies in other browsers than those that
// began them, and as other people.
func passkeysAreBound(t *testing.T) {
	s := Begin(t)
	own := "Origin: " + s.Origin(A)
	alice, mallory := s.SignedIn("alice"), s.SignedIn("mallory")
	s.AddPasskey(A, alice)
	for name, steal := range map[string]func(begun Jar) string{
		"no browser":      func(Jar) string { return "X-No: cookie" },
		"another browser": func(Jar) string { return "Cookie: __Host-doorward-browser=chosen" },
	} {
		jar := make(Jar)
		options := s.Post(A, "/doorward/webauthn/login/initialize", struct{}{}, own)
		jar.Keep(options)
		assertion, err := alice.Key.Get([]byte(options.Body))
		if err != nil {
			t.Fatal(err)
		}
		if a := s.Post(A, "/doorward/webauthn/login/finalize", json.RawMessage(assertion), own, steal(jar)); a.Status/100 != 4 || a.Cookie("__Host-doorward") != "" {
			t.Errorf("finished by %s: %v", name, a)
		}
		// One that has no cookie spends nothing; one that has another's spends the
		// challenge, for the browser that began as well.
		a := s.Post(A, "/doorward/webauthn/login/finalize", json.RawMessage(assertion), own, jar.Field())
		if signed := a.Cookie("__Host-doorward") != ""; signed != (name == "no browser") {
			t.Errorf("the browser that began, after %s: %v", name, a)
		}
	}
	// Alice's registration, finished by mallory, would let mallory in as alice, or
	// alice's authenticator into mallory's account.
	options := s.Post(A, "/doorward/webauthn/registration/initialize", struct{}{}, alice.Bearer)
	key := &authenticator.Authenticator{Origin: s.Origin(A)}
	credential, err := key.Create([]byte(options.Body))
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Post(A, "/doorward/webauthn/registration/finalize", json.RawMessage(credential), mallory.Bearer); a.Status/100 != 4 {
		t.Errorf("a registration finished by somebody else: %v", a)
	}
	for p, want := range map[*Person]int{alice: 1, mallory: 0} {
		var list []any
		if s.Get(A, "/doorward/webauthn/credentials", p.Bearer).JSON(t, &list); len(list) != want {
			t.Errorf("%s has %d passkeys, want %d", p.Address, len(list), want)
		}
	}
}

// finishedByAnotherSite has another site's page send the attacker's proof, so that
// the visitor would sign in as the attacker.
func finishedByAnotherSite(t *testing.T) {
	s := Begin(t)
	proof := s.Passcode(A, s.Person("mallory").Address)
	for _, fields := range [][]string{
		{"Origin: https://evil.test"}, {"Origin: null"}, {"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site", "Origin: " + s.Origin(B)},
		{"Sec-Fetch-Site: cross-site", "Origin: " + s.Origin(A)},
	} {
		if a := s.Finalize(A, proof, fields...); a.Status != http.StatusForbidden || a.Cookie("__Host-doorward") != "" {
			t.Errorf("finished by %q: %v", fields, a)
		}
	}
	if a := s.Finalize(A, proof); a.Status != http.StatusOK {
		t.Errorf("the program that began: %v", a)
	}
}
