package handlers_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAccountPageShowsPasskeysAndSessions(t *testing.T) {
	r := newRig(t, setup{})
	r.wantRedirect("a stranger", r.client().navigate("/doorward/account"), "/doorward/login?return=%2Fdoorward%2Faccount")
	c := r.client().signIn("ann@example.com")
	id := c.addPasskey(newAuthenticator())
	a := c.navigate("/doorward/account?done=passkey_added")
	r.wantPage("account", a, 200, "ann@example.com")
	for _, want := range []string{"Passkey of 2026-03-01", id, "Firefox on Linux", `action="/doorward/account/passkeys/remove"`, `role="status"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	r.advance(16 * time.Minute)
	a = c.navigate("/doorward/account")
	if strings.Contains(a.body, `action="/doorward/account/passkeys/remove"`) || !strings.Contains(a.body, "fresh=1") {
		t.Errorf("after 16 minutes the page does not ask to sign in again\n%s", a.body)
	}
}

// What changes an account wants a recent sign-in: a stolen session must not
// become a stolen account.
func TestFreshSignInIsNeededToChangeTheAccount(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	a := newAuthenticator()
	id := c.addPasskey(a)
	other := r.client().signIn("ann@example.com")
	r.advance(15*time.Minute + time.Second)

	for _, route := range []string{
		"POST /doorward/webauthn/registration/initialize", "POST /doorward/webauthn/registration/finalize", "DELETE /doorward/webauthn/credentials/" + id,
	} {
		method, path, _ := strings.Cut(route, " ")
		p := r.wantProblem(route, c.fetch(method, path, ""), 403, "fresh_sign_in_required")
		if want := "/doorward/login?return=%2Fdoorward%2Faccount&fresh=1"; p.Login != want {
			t.Errorf("%s: login %q, want %q", route, p.Login, want)
		}
	}
	r.wantRedirect("remove on the page", c.submit("/doorward/account/passkeys/remove", "id", id), "/doorward/login?return=%2Fdoorward%2Faccount&fresh=1")
	// Not so what only names things or takes access away.
	r.wantStatus("rename", c.fetch("PATCH", "/doorward/webauthn/credentials/"+id, `{"name":"Blue key"}`), http.StatusOK)
	r.wantRedirect("rename on the page", c.submit("/doorward/account/passkeys/rename", "id", id, "name", "Red key"), "/doorward/account?done=passkey_renamed")
	r.wantStatus("end the others", c.fetch("POST", "/doorward/sessions/end-others", ""), http.StatusNoContent)
	if other.signedIn() {
		t.Error("the other session lives on")
	}
	// The passkey proves it again.
	r.wantStatus("passkey", c.usePasskey(a), http.StatusOK)
	r.wantStatus("remove", c.fetch("DELETE", "/doorward/webauthn/credentials/"+id, ""), http.StatusNoContent)
}

func TestPasskeysAreRenamedAndRemovedByTheirOwnerAlone(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	id := ann.addPasskey(newAuthenticator())
	eve := r.client().signIn("eve@example.com")
	for what, wanted := range map[string]string{"Ann's": id, "nobody's": base64.RawURLEncoding.EncodeToString([]byte("nobody's")), "no": "!", "padded": id + "="} {
		path := "/doorward/webauthn/credentials/" + wanted
		r.wantProblem("rename "+what, eve.fetch("PATCH", path, `{"name":"mine"}`), 404, "not_found")
		r.wantProblem("remove "+what, eve.fetch("DELETE", path, ""), 404, "not_found")
		r.wantRedirect("rename on the page "+what, eve.submit("/doorward/account/passkeys/rename", "id", wanted, "name", "mine"), "/doorward/account?problem=not_found")
		r.wantRedirect("remove on the page "+what, eve.submit("/doorward/account/passkeys/remove", "id", wanted), "/doorward/account?problem=not_found")
	}
	if got := eve.fetch("GET", "/doorward/webauthn/credentials", "").body; got != "[]" {
		t.Errorf("Eve's passkeys are %s, want []", got)
	}

	var list []struct{ ID, Name, AAGUID string }
	ann.fetch("GET", "/doorward/webauthn/credentials", "").decode(t, &list)
	if len(list) != 1 || list[0].ID != id || list[0].Name != "Passkey of 2026-03-01" || list[0].AAGUID != "00000000-0000-0000-0000-000000000000" {
		t.Fatalf("Ann's passkeys are %+v", list)
	}
	for name, status := range map[string]int{
		"Blue key": 200, "": 200, strings.Repeat("ü", 64): 200, strings.Repeat("x", 65): 400, `a\nb`: 400, `\u202eyek`: 400,
	} {
		r.wantStatus("rename to "+name, ann.fetch("PATCH", "/doorward/webauthn/credentials/"+id, `{"name":"`+name+`"}`), status)
	}
	r.wantStatus("rename to nothing in particular", ann.fetch("PATCH", "/doorward/webauthn/credentials/"+id, `{}`), 200)
	r.wantRedirect("rename on the page to two lines", ann.submit("/doorward/account/passkeys/rename", "id", id, "name", "a\nb"), "/doorward/account?problem=name_invalid")
	ann.submit("/doorward/account/passkeys/rename", "id", id, "name", `<svg onload=1>`)
	if page := ann.navigate("/doorward/account"); strings.Contains(page.body, "<svg onload") {
		t.Error("the name stands in the page unescaped")
	}
	r.box.letters(t)
	r.wantRedirect("remove on the page", ann.submit("/doorward/account/passkeys/remove", "id", id), "/doorward/account?done=passkey_removed")
	if letters := r.box.letters(t); len(letters) != 1 || letters[0].To != "ann@example.com" {
		t.Errorf("letters about it: %v, want one to Ann", letters)
	}
}

func TestSessionsAreEndedByTheirOwnerAlone(t *testing.T) {
	r := newRig(t, setup{})
	laptop, phone, tablet := r.client().signIn("ann@example.com"), r.client().signIn("ann@example.com"), r.client().signIn("ann@example.com")
	eve := r.client().signIn("eve@example.com")
	type listed struct {
		ID      string
		Agent   string
		AMR     []string
		Current bool
	}
	current := func(c *client) (own string, others []string) {
		var list []listed
		c.fetch("GET", "/doorward/sessions", "").decode(t, &list)
		for _, s := range list {
			if s.Agent != "Firefox on Linux" || len(s.AMR) != 1 || s.AMR[0] != "otp" {
				t.Errorf("session %+v", s)
			}
			if s.Current {
				own = s.ID
			} else {
				others = append(others, s.ID)
			}
		}
		return own, others
	}
	ofLaptop, others := current(laptop)
	ofPhone, _ := current(phone)
	if len(others) != 2 || ofLaptop == "" || ofPhone == "" {
		t.Fatalf("Ann's other sessions are %v, want two", others)
	}
	r.wantProblem("Eve ends Ann's session", eve.fetch("DELETE", "/doorward/sessions/"+ofLaptop, ""), 404, "not_found")
	r.wantRedirect("Eve ends it on the page", eve.submit("/doorward/account/sessions/end", "id", ofLaptop), "/doorward/account?problem=not_found")
	if !laptop.signedIn() {
		t.Fatal("Eve ended Ann's session")
	}

	r.wantRedirect("one", laptop.submit("/doorward/account/sessions/end", "id", ofPhone), "/doorward/account?done=session_closed")
	if phone.signedIn() || !tablet.signedIn() || !laptop.signedIn() {
		t.Errorf("after ending the phone's: phone %v, tablet %v, laptop %v signed in", phone.signedIn(), tablet.signedIn(), laptop.signedIn())
	}
	r.wantRedirect("the others", laptop.submit("/doorward/account/sessions/end-others"), "/doorward/account?done=sessions_closed")
	if tablet.signedIn() || !laptop.signedIn() || !eve.signedIn() {
		t.Errorf("after ending the others: tablet %v, laptop %v, Eve %v signed in", tablet.signedIn(), laptop.signedIn(), eve.signedIn())
	}
	r.wantRedirect("one's own", laptop.submit("/doorward/account/sessions/end", "id", ofLaptop), "/doorward/signed-out")
	if len(laptop.cookies[r.cookie.Name]) != 0 || laptop.signedIn() {
		t.Error("ending one's own session does not sign out")
	}
	own, _ := current(eve)
	r.wantStatus("one's own, by a script", eve.fetch("DELETE", "/doorward/sessions/"+own, ""), http.StatusNoContent)
	if eve.signedIn() {
		t.Error("Eve is signed in")
	}
}

func TestAccountFormsAskStrangersToSignIn(t *testing.T) {
	r := newRig(t, setup{mayDelete: true})
	const signIn = "/doorward/login?return=%2Fdoorward%2Faccount"
	for _, path := range []string{
		"passkeys/rename", "passkeys/remove", "emails/add", "emails/verify", "emails/verify/again", "emails/primary", "emails/remove",
		"delete", "sessions/end", "sessions/end-others",
	} {
		r.wantRedirect(path, r.client().submit("/doorward/account/"+path, "id", "AAAA"), signIn)
	}
	r.wantRedirect("verify", r.client().navigate("/doorward/account/emails/verify"), signIn)
}
