package handlers_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

// lookups is a door where strangers may look addresses up.
var lookups = setup{accounts: ceremony.AccountOptions{Lookup: true}}

// askUser asks who has an address, askUsers for an account with it.
func (c *client) askUser(address string) answer {
	return c.call("POST", "/doorward/user", `{"email":"`+address+`"}`)
}

func (c *client) askUsers(address string) answer {
	return c.call("POST", "/doorward/users", `{"email":"`+address+`"}`)
}

// created is the answer of POST /users.
type created struct {
	ID      string `json:"id"`
	UserID  string `json:"user_id"`
	EmailID string `json:"email_id"`
}

func (c *client) promised(address string) created {
	c.t.Helper()
	a := c.askUsers(address)
	c.wantStatus("POST /users", a, http.StatusOK)
	var got created
	a.decode(c.t, &got)
	if got.ID != got.UserID || uuid.Validate(got.UserID) != nil || uuid.Validate(got.EmailID) != nil {
		c.t.Errorf("POST /users: %s, want an ID twice and one of the address", a.body)
	}
	return got
}

func TestLookupTellsWhoHasAnAddress(t *testing.T) {
	r := newRig(t, lookups)
	ann := r.client().signIn("ann@example.com")
	want := func(passkey bool) string {
		user := r.user("ann@example.com")
		return fmt.Sprintf(`{"id":"%s","email_id":"%s","verified":true,"has_webauthn_credential":%v}`, user.ID, user.Emails[0].ID, passkey)
	}
	for _, address := range []string{"ann@example.com", "Ann@Example.COM"} {
		if a := r.client().askUser(address); a.status != http.StatusOK || a.body != want(false) {
			t.Errorf("%s: %d %s, want 200 %s", address, a.status, a.body, want(false))
		}
	}
	ann.addPasskey(newAuthenticator())
	if a := r.client().askUser("ann@example.com"); a.body != want(true) {
		t.Errorf("with a passkey: %s, want %s", a.body, want(true))
	}
}

func TestLookupKnowsOnlyAddressesThatWereProved(t *testing.T) {
	r := newRig(t, lookups)
	_, err := r.directory.CreateUser(t.Context(), directory.NewUser{Address: "waiting@example.com"})
	must(t, err)
	for _, address := range []string{"nobody@example.com", "waiting@example.com"} {
		r.wantProblem(address, r.client().askUser(address), 404, "not_found")
	}
	r.wantProblem("no address", r.client().askUser("ann"), 400, "address_invalid")
}

// Where lookups are off, the answer is that of an endpoint that does not exist,
// byte for byte but for the ID of the request.
func TestLookupThatIsOffTellsNothing(t *testing.T) {
	r := newRig(t, setup{})
	r.client().signIn("ann@example.com")
	want := r.client().call("POST", "/doorward/nowhere", "{}").body
	for _, address := range []string{"ann@example.com", "nobody@example.com"} {
		a := r.client().askUser(address)
		r.wantProblem(address, a, 404, "not_found")
		if a.body != want || a.header.Get("X-RateLimit-Limit") != "" {
			t.Errorf("%s: %s, want %s", address, a.body, want)
		}
	}
}

// Each answer of the two endpoints is worth something to somebody who collects
// addresses: they have a budget, and say how much is left of it.
func TestLookupsAndSignUpsAreLimited(t *testing.T) {
	two := ceremony.Budget{Times: 2, Per: time.Hour}
	r := newRig(t, setup{accounts: ceremony.AccountOptions{Lookup: true, Lookups: two, SignUps: two}})
	for name, ask := range map[string]func(string) answer{"lookup": r.client().askUser, "sign-up": r.client().askUsers} {
		for i := range 2 {
			a := ask(fmt.Sprintf("user%d@example.com", i))
			r.wantLimit(name, a, 2, 1-i)
		}
		a := ask("user3@example.com")
		r.wantProblem(name+", third", a, 429, "too_many_requests")
		r.wantLimit(name+", third", a, 2, 0)
		if got := a.header.Get("Retry-After"); got != "3600" {
			t.Errorf("%s: Retry-After %q, want 3600", name, got)
		}
	}
}

// wantLimit checks the headers that tell a client what is left of a budget of an
// hour that has just begun.
func (r *rig) wantLimit(what string, a answer, times, remaining int) {
	r.t.Helper()
	for name, want := range map[string]string{
		"X-Ratelimit-Limit": strconv.Itoa(times), "X-Ratelimit-Remaining": strconv.Itoa(remaining), "X-Ratelimit-Reset": "3600",
	} {
		if got := a.header.Get(name); got != want {
			r.t.Errorf("%s: %s is %q, want %q", what, name, got, want)
		}
	}
}

func TestSignUpByTheUsersEndpoint(t *testing.T) {
	for name, s := range map[string]setup{"lookups on": lookups, "lookups off": {}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, s)
			c := r.client()
			promised := c.promised("ann@example.com")
			if again := r.client().promised("ANN@example.com"); again != promised {
				t.Errorf("asked again: %+v, want %+v", again, promised)
			}
			if _, err := r.directory.User(t.Context(), promised.UserID); err == nil {
				t.Error("there is a user before anybody has proved anything")
			}
			begun := c.call("POST", "/doorward/passcode/login/initialize", `{"user_id":"`+promised.UserID+`","email_id":"`+promised.EmailID+`"}`)
			r.wantStatus("passcode", begun, http.StatusOK)
			var passcode struct{ ID string }
			begun.decode(t, &passcode)
			r.wantStatus("finalize", c.finalize(passcode.ID, r.box.passcode(t)), http.StatusOK)
			user := r.user("ann@example.com")
			if user.ID != promised.UserID || user.Emails[0].ID != promised.EmailID || !user.Emails[0].Verified {
				t.Errorf("user %s with address %+v, want what was promised: %+v", user.ID, user.Emails[0], promised)
			}
			if got := meID(t, c); got != promised.UserID {
				t.Errorf("signed in as %s, want %s", got, promised.UserID)
			}
		})
	}
}

func TestSignUpWithAnAddressThatHasAnAccount(t *testing.T) {
	r := newRig(t, lookups)
	r.client().signIn("ann@example.com")
	r.wantProblem("lookups on", r.client().askUsers("ann@example.com"), 409, "account_exists")

	// Where nobody may learn that there is an account, its owner is led in.
	r = newRig(t, setup{})
	r.client().signIn("ann@example.com")
	want := r.user("ann@example.com").ID
	c := r.client()
	promised := c.promised("ann@example.com")
	if promised.UserID == want {
		t.Error("the ID of the account was told to a stranger")
	}
	begun := c.call("POST", "/doorward/passcode/login/initialize", `{"user_id":"`+promised.UserID+`"}`)
	r.wantStatus("passcode", begun, http.StatusOK)
	var passcode struct{ ID string }
	begun.decode(t, &passcode)
	r.wantStatus("finalize", c.finalize(passcode.ID, r.box.passcode(t)), http.StatusOK)
	if got := meID(t, c); got != want {
		t.Errorf("signed in as %s, want the account, %s", got, want)
	}
}

func TestSignUpOfThoseWhoMayNot(t *testing.T) {
	closed := ceremony.AccountOptions{Lookup: true, Closed: true}
	r := newRig(t, setup{accounts: closed})
	r.wantProblem("closed", r.client().askUsers("ann@example.com"), 403, "not_allowed")
	r = newRig(t, lookups)
	r.wantProblem("not allowed here", r.client().askUsers("eve@example.net"), 403, "not_allowed")

	// Where nobody may learn who may, they are promised the same, and sent nothing.
	for _, s := range []setup{{}, {accounts: ceremony.AccountOptions{Closed: true}}} {
		r := newRig(t, s)
		promised := r.client().promised("eve@example.net")
		begun := r.client().call("POST", "/doorward/passcode/login/initialize", `{"user_id":"`+promised.UserID+`"}`)
		r.wantStatus("passcode", begun, http.StatusOK)
		if letters := r.box.letters(t); len(letters) != 0 {
			t.Errorf("closed %v: %d letters to somebody who may not sign up", s.accounts.Closed, len(letters))
		}
	}
}

func TestUserSeesThemselvesAndNobodyElse(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	r.client().signIn("bob@example.com")
	id := meID(t, ann)
	const times = `"created_at":"2026-03-01T12:00:00Z","updated_at":"2026-03-01T12:00:00Z"`
	if a, want := ann.call("GET", "/doorward/users/"+id, ""), `{"id":"`+id+`","email":"ann@example.com","webauthn_credentials":[],`+times+`}`; a.body != want {
		t.Errorf("without a passkey: %d %s, want %s", a.status, a.body, want)
	}
	passkey := ann.addPasskey(newAuthenticator())
	want := `{"id":"` + id + `","email":"ann@example.com","webauthn_credentials":[{"id":"` + passkey + `"}],` + times + `}`
	for _, spelling := range []string{id, strings.ToUpper(id)} {
		if a := ann.call("GET", "/doorward/users/"+spelling, ""); a.status != http.StatusOK || a.body != want {
			t.Errorf("%s: %d %s, want 200 %s", spelling, a.status, a.body, want)
		}
	}
	for _, other := range []string{r.user("bob@example.com").ID, uuid.NewString(), "1", id + "0"} {
		r.wantProblem(other, ann.call("GET", "/doorward/users/"+other, ""), 403, "other_user")
	}
	r.wantProblem("stranger", r.client().call("GET", "/doorward/users/"+id, ""), 401, "sign_in_required")
	must(t, r.directory.RemoveUser(t.Context(), id))
	r.wantProblem("removed", ann.call("GET", "/doorward/users/"+id, ""), 404, "not_found")
}

func TestPersonDeletesTheirAccount(t *testing.T) {
	r := newRig(t, setup{mayDelete: true})
	ann, elsewhere := r.client().signIn("ann@example.com"), r.client().signIn("ann@example.com")
	id := meID(t, ann)
	r.wantProblem("stranger", r.client().call("DELETE", "/doorward/user", ""), 401, "sign_in_required")
	r.advance(16 * time.Minute)
	r.wantProblem("after a while", ann.call("DELETE", "/doorward/user", ""), 403, "fresh_sign_in_required")
	r.wantStatus("unchanged", ann.call("GET", "/doorward/me", ""), http.StatusOK)

	ann.signIn("ann@example.com")
	a := ann.call("DELETE", "/doorward/user", "")
	if a.status != http.StatusNoContent || a.body != "" || ann.cookies[r.cookie.Name] != "" {
		t.Errorf("DELETE /user: %d %q, cookie %q; want 204, nothing, and none", a.status, a.body, ann.cookies[r.cookie.Name])
	}
	if elsewhere.signedIn() {
		t.Error("a session of somebody who is gone lives on")
	}
	if _, err := r.directory.User(t.Context(), id); err == nil {
		t.Error("the user is still there")
	}
	if letters := r.box.letters(t); len(letters) != 1 || letters[0].To != "ann@example.com" {
		t.Errorf("letters %+v, want one to Ann that says so", letters)
	}
	events, err := r.directory.Events(t.Context(), id, 1)
	if err != nil || len(events) != 1 || events[0].Type != "account_deleted" {
		t.Errorf("audit records %+v, %v; want account_deleted", events, err)
	}
}

func TestAccountStaysWherePeopleMayNotDeleteIt(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	r.wantProblem("DELETE /user", ann.call("DELETE", "/doorward/user", ""), 404, "not_found")
	if !ann.signedIn() {
		t.Error("Ann is signed out")
	}
}
