package handlers_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

// initialize asks for a passcode as a program does.
func (c *client) initialize(address string, header ...string) (id string, a answer) {
	a = c.call("POST", "/doorward/passcode/login/initialize", `{"email":"`+address+`"}`, header...)
	var body struct{ ID string }
	_ = json.Unmarshal([]byte(a.body), &body) // a refusal has none
	return body.ID, a
}

func (c *client) finalize(id, code string, header ...string) answer {
	return c.call("POST", "/doorward/passcode/login/finalize", `{"id":"`+id+`","code":"`+code+`"}`, header...)
}

func TestProgramSignsInWithAPasscode(t *testing.T) {
	r := newRig(t, setup{tokenHeader: true})
	c := r.client()
	id, began := c.initialize("ann@example.com")
	r.wantStatus("initialize", began, http.StatusOK)
	var body struct {
		ID        string    `json:"id"`
		TTL       int       `json:"ttl"`
		CreatedAt time.Time `json:"created_at"`
	}
	began.decode(t, &body)
	if uuid.Validate(id) != nil || body.TTL != 300 || !body.CreatedAt.Equal(r.now()) || len(began.header["Set-Cookie"]) != 0 {
		t.Errorf("initialize: %s with cookies %q, want a UUID, 300, now and none", began.body, began.header["Set-Cookie"])
	}
	in := c.finalize(id, r.box.passcode(t))
	r.wantStatus("finalize", in, http.StatusOK)
	token := in.header.Get("X-Auth-Token")
	if token == "" || len(in.header["Set-Cookie"]) != 0 || in.header.Get("X-Session-Lifetime") != "43200" {
		t.Errorf("finalize: headers %v, want the token in X-Auth-Token, its lifetime, and no cookie", in.header)
	}
	in.decode(t, &body)
	if body.ID != id || body.TTL != 300 {
		t.Errorf("finalize: %s", in.body)
	}
	me := c.call("GET", "/doorward/me", "", "Authorization", "Bearer "+token)
	r.wantStatus("me", me, http.StatusOK)
	for _, header := range []string{"X-Auth-Token", "Cookie"} {
		value := token
		if header == "Cookie" {
			value = "hanko=" + token
		}
		r.wantProblem(header, c.call("GET", "/doorward/me", "", header, value), 401, "sign_in_required")
	}
	r.wantProblem("token in the query", c.call("GET", "/doorward/me?access_token="+token, ""), 401, "sign_in_required")
	r.wantStatus("logout", c.call("POST", "/doorward/logout", "", "Authorization", "Bearer "+token), http.StatusNoContent)
	r.wantProblem("me, signed out", c.call("GET", "/doorward/me", "", "Authorization", "Bearer "+token), 401, "session_ended")
}

func TestTokenGoesToPagesInACookieOnly(t *testing.T) {
	r := newRig(t, setup{tokenHeader: true})
	c := r.client()
	id, _ := c.initialize("ann@example.com", fetches...)
	in := c.finalize(id, r.box.passcode(t), fetches...)
	if in.status != http.StatusOK || in.header.Get("X-Auth-Token") != "" || c.cookies[r.cookie.Name] == "" {
		t.Errorf("status %d, X-Auth-Token %q: a script can read the token", in.status, in.header.Get("X-Auth-Token"))
	}
}

func TestBadBearerTokenDoesNotStandInTheWayOfTheCookie(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	for _, bearer := range []string{"garbage", "a.b.c", ann.cookies[r.cookie.Name] + "x"} {
		if a := ann.call("GET", "/doorward/me", "", "Authorization", "Bearer "+bearer); a.status != http.StatusOK {
			t.Errorf("bearer %.10s beside a good cookie: status %d, want 200", bearer, a.status)
		}
	}
}

func TestPasscodeAnswersAreHankos(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client()
	id, _ := c.initialize("ann@example.com")
	code := r.box.passcode(t)
	for _, want := range []struct {
		status  int
		slug    string
		message string
	}{
		{401, "wrong_passcode", "Unauthorized"}, {401, "wrong_passcode", "Unauthorized"},
		{410, "too_many_attempts", "max attempts reached"}, {401, "passcode_not_found", "passcode not found"},
	} {
		if p := r.wantProblem("guess", c.finalize(id, wrong(code)), want.status, want.slug); p.Message != want.message {
			t.Errorf("message %q, want %q", p.Message, want.message)
		}
	}
	id, _ = c.initialize("ann@example.com")
	code = r.box.passcode(t)
	r.advance(5 * time.Minute)
	if p := r.wantProblem("late", c.finalize(id, code), 408, "passcode_expired"); p.Message != "passcode request timed out" {
		t.Errorf("message %q", p.Message)
	}
}

func TestCeremonyOfABrowserIsFinishedByThatBrowser(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client()
	id, _ := c.initialize("ann@example.com", fetches...)
	code := r.box.passcode(t)
	r.wantProblem("another browser", r.client().finalize(id, code, fetches...), 401, "passcode_not_found")
	r.wantProblem("a program", r.client().finalize(id, code), 401, "passcode_not_found")
	r.wantStatus("the same browser", c.finalize(id, code, fetches...), http.StatusOK)
}

func TestAnswerToProgramsTellsNobodyWhoHasAnAccount(t *testing.T) {
	r := newRig(t, setup{allow: []string{"ann@example.com"}})
	for _, address := range []string{"ann@example.com", "nobody@example.com", "eve@example.net"} {
		id, a := r.client().initialize(address)
		want := `{"id":"` + id + `","ttl":300,"created_at":"2026-03-01T12:00:00Z"}`
		if a.status != http.StatusOK || a.body != want || len(a.header["Set-Cookie"]) != 0 {
			t.Errorf("%s: %d %s, want 200 %s", address, a.status, a.body, want)
		}
	}
	if n := len(r.box.letters(t)); n != 1 {
		t.Errorf("%d letters, want the one to Ann", n)
	}
}

func TestBudgetOfOneNetworkIsSpent(t *testing.T) {
	r := newRig(t, setup{budgets: ceremony.Budgets{Begun: ceremony.Budget{Times: 2, Per: time.Hour}}})
	for _, address := range []string{"ann@example.com", "bob@example.com"} {
		_, a := r.client().initialize(address)
		r.wantStatus(address, a, http.StatusOK)
	}
	_, a := r.client().initialize("cleo@example.com", "X-Forwarded-For", "203.0.113.9", "X-Real-IP", "203.0.113.9", "Forwarded", "for=203.0.113.9")
	r.wantProblem("third, with a made-up address", a, 429, "too_many_requests")
	if got := a.header.Get("Retry-After"); got != "3600" {
		t.Errorf("Retry-After %q, want 3600", got)
	}
}

func TestWhoMayNotSignInIsToldSo(t *testing.T) {
	r := newRig(t, setup{})
	a := newAuthenticator()
	ann := r.client().signIn("ann@example.com")
	ann.addPasskey(a)
	id, _ := r.client().initialize("ann@example.com")
	letters := r.box.letters(t)
	code := codePattern.FindString(letters[len(letters)-1].Subject)
	must(t, r.directory.SetDisabled(t.Context(), meID(t, ann), true))
	r.wantProblem("passkey", r.client().usePasskey(a), 403, "not_allowed")
	r.wantProblem("passcode", r.client().finalize(id, code), 403, "not_allowed")
}

// Two users who sign in one after the other in one browser do not share it.
func TestNextUserOfABrowserEndsTheSessionBefore(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	ann := r.client()
	ann.cookies[r.cookie.Name] = c.cookies[r.cookie.Name]
	c.signIn("bob@example.com")
	if ann.signedIn() {
		t.Error("Ann's session lives on, unseen")
	}
	bob, err := r.directory.UserByAddress(t.Context(), directory.Address("bob@example.com"))
	must(t, err)
	if got := meID(t, c); got != bob.ID {
		t.Errorf("signed in is %s, want Bob, %s", got, bob.ID)
	}
}
