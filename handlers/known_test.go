package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/handlers"
)

// known is the name of the cookie that marks a known browser.
func (r *rig) known() string { return r.cookie.Name + "-known" }

func hourly(times int64) ceremony.Budget { return ceremony.Budget{Times: times, Per: time.Hour} }

// marked returns the cookie with which an answer marks the browser, or nil.
func (r *rig) marked(a answer) *http.Cookie {
	for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
		if cookie.Name == r.known() {
			return cookie
		}
	}
	return nil
}

func TestBrowserIsKnownAfterEachSignIn(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client()
	a := newAuthenticator()
	r.box.letters(t)
	ann.submit("/doorward/login", "email", "ann@example.com")
	if ann.cookies[r.known()] != "" {
		t.Error("the browser is known before the sign-in")
	}
	first := r.marked(ann.submit("/doorward/login/passcode", "passcode", r.box.passcode(t)))
	if first == nil {
		t.Fatal("no mark after a sign-in with a passcode")
	}
	if first.MaxAge != int(ceremony.KnownLifetime/time.Second) || !first.HttpOnly || !first.Secure || first.SameSite != http.SameSiteStrictMode || first.Path != "/" || first.Domain != "" {
		t.Errorf("the mark is %v, want one for %v, strict, for this host, and not for scripts", first, ceremony.KnownLifetime)
	}
	ann.addPasskey(a)
	ann.submit("/doorward/logout")
	if ann.cookies[r.known()] != first.Value {
		t.Error("signing out takes the mark away, or changes it")
	}
	again := r.marked(ann.usePasskey(a))
	if again == nil || again.Value == first.Value {
		t.Errorf("mark after a sign-in with a passkey: %v, want a new one", again)
	}
}

// What marks a browser opens nothing, and the app has no business with it.
func TestMarkSignsNobodyInAndStaysHere(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	mark := ann.cookies[r.known()]
	thief := r.client()
	thief.cookies[r.known()] = mark
	if thief.signedIn() {
		t.Error("the mark signs in")
	}
	for _, name := range []string{r.cookie.Name, r.cookie.Name + "-browser", "X"} {
		thief.cookies[name] = mark
	}
	if a := thief.call("GET", "/doorward/me", "", "Authorization", "Bearer "+mark); a.status != http.StatusUnauthorized {
		t.Errorf("the mark as a token: status %d, want 401", a.status)
	}
	with, without := thief.navigate("/doorward/login"), r.client().navigate("/doorward/login")
	if with.status != without.status || with.body != without.body {
		t.Error("the page for a known browser is another")
	}
	header := http.Header{"Cookie": {"a=1; " + r.known() + "=" + mark + "; b=2"}}
	r.cookie.Cut(header)
	if got := header.Get("Cookie"); got != "a=1; b=2" {
		t.Errorf("cookies on the way to the app: %q, want a=1; b=2", got)
	}
}

func TestProgramsAreNotMarked(t *testing.T) {
	r := newRig(t, setup{api: handlers.API{TokenHeader: true}})
	c := r.client()
	id, _ := c.initialize("ann@example.com")
	a := c.finalize(id, r.box.passcode(t))
	r.wantStatus("finalize", a, http.StatusOK)
	if a.header.Get("X-Auth-Token") == "" || r.marked(a) != nil {
		t.Errorf("X-Auth-Token %v, mark %v; want a token in the header and no mark", a.header.Get("X-Auth-Token") != "", r.marked(a))
	}
}

// T96: an attacker in Ann's own network spends all that there is to spend for her.
func TestKnownBrowserSignsInWhateverStrangersSpent(t *testing.T) {
	r := newRig(t, setup{
		budgets: ceremony.Budgets{Letters: hourly(3), Begun: hourly(6), Tries: hourly(4), TriesFrom: hourly(5), Wrong: ceremony.Budget{Times: 4, Per: 7 * 24 * time.Hour}},
		logins:  hourly(4),
	})
	ann := r.client().signIn("ann@example.com")
	a := newAuthenticator()
	ann.addPasskey(a)
	ann.submit("/doorward/logout")

	burn := r.client()
	for range 12 {
		id, _ := burn.initialize("ann@example.com")
		for range 3 {
			burn.call("POST", "/doorward/passcode/login/finalize", `{"id":"`+id+`","code":"000000x"}`)
		}
		burn.call("POST", "/doorward/webauthn/login/initialize", "")
	}
	r.wantProblem("a stranger's letter", burn.call("POST", "/doorward/passcode/login/initialize", `{"email":"ann@example.com"}`), 429, "too_many_requests")
	r.wantProblem("a stranger's passkey", burn.call("POST", "/doorward/webauthn/login/initialize", ""), 429, "too_many_requests")
	r.box.letters(t)

	ann.signIn("ann@example.com")
	if !ann.signedIn() {
		t.Error("Ann is not signed in with a passcode")
	}
	ann.submit("/doorward/logout")
	r.wantStatus("her passkey", ann.usePasskey(a), http.StatusOK)
}

func TestGuessingIsToldToTheOperatorOnce(t *testing.T) {
	r := newRig(t, setup{budgets: ceremony.Budgets{Letters: hourly(50), Wrong: ceremony.Budget{Times: 2, Per: 7 * 24 * time.Hour}}})
	r.client().signIn("ann@example.com")
	ann := r.user("ann@example.com")
	eve := r.client()
	var bodies []string
	for range 2 {
		id, _ := eve.initialize("ann@example.com")
		for range 2 {
			a := eve.finalize(id, "000000x")
			r.wantProblem("guess", a, 401, "wrong_passcode")
			bodies = append(bodies, a.body)
		}
	}
	for _, body := range bodies {
		if body != bodies[0] {
			t.Errorf("guesses are answered with\n%s\nand\n%s", bodies[0], body)
		}
	}
	r.wantEvents(ann.ID, "signed_in otp") // a record would take time, and tell that there is an account
	const line = `"msg":"passcodes are being guessed: no more are looked at for now"`
	if log := r.log.String(); strings.Count(log, line) != 1 || !strings.Contains(log, `"level":"WARN",`+line+`,"user":"`+ann.ID+`"`) || strings.Contains(log, "ann@example.com") {
		t.Errorf("want one warning with Ann's ID, and her address nowhere:\n%s", log)
	}
	// On the page, too, the right passcode is a wrong one.
	page := r.client()
	r.box.letters(t)
	page.submit("/doorward/login", "email", "ann@example.com")
	if a := page.submit("/doorward/login/passcode", "passcode", r.box.passcode(t)); a.status != http.StatusUnprocessableEntity || page.signedIn() {
		t.Errorf("the right passcode on the page: status %d, want 422 as for a wrong one", a.status)
	}
}

func TestEmptyPasscodeCostsNoAttempt(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client()
	ann.submit("/doorward/login", "email", "ann@example.com")
	passcode := r.box.passcode(t)
	for range 10 {
		for _, empty := range []string{"", " ", "- -"} {
			if a := ann.submit("/doorward/login/passcode", "passcode", empty); a.status != http.StatusBadRequest || !strings.Contains(a.body, `name="passcode"`) {
				t.Fatalf("form with %q: status %d, want 400 and the form again\n%s", empty, a.status, a.body)
			}
			id, _, _ := strings.Cut(ann.cookies[r.cookie.Name+"-passcode"], ".")
			r.wantProblem("JSON", ann.fetch("POST", "/doorward/passcode/login/finalize", `{"id":"`+id+`","code":"`+empty+`"}`), 400, "malformed")
		}
	}
	r.wantRedirect("the right one", ann.submit("/doorward/login/passcode", "passcode", passcode), "/")
}

// A family's browser is known to all of them, and goes on being so when one leaves.
func TestDeletedAccountTakesItsMarkAlone(t *testing.T) {
	r := newRig(t, setup{mayDelete: true})
	c := r.client().signIn("bob@example.com")
	c.signIn("ann@example.com")
	r.wantRedirect("Ann deletes her account", c.submit("/doorward/account/delete", "confirm", "1"), "/doorward/signed-out")
	if got := strings.Count(c.cookies[r.known()], ".") + 1; c.cookies[r.known()] == "" || got != 1 {
		t.Errorf("%d marks are left, want Bob's", got)
	}
	c.signIn("bob@example.com")
	r.wantRedirect("Bob deletes his", c.submit("/doorward/account/delete", "confirm", "1"), "/doorward/signed-out")
	if mark := c.cookies[r.known()]; mark != "" {
		t.Errorf("mark %q is left, want none", mark)
	}
}

// Whatever is in the cookie, the answer is what it is without one.
func TestCookieThatIsNoMarkIsIgnored(t *testing.T) {
	r := newRig(t, setup{budgets: ceremony.Budgets{Letters: hourly(1)}})
	eve := r.client().signIn("eve@example.com")
	r.client().initialize("ann@example.com")
	good := eve.cookies[r.known()]
	for name, value := range map[string]string{
		"Eve's": good, "altered": "A" + good[1:], "cut": good[:len(good)-1], "twice": good + "." + good,
		"garbage": "%00..", "long": strings.Repeat("A", 8000), "the session token": eve.cookies[r.cookie.Name],
	} {
		c := r.client()
		c.cookies[r.known()] = value
		r.wantProblem(name, c.call("POST", "/doorward/passcode/login/initialize", `{"email":"ann@example.com"}`), 429, "too_many_requests")
	}
}
