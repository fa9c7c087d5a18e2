package enumeration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
)

const (
	initialize = "/doorward/passcode/login/initialize"
	finalize   = "/doorward/passcode/login/finalize"
)

// wrong is never a passcode.
const wrong = "abcdef"

// journeys are what strangers ask about somebody. Each goes on until its budgets are
// spent, since what is answered then must tell as little.
var journeys = []journey{
	{"a program, by the address", byAddress},
	{"a program, by the address in capitals", inCapitals},
	{"a script in our page, by the address", byScript},
	{"the pages", byPages},
	{"a promise of an account", byPromise},
	{"a look-up", byLookup},
	{"the IDs of an account", byIDs},
	{"a passkey of the user", byPasskey},
}

func byAddress(s *stranger) {
	for range 12 { // more letters than go to one address
		s.guess(s.call("POST", initialize, s.json("email", s.about.typed)))
	}
	s.call("POST", initialize, s.json("email", s.about.typed, "user_id", s.about.userID))
	s.call("POST", initialize, s.json("email", " "+s.about.typed))
}

func inCapitals(s *stranger) {
	s.about.typed = strings.ToUpper(s.about.typed)
	s.guess(s.call("POST", initialize, s.json("email", s.about.typed)))
	s.guess(s.call("POST", initialize, s.json("email", string(s.about.address))))
}

func byScript(s *stranger) {
	begun := s.script("POST", initialize, s.json("email", s.about.typed))
	var id struct{ ID string }
	s.read(begun, &id)
	for range 4 {
		s.script("POST", finalize, s.json("id", id.ID, "code", wrong))
	}
	s.call("POST", finalize, s.json("id", id.ID, "code", wrong))
}

// guess tries to finish what begun began, with wrong passcodes, for longer than one
// may.
func (s *stranger) guess(begun answer) {
	var id struct{ ID string }
	if begun.StatusCode != http.StatusOK {
		return
	}
	s.read(begun, &id)
	s.call("POST", finalize, s.json("id", id.ID, "code", ""))
	for range 4 {
		s.call("POST", finalize, s.json("id", id.ID, "code", wrong))
	}
}

func byPages(s *stranger) {
	const target = "/wiki?page=1"
	s.visit("/doorward/login?return=" + url.QueryEscape(target))
	for range 3 {
		to := s.submit("/doorward/login", "email", s.about.typed, "return", target, "passkeys", "1").Header.Get("Location")
		if to == "" {
			continue
		}
		s.visit(to)
		for range 4 {
			s.submit("/doorward/login/passcode", "passcode", wrong, "return", target)
		}
		s.visit(to)
	}
	for range 10 {
		s.submit("/doorward/login", "email", s.about.typed, "return", target)
		s.submit("/doorward/login/passcode/again", "return", target)
		s.submit("/doorward/login/passcode", "passcode", wrong, "return", target)
	}
}

func byPromise(s *stranger) {
	for range 3 {
		var promised struct {
			UserID  string `json:"user_id"`
			EmailID string `json:"email_id"`
		}
		s.read(s.call("POST", "/doorward/users", s.json("email", s.about.typed)), &promised)
		s.guess(s.call("POST", initialize, s.json("user_id", promised.UserID)))
		s.guess(s.call("POST", initialize, s.json("user_id", promised.UserID, "email_id", promised.EmailID)))
		s.call("POST", initialize, s.json("user_id", promised.UserID, "email_id", s.about.emailID))
		s.call("POST", "/doorward/webauthn/login/initialize", s.json("user_id", promised.UserID))
		s.call("GET", "/doorward/users/"+promised.UserID, "")
	}
}

func byLookup(s *stranger) {
	for range 2 {
		s.call("POST", "/doorward/user", s.json("email", s.about.typed))
	}
	s.call("DELETE", "/doorward/user", "")
	s.call("GET", "/doorward/me", "")
}

func byIDs(s *stranger) {
	for range 2 {
		s.guess(s.call("POST", initialize, s.json("user_id", s.about.userID)))
		s.guess(s.call("POST", initialize, s.json("user_id", s.about.userID, "email_id", s.about.emailID)))
		s.guess(s.call("POST", initialize, s.json("user_id", strings.ToUpper(s.about.userID))))
		s.guess(s.call("POST", initialize, s.json("user_id", s.about.userID, "email_id", uuid.NewString())))
		s.call("POST", initialize, s.json("email_id", s.about.emailID))
	}
	for range 8 {
		s.call("POST", initialize, s.json("user_id", s.about.userID))
	}
	s.call("GET", "/doorward/users/"+s.about.userID, "")
	s.call("POST", "/doorward/emails/"+s.about.emailID+"/set_primary", "")
	s.call("DELETE", "/doorward/emails/"+s.about.emailID, "")
}

func byPasskey(s *stranger) {
	for _, path := range []string{"login", "authentication", "registration"} {
		s.call("POST", "/doorward/webauthn/"+path+"/initialize", s.json("user_id", s.about.userID))
		s.script("POST", "/doorward/webauthn/"+path+"/initialize", s.json("user_id", s.about.userID))
		s.call("POST", "/doorward/webauthn/"+path+"/initialize", fmt.Sprintf(`{"user":{"id":%q,"name":%q}}`, s.about.userID, s.about.typed))
	}
}

// json returns a JSON object of names and values in turn.
func (s *stranger) json(fields ...string) string {
	object := make(map[string]string)
	for i := 0; i+1 < len(fields); i += 2 {
		object[fields[i]] = fields[i+1]
	}
	text, err := json.Marshal(object)
	check(s.t, err)
	return string(text)
}

// read decodes the body of an answer that has to be 200.
func (s *stranger) read(a answer, into any) {
	s.t.Helper()
	if a.StatusCode != http.StatusOK {
		s.t.Fatalf("about %s: status %d, want 200: %s", s.about.address, a.StatusCode, a.body)
	}
	check(s.t, json.Unmarshal([]byte(a.body), into))
}
