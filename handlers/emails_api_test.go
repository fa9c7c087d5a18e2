package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/handlers"
)

// addEmail begins to add an address, and returns the ID that it will have.
func (c *client) addEmail(address string, header ...string) string {
	c.t.Helper()
	a := c.call("POST", "/doorward/emails", `{"address":"`+address+`"}`, header...)
	c.wantStatus("POST /emails", a, http.StatusOK)
	var email struct{ ID string }
	a.decode(c.t, &email)
	return email.ID
}

// proveEmail asks for the passcode of an address that is being added, and sends
// it.
func (c *client) proveEmail(emailID string, header ...string) answer {
	c.t.Helper()
	c.box.letters(c.t)
	begun := c.forUser(meID(c.t, c, header...), emailID, header...)
	c.wantStatus("passcode for an address", begun, http.StatusOK)
	var passcode struct{ ID string }
	begun.decode(c.t, &passcode)
	return c.finalize(passcode.ID, c.box.passcode(c.t), header...)
}

// forUser asks for a passcode as clients of the Hanko API do.
func (c *client) forUser(userID, emailID string, header ...string) answer {
	body := map[string]string{"user_id": userID}
	if emailID != "" {
		body["email_id"] = emailID
	}
	encoded, err := json.Marshal(body)
	must(c.t, err)
	return c.call("POST", "/doorward/passcode/login/initialize", string(encoded), header...)
}

// recipients returns whom the letters since the last call went to.
func (b *mailbox) recipients(t testing.TB) string {
	var to []string
	for _, m := range b.letters(t) {
		to = append(to, m.To)
	}
	return strings.Join(to, " ")
}

func TestSecondAddressIsAddedWhenItIsProved(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	id, before := meID(t, ann), ann.cookies[r.cookie.Name]
	first := r.user("ann@example.com").Emails[0].ID

	a := ann.call("POST", "/doorward/emails", `{"address":"Ann@Home.example.org"}`)
	r.wantStatus("POST /emails", a, http.StatusOK)
	var email struct{ ID string }
	a.decode(t, &email)
	const now = `"2026-03-01T12:00:00Z"`
	want := `{"id":"` + email.ID + `","user_id":"` + id + `","address":"ann@home.example.org","verified":false,"created_at":` + now + `,"updated_at":` + now + `}`
	if a.body != want || uuid.Validate(email.ID) != nil {
		t.Errorf("POST /emails: %s, want %s", a.body, want)
	}
	list := `{"id":"` + first + `","address":"ann@example.com","is_verified":true,"is_primary":true}`
	if a := ann.call("GET", "/doorward/emails", ""); a.status != http.StatusOK || a.body != "["+list+"]" {
		t.Errorf("GET /emails before it is proved: %d %s, want [%s]", a.status, a.body, list)
	}

	r.advance(time.Minute)
	in := ann.proveEmail(email.ID)
	r.wantStatus("finalize", in, http.StatusOK)
	if got := in.header.Get("X-Session-Lifetime"); got != "43140" || len(in.header["Set-Cookie"]) != 0 || ann.cookies[r.cookie.Name] != before {
		t.Errorf("finalize: X-Session-Lifetime %q, cookies %q; want what is left of the session, and the session as it was", got, in.header["Set-Cookie"])
	}
	list += `,{"id":"` + email.ID + `","address":"ann@home.example.org","is_verified":true,"is_primary":false}`
	if a := ann.call("GET", "/doorward/emails", ""); a.body != "["+list+"]" {
		t.Errorf("GET /emails: %s, want [%s]", a.body, list)
	}
	if to := r.box.recipients(t); to != "ann@example.com" {
		t.Errorf("letters to %q, want one to the primary address", to)
	}
	r.wantEvent(id, "address_added")
	live, err := r.sessions.List(t.Context(), id)
	if err != nil || len(live) != 1 {
		t.Errorf("%d sessions, %v; want the one", len(live), err)
	}
}

func (r *rig) wantEvent(userID, want string) {
	r.t.Helper()
	events, err := r.directory.Events(r.t.Context(), userID, 1)
	if err != nil || len(events) != 1 || events[0].Type != want {
		r.t.Errorf("audit records %+v, %v; want %s", events, err, want)
	}
}

// Hanko's clients take the token from the answer to every passcode.
func TestProgramGetsItsTokenAgainWithASecondAddress(t *testing.T) {
	r := newRig(t, setup{api: handlers.API{TokenHeader: true}})
	c := r.client()
	id, _ := c.initialize("ann@example.com")
	token := c.finalize(id, r.box.passcode(t)).header.Get("X-Auth-Token")
	bearer := []string{"Authorization", "Bearer " + token}
	in := c.proveEmail(c.addEmail("ann@example.org", bearer...), bearer...)
	if in.status != http.StatusOK || in.header.Get("X-Auth-Token") != token || in.header.Get("X-Session-Lifetime") != "43200" {
		t.Errorf("finalize: %d with %v, want the same token", in.status, in.header)
	}
	r.wantStatus("me", c.call("GET", "/doorward/me", "", bearer...), http.StatusOK)
}

func TestAddressIsProvedByWhoeverAddsItAlone(t *testing.T) {
	r := newRig(t, setup{})
	ann, bob := r.client().signIn("ann@example.com"), r.client().signIn("bob@example.com")
	annID, bobID := meID(t, ann), meID(t, bob)
	email := ann.addEmail("ann@example.org")
	r.box.letters(t)
	for name, a := range map[string]answer{
		"Bob, for himself":           bob.forUser(bobID, email),
		"Ann, an address of nobody":  ann.forUser(annID, uuid.NewString()),
		"Ann, Bob's address for her": ann.forUser(annID, r.user("bob@example.com").Emails[0].ID),
	} {
		if p := r.wantProblem(name, a, 400, "unknown_address"); p.Message != "the specified emailId is not available" {
			t.Errorf("%s: message %q", name, p.Message)
		}
	}
	r.wantProblem("Bob, for Ann", bob.forUser(annID, email), 403, "other_user")
	for _, id := range []string{email, r.user("bob@example.com").Emails[0].ID} { // looks as any other, and is none
		r.wantStatus("a stranger, for Ann", r.client().forUser(annID, id), http.StatusOK)
	}
	if to := r.box.recipients(t); to != "" {
		t.Errorf("letters to %q, want none", to)
	}

	var passcode struct{ ID string }
	ann.forUser(annID, email).decode(t, &passcode)
	code := r.box.passcode(t)
	r.wantProblem("a stranger with Ann's passcode", r.client().finalize(passcode.ID, code), 403, "other_user")
	r.wantProblem("Bob with Ann's passcode", bob.finalize(passcode.ID, code), 403, "other_user")
	r.wantStatus("Ann, whose passcode is as good as it was", ann.finalize(passcode.ID, code), http.StatusOK)
}

func TestAddressOfAnotherAccountIsNotAdded(t *testing.T) {
	r := newRig(t, lookups)
	ann := r.client().signIn("ann@example.com")
	r.client().signIn("bob@example.com")
	for _, address := range []string{"ann@example.com", "bob@example.com"} {
		r.wantProblem(address, ann.call("POST", "/doorward/emails", `{"address":"`+address+`"}`), 400, "address_taken")
	}
	// Where nobody may learn who has an address, it is found out when it is proved.
	r = newRig(t, setup{})
	ann = r.client().signIn("ann@example.com")
	r.client().signIn("bob@example.com")
	r.wantProblem("her own", ann.call("POST", "/doorward/emails", `{"address":"ann@example.com"}`), 400, "address_taken")
	r.wantProblem("Bob's, proved", ann.proveEmail(ann.addEmail("bob@example.com")), 403, "other_user")
	if emails := r.user("ann@example.com").Emails; len(emails) != 1 {
		t.Errorf("Ann's addresses: %+v", emails)
	}
}

func TestAddressesAreLimited(t *testing.T) {
	r := newRig(t, setup{accounts: ceremony.AccountOptions{MaxAddresses: 2, Additions: ceremony.Budget{Times: 3, Per: time.Hour}}})
	ann := r.client().signIn("ann@example.com")
	third := ann.addEmail("third@example.org") // begun while there was room
	r.wantStatus("second", ann.proveEmail(ann.addEmail("second@example.org")), http.StatusOK)
	r.wantProblem("third", ann.call("POST", "/doorward/emails", `{"address":"third@example.org"}`), 409, "too_many_addresses")
	r.wantProblem("third, begun before", ann.proveEmail(third), 409, "too_many_addresses")

	bob := r.client().signIn("bob@example.com")
	for i := range 3 {
		bob.addEmail(fmt.Sprintf("bob%d@example.org", i))
	}
	a := bob.call("POST", "/doorward/emails", `{"address":"bob3@example.org"}`)
	r.wantProblem("fourth in an hour", a, 429, "too_many_requests")
	r.wantLimit("fourth in an hour", a, 3, 0)
}

func TestPrimaryAddressIsChanged(t *testing.T) {
	r := newRig(t, setup{allow: []string{"*@example.com", "*@example.org"}})
	ann := r.client().signIn("ann@example.com")
	id, first, second := meID(t, ann), r.user("ann@example.com").Emails[0].ID, ann.addEmail("ann@example.org")
	r.wantProblem("not proved yet", ann.call("POST", "/doorward/emails/"+second+"/set_primary", ""), 404, "not_found")
	r.wantStatus("second address", ann.proveEmail(second), http.StatusOK)
	r.box.letters(t)
	a := ann.call("POST", "/doorward/emails/"+strings.ToUpper(second)+"/set_primary", "")
	if a.status != http.StatusNoContent || a.body != "" {
		t.Fatalf("set_primary: %d %q, want 204 and nothing", a.status, a.body)
	}
	if primary, _ := r.user("ann@example.com").Primary(); primary.ID != second {
		t.Errorf("primary address %+v, want ann@example.org", primary)
	}
	if to := r.box.recipients(t); to != "ann@example.com" {
		t.Errorf("letters to %q, want one to the address that was primary", to)
	}
	r.wantEvent(id, "address_primary")
	// The app is told at once: what is said of the session is what it is told.
	var v validity
	ann.call("GET", "/doorward/sessions/validate", "").decode(t, &v)
	if v.Claims == nil || v.Claims.Email.Address != "ann@example.org" {
		t.Errorf("the session is %+v, want Ann at ann@example.org", v.Claims)
	}
	r.wantProblem("removing it", ann.call("DELETE", "/doorward/emails/"+second, ""), 409, "primary_address")
	r.wantStatus("removing the other", ann.call("DELETE", "/doorward/emails/"+first, ""), http.StatusNoContent)
	r.wantEvent(id, "address_removed")
	if to := r.box.recipients(t); to != "ann@example.org ann@example.com" {
		t.Errorf("letters to %q, want one to the primary address and one to the one that is gone", to)
	}
	r.wantProblem("removing it again", ann.call("DELETE", "/doorward/emails/"+first, ""), 404, "not_found")
}

// With a primary address that the door does not admit, nobody could undo it.
func TestPrimaryAddressThatShutsItsOwnerOutIsRefused(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	second := ann.addEmail("ann@example.org")
	r.wantStatus("second address", ann.proveEmail(second), http.StatusOK)
	r.wantProblem("set_primary", ann.call("POST", "/doorward/emails/"+second+"/set_primary", ""), 403, "address_shuts_out")
}

func TestAddressesOfOthersAreNotFound(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	r.client().signIn("bob@example.com")
	for _, id := range []string{r.user("bob@example.com").Emails[0].ID, uuid.NewString(), "1", "%00"} {
		r.wantProblem("set_primary "+id, ann.call("POST", "/doorward/emails/"+id+"/set_primary", ""), 404, "not_found")
		r.wantProblem("DELETE "+id, ann.call("DELETE", "/doorward/emails/"+id, ""), 404, "not_found")
	}
}

func TestAddressThatIsNoneIsNotAdded(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	for body, want := range map[string]struct{ slug, message string }{
		`{}`:                  {"malformed", "address is a required field"},
		`{"address":"ann"}`:   {"address_invalid", "address must be a valid email address"},
		`{"address":["a@b"]}`: {"malformed", "address must be a string"},
	} {
		if p := r.wantProblem(body, ann.call("POST", "/doorward/emails", body), 400, want.slug); p.Message != want.message {
			t.Errorf("%s: message %q, want %q", body, p.Message, want.message)
		}
	}
}

func TestAddressesAreChangedSoonAfterASignIn(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	id := r.user("ann@example.com").Emails[0].ID
	r.advance(16 * time.Minute)
	for _, ask := range []string{"POST /emails", "POST /emails/" + id + "/set_primary", "DELETE /emails/" + id} {
		method, path, _ := strings.Cut(ask, " ")
		p := r.wantProblem(ask, ann.call(method, "/doorward"+path, `{"address":"ann@example.org"}`), 403, "fresh_sign_in_required")
		if p.Login == "" {
			t.Errorf("%s: the answer does not say where to sign in", ask)
		}
	}
	r.wantStatus("looking is always allowed", ann.call("GET", "/doorward/emails", ""), http.StatusOK)
}
