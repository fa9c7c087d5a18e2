package attacks

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/secret"
)

// closedPlan is of a house where nobody makes an account.
var closedPlan = Plan{Doorward: "api {\n\t\t\tsignup closed\n\t\t}"}

// roles is what a client adds to a body, to be more than it is.
var roles = map[string]any{
	"role": "admin", "roles": []string{"admin"}, "groups": []string{"admins"}, "group": "admins", "is_admin": true, "admin": true, "added": true, "disabled": false,
	"email_verified": true, "is_verified": true, "verified": true, "is_primary": true, "sub": "00000000-0000-4000-8000-000000000000", "amr": []string{"mfa"}, "created": true,
}

func withRoles(body map[string]any) map[string]any {
	all := map[string]any{}
	for _, o := range []map[string]any{roles, body} {
		for name, value := range o {
			all[name] = value
		}
	}
	return all
}

// userOf returns what operators see of an address's owner; nil for nobody.
func (s *Scene) userOf(address string) (user map[string]any) {
	s.T.Helper()
	response, err := http.Get("http://" + s.Gateway.AdminAddr + "/doorward/users/" + address)
	if err != nil {
		s.T.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(&user); err != nil {
		s.T.Fatal(err)
	}
	return user
}

// A stranger makes an account where that is closed, or an account that is more than
// others.
// POST /doorward/users {"email":...,"role":"admin","groups":["admins"]}.
func TestT158SignUpIsClosedOrAsksForMore(t *testing.T) {
	s := Begin(t)
	address := "newcomer." + s.name + "@example.test"
	var promised struct {
		User string `json:"user_id"`
		Mail string `json:"email_id"`
	}
	s.Post(A, "/doorward/users", withRoles(map[string]any{"email": address})).JSON(t, &promised)
	var proof Proof
	s.Post(A, "/doorward/passcode/login/initialize", withRoles(map[string]any{"user_id": promised.User, "email_id": promised.Mail})).JSON(t, &proof)
	letter, err := s.Mailbox.For(s.mailbox, address)
	if err != nil {
		t.Fatal(err)
	}
	proof.Code = letter.Passcode()
	a := s.Post(A, "/doorward/passcode/login/finalize", withRoles(map[string]any{"id": proof.ID, "code": proof.Code}))
	if a.Status != http.StatusOK {
		t.Fatalf("signing up: %v", a)
	}
	p := &Person{Address: address}
	s.adopt(p, a)
	user := s.userOf(address)
	if groups, _ := user["groups"].([]any); len(groups) != 0 || user["added"] != false {
		t.Errorf("the account is %v, want one without groups, not added by an operator", user)
	}
	_, claims := parseToken(t, p.Token)
	if amr, _ := claims["amr"].([]any); len(amr) != 1 || amr[0] != "otp" {
		t.Errorf("the session says amr %v, want otp alone", claims["amr"])
	}
	s.Denied(s.Get(A, "/admin", p.Bearer))
	s.Denied(s.Get(B, "/", p.Bearer))

	shut := Build(t, closedPlan).Begin(t)
	stranger := "stranger." + shut.name + "@example.test"
	shut.Post(A, "/doorward/users", withRoles(map[string]any{"email": stranger}))
	begun := shut.Post(A, "/doorward/passcode/login/initialize", withRoles(map[string]any{"email": stranger}))
	if begun.Status == http.StatusOK {
		begun.JSON(t, &proof)
		shut.rejects("a passcode that nobody was sent", shut.Finalize(A, Proof{proof.ID, "123456"}))
	}
	shut.Form(A, "/doorward/login", "email="+stranger+"&role=admin&groups=admins")
	member := shut.SignedIn("member") // whoever has an account goes on
	if a := shut.Get(A, "/", member.Bearer); a.Status != http.StatusOK {
		t.Errorf("a member: %v", a)
	}
	if user := shut.userOf(stranger); user != nil {
		t.Errorf("there is an account: %v", user)
	}
	for _, letter := range shut.Mailbox.All() {
		if slices.Contains(letter.To, stranger) {
			t.Errorf("a stranger has a letter: %q", letter.Subject)
		}
	}
}

// Somebody prepares an account for a victim who is not there yet, to share it later.
// POST /doorward/users {victim}; a passkey for it; the victim signs in.
func TestT160AccountIsPreparedForAVictim(t *testing.T) {
	s := Begin(t)
	mallory := s.WithPasskey("mallory")
	address := "victim." + s.name + "@example.test"
	var promised struct {
		User string `json:"user_id"`
		Mail string `json:"email_id"`
	}
	s.Post(A, "/doorward/users", map[string]string{"email": address}).JSON(t, &promised)
	var added struct{ ID string }
	s.Post(A, "/doorward/emails", map[string]string{"address": address}, mallory.Bearer).JSON(t, &added)
	if user := s.userOf(address); user != nil {
		t.Errorf("there is an account that nobody proved: %v", user)
	}
	for name, fields := range map[string][]string{"as nobody": nil, "as mallory": {mallory.Bearer}} {
		if a := s.Post(A, registrationInitialize, map[string]string{"user_id": promised.User}, fields...); a.Status/100 != 4 {
			t.Errorf("a passkey for the victim, %s: %v", name, a)
		}
	}
	options := s.Challenge(A, registrationInitialize, struct{}{}, mallory.Bearer)
	if a := s.Post(A, registrationFinalize, s.Create(A, options), "Cookie: __Host-doorward=x"); a.Status != http.StatusUnauthorized {
		t.Errorf("a passkey without a session: %v", a)
	}
	// Mallory has a passcode sent to the victim, whom it tells what it is for.
	var begun Proof
	s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"user_id": mallory.ID, "email_id": added.ID}, mallory.Bearer).JSON(t, &begun)
	letter, err := s.Mailbox.For(s.mailbox, address)
	if err != nil {
		t.Fatal(err)
	}

	s.Elsewhere()
	own := s.Passcode(A, address)
	s.rejects("the passcode of mallory's letter, typed by the victim", s.Finalize(A, Proof{own.ID, letter.Passcode()}))
	s.rejects("the victim's passcode, typed by mallory", s.Finalize(A, Proof{begun.ID, own.Code}, mallory.Bearer))
	victim := &Person{Address: address}
	s.SignIn(A, victim)
	user := s.userOf(address)
	victim.ID, _ = user["id"].(string)
	if victim.ID == mallory.ID || user["email"] != address {
		t.Fatalf("the victim signs in to %v", user)
	}
	if list := s.Passkeys(A, victim); len(list) != 0 {
		t.Errorf("the victim has the passkeys %q, want none", list)
	}
	if a := s.Get(A, "/doorward/emails", victim.Bearer); strings.Contains(a.Body, mallory.Address) || !strings.Contains(a.Body, address) {
		t.Errorf("the victim's addresses: %v", a)
	}
	if a := s.Get(A, "/doorward/sessions", victim.Bearer); strings.Count(a.Body, `"id"`) != 1 {
		t.Errorf("the victim's sessions: %v, want one", a)
	}
	if a := s.Get(A, "/doorward/emails", mallory.Bearer); strings.Contains(a.Body, address) {
		t.Errorf("mallory has the victim's address: %v", a)
	}
	s.rejects("mallory's passkey in the victim's name", s.SignInByPasskey(A, mallory, func(a *authenticator.Answer) {
		a.UserHandle = mustHandle(t, s, victim)
	}))
	if a := s.SignInByPasskey(A, mallory); a.Status != http.StatusOK || !strings.Contains(a.Body, mallory.ID) {
		t.Errorf("mallory's passkey signs in: %v, want mallory", a)
	}
}

// Somebody who was removed replays all that they had.
// DELETE the user; then the session, the passkey, the passcode under way.
func TestT163RemovedUserLeavesNothing(t *testing.T) {
	house, redis := apart()
	s := house.Begin(t)
	alice := s.WithPasskey("alice", "admins")
	if a := s.Get(A, "/", alice.Bearer); a.Status != http.StatusOK {
		t.Fatal(a)
	}
	assertion := s.One().Values("X-Auth-Token")[0]
	_, claims := parseToken(t, alice.Token)
	proof, challenge := s.Passcode(A, alice.Address), s.Challenge(A, loginInitialize, struct{}{})
	registration := s.Challenge(A, registrationInitialize, struct{}{}, alice.Bearer)
	s.Admin(t, "DELETE", "/doorward/users/"+alice.ID, nil)

	s.Denied(s.Get(A, "/", alice.Bearer))
	s.Denied(s.Get(A, "/admin", alice.Cookie))
	s.Denied(s.Get(A, "/", "Authorization: Bearer "+assertion))
	s.rejects("who is it", s.Get(A, "/doorward/me", alice.Bearer))
	s.rejects("the passkey", s.Post(A, loginFinalize, s.Assert(alice, challenge)))
	s.rejects("the passkey, begun anew", s.SignInByPasskey(A, alice))
	s.rejects("another passkey", s.Post(A, registrationFinalize, s.Create(A, registration), alice.Bearer))
	if a := s.Post(A, "/doorward/sessions/validate", map[string]string{"session_token": alice.Token}); strings.Contains(a.Body, "true") {
		t.Errorf("the session is valid: %v", a)
	}
	keys, _ := redis.Must("keys", "*").([]any)
	if len(keys) == 0 {
		t.Fatal("Redis has no keys: that proves nothing")
	}
	for _, key := range keys {
		if key == "first:key:subject/"+alice.ID {
			continue // says that she is gone, for as long as a session could last
		}
		for _, id := range []string{alice.ID, claims["sid"].(string)} {
			if strings.Contains(key.(string), id) {
				t.Errorf("Redis still has %s", key)
			}
		}
	}
	ring, err := secret.NewRing([]byte(separateSecret))
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := redis.Must("get", "first:key:subject/"+alice.ID).(string)
	gone, err := ring.Sealer("store").Open([]byte(sealed), []byte("subject/"+alice.ID))
	if err != nil || !strings.Contains(string(gone), `"disabled":true`) || strings.Contains(string(gone), alice.Address) || strings.Contains(string(gone), "admins") {
		t.Errorf("what Redis says of her: %s, %v; want that she is gone, and no more", gone, err)
	}

	// The passcode proves the mailbox: with an open sign-up it makes a new account, which
	// has nothing of the old one.
	if a := s.Finalize(A, proof); a.Status == http.StatusOK {
		s.adopt(alice, a)
		user := s.userOf(alice.Address)
		if groups, _ := user["groups"].([]any); user["id"] == alice.ID || len(groups) > 0 || len(s.Passkeys(A, alice)) > 0 {
			t.Errorf("the account is back: %v", user)
		}
		s.Denied(s.Get(A, "/admin", alice.Bearer))
	} else {
		s.rejects("the passcode", a)
	}
}
