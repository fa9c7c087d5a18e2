package attacks

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// deadline is how soon a session that was ended anywhere is dead everywhere. A
// machine that has more to do is given more.
const deadline = 2 * time.Second

// dead waits until each node of the pair refuses a session.
func (p *Pair) dead(s *Scene, what, field string) {
	s.T.Helper()
	began := time.Now()
	for _, node := range []string{p.Gateway.Addr, p.Second.Addr} {
		s.Eventually(what+" to be dead on "+node, func() bool {
			a := s.At(node, A, "/wiki", field)
			return a.Status == http.StatusUnauthorized
		})
	}
	if took := time.Since(began); took > deadline {
		s.T.Errorf("%s was dead after %v, want %v", what, took, deadline)
	}
	s.Seen() // what passed until then is held to be its owner's
	s.Denied(s.At(p.Second.Addr, A, "/wiki", field))
}

// live checks that each node of the pair takes a session, which both then know.
func (p *Pair) live(s *Scene, what, field string) {
	s.T.Helper()
	for _, node := range []string{p.Gateway.Addr, p.Second.Addr} {
		if a := s.At(node, A, "/wiki", field); a.Status != http.StatusOK {
			s.T.Fatalf("%s on %s: %v", what, node, a)
		}
	}
	s.Seen()
}

// The token of a session is copied, its owner signs out, and the copy is used, on
// this node and on another. POST /doorward/logout; GET /wiki with the copy.
func TestT62SessionLivesOnAfterSigningOut(t *testing.T) {
	p := pair()
	s := p.Begin(t)
	for name, out := range map[string]func(*Person) Answer{
		"a form":    func(x *Person) Answer { return s.Form(A, "/doorward/logout", "", x.Cookie) },
		"a program": func(x *Person) Answer { return s.Post(A, "/doorward/logout", "", x.Bearer) },
	} {
		alice := s.SignedIn("alice" + name[2:])
		p.live(s, name, alice.Cookie)
		a := out(alice)
		if a.Status != http.StatusSeeOther && a.Status != http.StatusNoContent || !takenBack(a, "__Host-doorward") {
			t.Errorf("signing out by %s: %v", name, a)
		}
		s.Denied(s.Get(A, "/wiki", alice.Cookie)) // here it is dead at once
		for _, field := range []string{alice.Cookie, alice.Bearer} {
			p.dead(s, "a session that "+name+" ended", field)
		}
		for _, own := range []string{"/doorward/me", "/doorward/sessions", "/doorward/account", "/doorward/webauthn/credentials"} {
			if a := s.At(p.Second.Addr, A, own, alice.Cookie); a.Status != http.StatusUnauthorized && a.Status != http.StatusSeeOther {
				t.Errorf("%s with a session that was ended: %v", own, a)
			}
		}
		var valid struct {
			Valid bool `json:"is_valid"`
		}
		if s.Post(A, "/doorward/sessions/validate", map[string]string{"session_token": alice.Token}).JSON(t, &valid); valid.Valid {
			t.Error("a session that was ended is called valid")
		}
		// To sign out again is no error of ours, and wakes nothing.
		out(alice)
		s.Denied(s.Get(A, "/wiki", alice.Cookie))
	}
	s.Quiet()
}

// A session is ended from another browser, by its owner: DELETE
// /doorward/sessions/{id} there, and the first one and its sockets are dead.
func TestT63SessionIsEndedFromElsewhere(t *testing.T) {
	p := pair()
	s := p.Begin(t)
	phone := s.SignedIn("alice")
	laptop := *phone
	s.SignIn(A, &laptop)
	tablet := *phone
	s.SignIn(A, &tablet)
	mallory := s.SignedIn("mallory")
	sessions := func(x *Person) (ids map[bool][]string) {
		var list []struct {
			ID      string
			Current bool
		}
		s.Get(A, "/doorward/sessions", x.Bearer).JSON(t, &list)
		ids = make(map[bool][]string)
		for _, l := range list {
			ids[l.Current] = append(ids[l.Current], l.ID)
		}
		return ids
	}
	p.live(s, "the phone", phone.Cookie)
	socket := s.Socket(phone)
	id := sessions(phone)[true][0]

	// Whose it is not cannot end it.
	for _, a := range []Answer{
		s.Send(A, s.Request(A, "DELETE", "/doorward/sessions/"+id, mallory.Bearer)), s.Send(A, s.Request(A, "DELETE", "/doorward/sessions/"+id)),
		s.Form(A, "/doorward/account/sessions/end", "id="+id, mallory.Cookie),
	} {
		if a.Status != http.StatusNotFound && a.Status != http.StatusUnauthorized && !strings.Contains(a.Header.Get("Location"), "problem=") {
			t.Errorf("somebody else ended a session: %v", a)
		}
	}
	p.live(s, "the phone", phone.Cookie)
	if a := s.Send(A, s.Request(A, "DELETE", "/doorward/sessions/"+id, laptop.Bearer)); a.Status != http.StatusNoContent {
		t.Fatalf("ending a session: %v", a)
	}
	p.dead(s, "the phone's session", phone.Cookie)
	s.Closes("ended from the laptop", socket)

	// All others, at once.
	p.live(s, "the tablet", tablet.Cookie)
	socket = s.Socket(&tablet)
	if a := s.Post(A, "/doorward/sessions/end-others", struct{}{}, laptop.Bearer); a.Status != http.StatusNoContent {
		t.Fatalf("ending the others: %v", a)
	}
	p.dead(s, "the tablet's session", tablet.Cookie)
	s.Closes("ended with all others", socket)
	p.live(s, "the laptop", laptop.Cookie)
	p.live(s, "somebody else", mallory.Cookie)
	if left := sessions(&laptop); len(left[true]) != 1 || len(left[false]) != 0 {
		t.Errorf("the sessions %v are left", left)
	}
}

// Somebody is disabled, removed, or loses a group or the place on the list, and
// goes on with the session that they have: GET /wiki with it.
func TestT64RightsThatAreTakenAwayLast(t *testing.T) {
	p := pair()
	s := p.Begin(t)
	bob := s.SignedIn("bob", "admins")
	s.AddPasskey(A, bob)
	admin := func(method, path string, body any) {
		t.Helper()
		s.Admin(t, method, "/doorward/users/"+bob.ID+path, body)
	}
	p.live(s, "bob", bob.Cookie)
	if a := s.At(p.Second.Addr, A, "/admin/", bob.Cookie); a.Status != http.StatusOK {
		t.Fatalf("bob, who is an admin: %v", a)
	}
	s.Seen()

	admin("PUT", "/groups", map[string]any{"groups": []string{"users"}})
	for _, node := range []string{p.Gateway.Addr, p.Second.Addr} {
		s.Eventually("the group to be gone on "+node, func() bool { return s.At(node, A, "/admin/", bob.Cookie).Status == http.StatusForbidden })
	}
	s.Seen()
	s.At(p.Second.Addr, A, "/wiki", bob.Cookie, "Remote-Groups: admins")
	if got := s.One().Values("Remote-Groups"); len(got) != 1 || got[0] != "users" {
		t.Errorf("the app saw the groups %q, want users", got)
	}

	socket := s.Socket(bob)
	admin("POST", "/disable", nil)
	p.dead(s, "the session of somebody who is disabled", bob.Cookie)
	p.dead(s, "the token of somebody who is disabled", bob.Bearer)
	s.Closes("disabled", socket)
	if a := s.SignInByPasskey(A, bob); a.Status/100 != 4 || a.Cookie("__Host-doorward") != "" {
		t.Errorf("somebody who is disabled signs in with a passkey: %v", a)
	}
	begun := s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"email": bob.Address})
	if begun.Status != http.StatusOK { // as for anybody
		t.Errorf("somebody who is disabled asks for a passcode: %v", begun)
	}
	admin("POST", "/enable", nil)
	s.Denied(s.Get(A, "/wiki", bob.Cookie)) // what was ended stays ended
	s.SignIn(A, bob)
	p.live(s, "bob, who may again", bob.Cookie)

	socket = s.Socket(bob)
	s.Admin(t, "DELETE", "/doorward/users/"+bob.ID, nil)
	p.dead(s, "the session of somebody who was removed", bob.Cookie)
	s.Closes("removed", socket)
	if a := s.SignInByPasskey(A, bob); a.Status/100 != 4 || a.Cookie("__Host-doorward") != "" {
		t.Errorf("somebody who was removed signs in with a passkey: %v", a)
	}
	t.Run("the list", listIsShortened)
}

// listIsShortened changes who may pass, in the configuration.
func listIsShortened(t *testing.T) {
	h := Build(t, Plan{})
	s := h.Begin(t)
	eve := s.SignedIn("eve@example.test")
	stays := s.SignedIn("stays@example.test")
	if a := s.Get(A, "/wiki", eve.Cookie); a.Status != http.StatusOK {
		t.Fatalf("before: %v", a)
	}
	s.Seen()
	config := strings.ReplaceAll(string(s.Admin(t, "GET", "/config/", nil)), `"*@example.test"`, `"stays@example.test"`)
	s.Admin(t, "POST", "/load", json.RawMessage(config))
	a := s.Get(A, "/wiki", eve.Cookie)
	if s.Denied(a); a.Status != http.StatusForbidden {
		t.Errorf("somebody who is not on the list any more: %v", a)
	}
	if a := s.Get(A, "/wiki", stays.Cookie); a.Status != http.StatusOK {
		t.Errorf("somebody who is: %v", a)
	}
}

// A session that began at one app is used at another that asks for more:
// the session of A at B, which is for staff, and at C.
func TestT66SessionOfOneAppIsUsedAtAnother(t *testing.T) {
	s := Begin(t)
	alice, carol := s.SignedIn("alice"), s.SignedIn("carol", "staff", "admins")
	for _, p := range []*Person{alice, carol} {
		for _, site := range []string{B, C} {
			for _, field := range []string{p.Cookie, p.Bearer} {
				for _, more := range [][]string{nil, Page} {
					s.Denied(s.Get(site, "/", append(more[:len(more):len(more)], field)...))
				}
			}
		}
		// The name of one site in the certificate, of another in Host.
		s.Refused(s.Send(A, s.Request(B, "GET", "/", p.Cookie)))
		s.Refused(s.Send(B, s.Request(B, "GET", "/", p.Cookie, "X-Forwarded-Host: "+A)))
		s.Refused(s.Send(B, s.Request(B, "GET", s.Origin(B)+"/", p.Cookie, "Origin: "+s.Origin(A))))
	}
	if a := s.Get(A, "/admin/", alice.Cookie); a.Status != http.StatusForbidden {
		t.Errorf("a group that she does not have: %v", a)
	}
	// Whom B does not let in gets no session there either.
	proof := s.Passcode(A, alice.Address)
	if a := s.Finalize(B, proof); a.Status/100 != 4 || a.Cookie("__Host-doorward") != "" {
		t.Errorf("a passcode that was sent for A, at B: %v", a)
	}
	s.Quiet()
	// Whom it lets in has one for it alone.
	at := *carol
	s.SignIn(B, &at)
	if a := s.Get(B, "/", at.Cookie); a.Status != http.StatusOK {
		t.Errorf("a session of B at B: %v", a)
	}
	if got := s.One().Values("Remote-User"); len(got) != 1 || got[0] != carol.Address {
		t.Errorf("the app saw %q", got)
	}
	s.Denied(s.Get(A, "/", at.Cookie))
	s.Denied(s.Get(C, "/", at.Bearer))
}
