package handlers_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/handlers"
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
	r := newRig(t, setup{api: handlers.API{TokenHeader: true}})
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
	r := newRig(t, setup{api: handlers.API{TokenHeader: true}})
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

func TestPasscodeIsAskedForByUser(t *testing.T) {
	r := newRig(t, setup{})
	r.client().signIn("ann@example.com")
	user := r.user("ann@example.com")
	for name, ask := range map[string][2]string{
		"user alone":       {user.ID, ""},
		"with the address": {user.ID, user.Emails[0].ID},
		"in capitals":      {strings.ToUpper(user.ID), strings.ToUpper(user.Emails[0].ID)},
	} {
		c := r.client()
		a := c.forUser(ask[0], ask[1])
		r.wantStatus(name, a, http.StatusOK)
		var begun struct{ ID string }
		a.decode(t, &begun)
		r.wantStatus(name, c.finalize(begun.ID, r.box.passcode(t)), http.StatusOK)
		if got := meID(t, c); got != user.ID {
			t.Errorf("%s: signed in as %s, want %s", name, got, user.ID)
		}
	}
}

// A 400 here would tell whether an account was made with IDs that were promised.
func TestPasscodeForNobodyLooksAsAnyOther(t *testing.T) {
	r := newRig(t, setup{})
	r.client().signIn("ann@example.com")
	ann := r.user("ann@example.com").ID
	for name, ids := range map[string][2]string{
		"nobody": {uuid.NewString(), ""}, "nobody, with an address": {uuid.NewString(), uuid.NewString()},
		"no address of Ann's": {ann, uuid.NewString()},
	} {
		c := r.client()
		a := c.forUser(ids[0], ids[1])
		r.wantStatus(name, a, http.StatusOK)
		var begun struct{ ID string }
		a.decode(t, &begun)
		for range 2 {
			r.wantProblem(name, c.finalize(begun.ID, "000000"), 401, "wrong_passcode")
		}
		r.wantProblem(name, c.finalize(begun.ID, "000000"), 410, "too_many_attempts")
	}
	if letters := r.box.letters(t); len(letters) != 0 {
		t.Errorf("%d letters, want none", len(letters))
	}
	signedIn := r.client().signIn("bob@example.com")
	r.wantProblem("nobody, with Bob signed in", signedIn.forUser(uuid.NewString(), ""), 403, "other_user")
	own := signedIn.forUser(r.user("bob@example.com").ID, uuid.NewString())
	r.wantProblem("no address of his, with Bob signed in", own, 400, "unknown_address")
}

// The page that asks for a passcode says where it was sent, and a cookie that one
// has made oneself leads to any ceremony.
func TestPageDoesNotShowTheAddressOfAUserWhoIsNamed(t *testing.T) {
	r := newRig(t, setup{})
	r.client().signIn("ann@example.com")
	eve := r.client()
	eve.submit("/doorward/login", "email", "eve@example.com") // for the browser's cookie
	a := eve.call("POST", "/doorward/passcode/login/initialize", `{"user_id":"`+r.user("ann@example.com").ID+`"}`,
		"Origin", origin, "Sec-Fetch-Site", "same-origin")
	r.wantStatus("initialize", a, http.StatusOK)
	var begun struct{ ID string }
	a.decode(t, &begun)
	eve.cookies[r.cookie.Name+"-passcode"] = begun.ID
	if page := eve.navigate("/doorward/login/passcode"); strings.Contains(page.body, "ann@example.com") || page.status == http.StatusOK {
		t.Errorf("the page for Ann's passcode: %d\n%s", page.status, page.body)
	}
}

func TestPasscodeForNobodyIsRefusedWhereStrangersMayKnow(t *testing.T) {
	r := newRig(t, lookups)
	r.client().signIn("ann@example.com")
	ann := r.user("ann@example.com").ID
	for _, tt := range []struct{ body, slug, message string }{
		{`{}`, "malformed", "user_id is a required field"},
		{`{"user_id":null,"email":null}`, "malformed", "user_id is a required field"},
		{`{"user_id":""}`, "malformed", "user_id is a required field"},
		{`{"email_id":"` + ann + `"}`, "malformed", "user_id is a required field"},
		{`{"user_id":"1"}`, "malformed", "user_id must be a valid uuid4"},
		{`{"user_id":"1","email_id":"2"}`, "malformed", "user_id must be a valid uuid4 and email_id must be a valid uuid4"},
		{`{"user_id":"` + ann + `","email":"ann@example.com"}`, "malformed", "email cannot go together with user_id and email_id"},
		{`{"user_id":"` + uuid.NewString() + `"}`, "unknown_user", "Bad Request"},
		{`{"user_id":"` + ann + `","email_id":"` + uuid.NewString() + `"}`, "unknown_address", "the specified emailId is not available"},
	} {
		if p := r.wantProblem(tt.body, r.client().call("POST", "/doorward/passcode/login/initialize", tt.body), 400, tt.slug); p.Message != tt.message {
			t.Errorf("%s: message %q, want %q", tt.body, p.Message, tt.message)
		}
	}
	if letters := r.box.letters(t); len(letters) != 0 {
		t.Errorf("%d letters, want none", len(letters))
	}
}

// The budget of the client's network is told. That of the address is others', too,
// and told when it is spent.
func TestClientIsToldWhatIsLeftOfItsBudget(t *testing.T) {
	r := newRig(t, setup{})
	for i := range 10 {
		_, a := r.client().initialize("ann@example.com")
		r.wantLimit("a letter to Ann", a, 100, 99-i)
	}
	_, a := r.client().initialize("ann@example.com")
	r.wantProblem("one letter more", a, 429, "too_many_requests")
	r.wantLimit("one letter more", a, 10, 0)
	r = newRig(t, setup{budgets: ceremony.Budgets{Begun: ceremony.Budget{Times: 2, Per: time.Hour}}})
	for i, address := range []string{"ann@example.com", "bob@example.com", "cleo@example.com"} {
		_, a := r.client().initialize(address)
		r.wantLimit("from one network, "+address, a, 2, max(1-i, 0))
	}
}

// Nobody becomes somebody else in the middle of a session: a program that is
// signed in, or a script in the page of somebody who is, ends it first.
func TestPasscodeOfSomebodyElseIsRefusedAndStaysGood(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	r.client().signIn("bob@example.com")
	r.wantProblem("Bob's user ID", ann.forUser(r.user("bob@example.com").ID, ""), 403, "other_user")
	promised := r.client().promised("new@example.com")
	r.wantProblem("an account in the making", ann.forUser(promised.UserID, ""), 403, "other_user")
	r.box.letters(t)

	id, began := ann.initialize("bob@example.com")
	r.wantStatus("by address", began, http.StatusOK)
	code := r.box.passcode(t)
	r.wantProblem("finalize", ann.finalize(id, code), 403, "other_user")
	if got, want := meID(t, ann), r.user("ann@example.com").ID; got != want {
		t.Errorf("signed in as %s, want Ann, %s", got, want)
	}
	r.wantStatus("logout", ann.call("POST", "/doorward/logout", ""), http.StatusNoContent)
	r.wantStatus("finalize, signed out", ann.finalize(id, code), http.StatusOK)
	if got, want := meID(t, ann), r.user("bob@example.com").ID; got != want {
		t.Errorf("signed in as %s, want Bob, %s", got, want)
	}
}

func TestVisitorProvesThemselvesAgainWithAPasscode(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	before := ann.cookies[r.cookie.Name]
	r.advance(20 * time.Minute)
	id, _ := ann.initialize("ann@example.com")
	r.wantStatus("finalize", ann.finalize(id, r.box.passcode(t)), http.StatusOK)
	if ann.cookies[r.cookie.Name] == before {
		t.Error("the session is the old one")
	}
	r.wantStatus("what wants a recent sign-in", ann.call("POST", "/doorward/webauthn/registration/initialize", ""), http.StatusOK)
}
