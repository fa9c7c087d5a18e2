package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// pages are recognised by what only they have.
const (
	loginMark    = `id="login"`
	passcodeMark = `id="passcode-form"`
	offerMark    = `action="/doorward/login/offer/later"`
	loopMark     = "The sign-in does not hold"
)

func (r *rig) wantPage(what string, a answer, status int, mark string) {
	r.t.Helper()
	if a.status != status || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, mark) {
		r.t.Errorf("%s: status %d, want %d and a page with %s\n%s", what, a.status, status, mark, a.body)
	}
}

func TestVisitorSignsInOnThePages(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client()
	r.wantPage("sign-in page", c.navigate("/doorward/login?return=/wiki"), 200, `name="return" value="/wiki"`)
	r.wantRedirect("address", c.submit("/doorward/login", "email", " Ann@Example.com ", "return", "/wiki"), "/doorward/login/passcode?sent=1&return=%2Fwiki")
	asks := c.navigate("/doorward/login/passcode?sent=1&return=%2Fwiki")
	r.wantPage("passcode page", asks, 200, passcodeMark)
	if !strings.Contains(asks.body, "ann@example.com") {
		t.Error("the passcode page does not say where the letter went")
	}
	code := r.box.passcode(t)
	r.wantPage("wrong passcode", c.submit("/doorward/login/passcode", "passcode", wrong(code), "return", "/wiki"), 422, passcodeMark)
	in := c.submit("/doorward/login/passcode", "passcode", code[:3]+" "+code[3:], "return", "/wiki")
	r.wantRedirect("right passcode", in, "/wiki")
	if got := in.header.Get("X-Session-Lifetime"); got != "43200" {
		t.Errorf("X-Session-Lifetime %q, want 43200", got)
	}
	var set *http.Cookie
	for _, cookie := range (&http.Response{Header: in.header}).Cookies() {
		if cookie.Name == r.cookie.Name {
			set = cookie
		}
	}
	if set == nil || !set.Secure || !set.HttpOnly || set.SameSite != http.SameSiteLaxMode || set.Path != "/" || set.Domain != "" {
		t.Errorf("session cookie %+v, want __Host-, Secure, HttpOnly, Lax, no domain", set)
	}
	r.wantRedirect("sign-in page, signed in", c.navigate("/doorward/login?return=/wiki"), "/wiki")
	if _, ok := c.cookies[r.cookie.Name+"-passcode"]; ok {
		t.Error("the browser still is in the passcode ceremony")
	}
}

func wrong(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}

func TestPagesSayWhatBecameOfAPasscode(t *testing.T) {
	t.Run("too many attempts", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client()
		c.submit("/doorward/login", "email", "ann@example.com")
		code := r.box.passcode(t)
		for range 2 {
			r.wantPage("wrong", c.submit("/doorward/login/passcode", "passcode", wrong(code)), 422, passcodeMark)
		}
		r.wantPage("third wrong", c.submit("/doorward/login/passcode", "passcode", wrong(code)), 410, loginMark)
		r.wantPage("right, too late", c.submit("/doorward/login/passcode", "passcode", code), 422, loginMark)
		if c.signedIn() {
			t.Error("signed in after three wrong passcodes")
		}
	})
	// To a browser 408 means that it may send the form again by itself: a guess more
	// than the visitor made.
	t.Run("expired", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client()
		c.submit("/doorward/login", "email", "ann@example.com", "return", "/wiki")
		code := r.box.passcode(t)
		r.advance(5 * time.Minute)
		r.wantPage("late", c.submit("/doorward/login/passcode", "passcode", code, "return", "/wiki"), 422, loginMark)
	})
	t.Run("another browser", func(t *testing.T) {
		r := newRig(t, setup{})
		attacker, victim := r.client(), r.client()
		attacker.submit("/doorward/login", "email", "mallory@example.com")
		code := r.box.passcode(t)
		for name, value := range attacker.cookies {
			if strings.HasSuffix(name, "-passcode") {
				victim.cookies[name] = value
			}
		}
		r.wantPage("victim's browser", victim.submit("/doorward/login/passcode", "passcode", code), 422, loginMark)
		if victim.signedIn() {
			t.Error("the victim is signed in as the attacker")
		}
	})
	t.Run("again", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client()
		c.submit("/doorward/login", "email", "ann@example.com")
		first := r.box.passcode(t)
		r.wantRedirect("again", c.submit("/doorward/login/passcode/again", "return", "/wiki"), "/doorward/login/passcode?again=1&return=%2Fwiki")
		second := r.box.passcode(t)
		r.wantPage("the page", c.navigate("/doorward/login/passcode?again=1&return=%2Fwiki"), 200, passcodeMark)
		if first != second {
			r.wantPage("the first", c.submit("/doorward/login/passcode", "passcode", first), 422, passcodeMark)
		}
		r.wantRedirect("the second", c.submit("/doorward/login/passcode", "passcode", second, "return", "/wiki"), "/wiki")
	})
}

func TestPagesTellNobodyWhoHasAnAccount(t *testing.T) {
	r := newRig(t, setup{allow: []string{"ann@example.com"}})
	disabled, err := r.directory.CreateUser(t.Context(), directory.NewUser{Address: "disabled@example.com", Verified: true})
	must(t, err)
	must(t, r.directory.SetDisabled(t.Context(), disabled.ID, true))
	shape := func(address string) string {
		c := r.client()
		sent := c.submit("/doorward/login", "email", address)
		page := c.navigate(sent.header.Get("Location"))
		guess := c.submit("/doorward/login/passcode", "passcode", "000000")
		var cookies []string
		for _, cookie := range (&http.Response{Header: sent.header}).Cookies() {
			cookie.Value, cookie.Raw = "VALUE", ""
			cookies = append(cookies, cookie.String())
		}
		return strings.Join(append(cookies, sent.header.Get("Location"), strings.ReplaceAll(page.body+guess.body, address, "ADDRESS")), "\n")
	}
	known := shape("ann@example.com")
	for _, address := range []string{"nobody@example.com", "disabled@example.com", "eve@example.net"} {
		if got := shape(address); got != known {
			t.Errorf("%s is answered otherwise than ann@example.com:\n%s\n\nwant\n%s", address, got, known)
		}
	}
	if n := len(r.box.letters(t)); n != 1 {
		t.Errorf("%d letters, want the one to Ann", n)
	}
}

func TestSignInPageShowsWhatIsWrongWithAnAddress(t *testing.T) {
	r := newRig(t, setup{budgets: ceremony.Budgets{Letters: ceremony.Budget{Times: 1, Per: time.Hour}}})
	c := r.client()
	for _, address := range []string{"", "ann", "ann@localhost", `"><svg onload=1>@example.com`} {
		a := c.submit("/doorward/login", "email", address)
		r.wantPage(address, a, 400, loginMark)
		if strings.Contains(a.body, "<svg onload") {
			t.Errorf("%s stands in the page unescaped", address)
		}
	}
	c.submit("/doorward/login", "email", "ann@example.com")
	r.advance(20 * time.Minute)
	a := c.submit("/doorward/login", "email", "ann@example.com")
	r.wantPage("budget spent", a, 429, loginMark)
	if got := a.header.Get("Retry-After"); got != "2400" {
		t.Errorf("Retry-After %q, want 2400 seconds, to the end of the hour", got)
	}
}

func TestWhoIsSignedInProvesItAgainWhereThatIsAsked(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	r.wantRedirect("fresh already", c.navigate("/doorward/login?return=/wiki&fresh=1"), "/wiki")
	r.advance(16 * time.Minute)
	r.wantRedirect("signed in", c.navigate("/doorward/login?return=/wiki"), "/wiki")
	a := c.navigate("/doorward/login?return=/wiki&fresh=1")
	r.wantPage("not fresh", a, 200, loginMark)
	if !strings.Contains(a.body, `value="ann@example.com"`) {
		t.Error("the page does not know who is to prove it again")
	}
	before := c.cookies[r.cookie.Name]
	c.signIn("ann@example.com")
	if before == c.cookies[r.cookie.Name] {
		t.Error("the token is the one from before")
	}
	r.wantRedirect("fresh again", c.navigate("/doorward/login?return=/wiki&fresh=1"), "/wiki")
	thief := r.client()
	thief.cookies[r.cookie.Name] = before
	if thief.signedIn() {
		t.Error("the session from before the sign-in lives on")
	}
}

func TestWhoIsNotAdmittedCanSignInAsSomebodyElse(t *testing.T) {
	r := newRig(t, setup{allow: []string{"ann@example.com", "group:staff"}})
	ann, err := r.directory.CreateUser(t.Context(), directory.NewUser{Address: "eve@example.com", Verified: true, Groups: []string{"staff"}})
	must(t, err)
	c := r.client().signIn("eve@example.com")
	must(t, r.directory.SetGroups(t.Context(), ann.ID, nil))
	must(t, r.sessions.IdentityChanged(t.Context(), session.Identity{Subject: ann.ID, Email: "eve@example.com", EmailVerified: true, At: r.now()}))
	a := c.navigate("/doorward/login?return=/wiki")
	r.wantPage("no longer admitted", a, 403, `action="/doorward/logout"`)
	r.wantPage("as somebody else", c.navigate("/doorward/login?fresh=1"), 200, loginMark)
	if options := c.fetch("POST", "/doorward/webauthn/login/initialize", ""); strings.Contains(options.body, "allowCredentials") {
		t.Errorf("only their own passkeys may answer: %s", options.body)
	}
	c.signIn("ann@example.com")
	if !c.signedIn() {
		t.Error("Ann is not signed in")
	}
}

func TestSignOutEndsTheSession(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	thief := r.client()
	thief.cookies[r.cookie.Name] = c.cookies[r.cookie.Name]
	r.wantStatus("sign out", c.fetch("POST", "/doorward/logout", ""), http.StatusNoContent)
	if len(c.cookies[r.cookie.Name]) != 0 {
		t.Error("the browser keeps the token")
	}
	if thief.signedIn() {
		t.Error("the token is good after signing out")
	}
	r.wantProblem("sign out again", c.fetch("POST", "/doorward/logout", ""), 401, "sign_in_required")
	r.wantRedirect("sign out again, on the page", c.submit("/doorward/logout"), "/doorward/signed-out")
}
