package enumeration

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

// Somebody who is signed in learns no more about others than a stranger does: by
// adding the address, by naming its ID, by asking for passcodes with it.
func TestAnswersTellNobodyWhoIsSignedInWhoElseHasAnAccount(t *testing.T) {
	t.Parallel()
	var people map[string]map[string]person
	h := openHouse(t, settings{}, func(d *directory.Directory) { people = everybody(t, d, asMallory, kinds) })
	for _, j := range asMallory {
		var want []note
		for _, k := range kinds {
			s := h.signedIn(t, people[j.name][k.name])
			j.run(s)
			if want == nil {
				want = s.notes
				continue
			}
			for _, difference := range compare(k.name, kinds[0].name, s.notes, want) {
				t.Errorf("%s, %s", j.name, difference)
			}
		}
	}
}

var asMallory = []journey{
	{"adding the address", func(s *stranger) {
		for range 3 {
			var added struct {
				ID     string `json:"id"`
				UserID string `json:"user_id"`
			}
			s.read(s.call("POST", "/doorward/emails", s.json("address", s.about.typed)), &added)
			s.guess(s.call("POST", initialize, s.json("user_id", added.UserID, "email_id", added.ID)))
			s.call("POST", "/doorward/emails/"+added.ID+"/set_primary", "")
			s.call("DELETE", "/doorward/emails/"+added.ID, "")
			s.call("GET", "/doorward/emails", "")
		}
	}},
	{"adding the address by the page", func(s *stranger) {
		to := s.submit("/doorward/account/emails/add", "email", s.about.typed).Header.Get("Location")
		s.visit(to)
		for range 4 {
			s.submit("/doorward/account/emails/verify", "passcode", wrong)
		}
		s.submit("/doorward/account/emails/verify/again")
	}},
	{"asking for a passcode", func(s *stranger) {
		s.guess(s.call("POST", initialize, s.json("email", s.about.typed)))
		s.call("POST", initialize, s.json("user_id", s.about.userID))
		s.call("POST", initialize, s.json("user_id", s.about.userID, "email_id", s.about.emailID))
	}},
	{"naming IDs", func(s *stranger) {
		s.call("GET", "/doorward/users/"+s.about.userID, "")
		s.call("POST", "/doorward/emails/"+s.about.emailID+"/set_primary", "")
		s.call("DELETE", "/doorward/emails/"+s.about.emailID, "")
		s.submit("/doorward/account/emails/primary", "id", s.about.emailID)
		s.submit("/doorward/account/emails/remove", "id", s.about.emailID)
		s.call("POST", "/doorward/webauthn/login/initialize", s.json("user_id", s.about.userID))
		s.call("POST", "/doorward/webauthn/registration/initialize", s.json("user_id", s.about.userID))
		s.call("DELETE", "/doorward/sessions/"+s.about.userID, "")
	}},
	{"a promise of an account", func(s *stranger) {
		s.call("POST", "/doorward/users", s.json("email", s.about.typed))
		s.call("POST", "/doorward/user", s.json("email", s.about.typed))
	}},
}

// signedIn returns a stranger to p who is signed in as somebody new.
func (h *house) signedIn(t testing.TB, p person) *stranger {
	t.Helper()
	s := h.stranger(t, p)
	own := string(address("example.com"))
	var begun struct {
		ID string `json:"id"`
	}
	s.read(s.call("POST", initialize, s.json("email", own)), &begun)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	letter, err := h.box.For(ctx, own)
	check(t, err)
	in := s.call("POST", finalize, s.json("id", begun.ID, "code", letter.Passcode()))
	if in.StatusCode != http.StatusOK {
		t.Fatalf("signing in: status %d: %s", in.StatusCode, in.body)
	}
	var me struct {
		ID string `json:"id"`
	}
	s.read(s.call("GET", "/doorward/me", ""), &me)
	if me.ID == "" {
		t.Fatal("signed in as nobody")
	}
	s.own, s.notes, s.ids = own, nil, nil
	return s
}
