package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
)

// user returns the user who has an address.
func (r *rig) user(address string) directory.User {
	r.t.Helper()
	u, err := r.directory.UserByAddress(r.t.Context(), directory.Address(address))
	must(r.t, err)
	return u
}

// email returns the ID of an address of a user.
func (r *rig) email(address string) string {
	r.t.Helper()
	for _, e := range r.user(address).Emails {
		if string(e.Address) == address {
			return e.ID
		}
	}
	return ""
}

// addresses returns all addresses of the user who has one, in their order.
func (r *rig) addresses(address string) (all []string) {
	r.t.Helper()
	for _, e := range r.user(address).Emails {
		all = append(all, string(e.Address))
	}
	return all
}

// remoteUser returns the address that an app is told of the client.
func (c *client) remoteUser() string {
	c.t.Helper()
	v, err := c.sessions.Check(c.t.Context(), c.cookies[c.cookie.Name], origin)
	must(c.t, err)
	return v.Identity.Email
}

// beginAddress has a passcode sent to a new address, from the page.
func (c *client) beginAddress(address string) (passcode string) {
	c.t.Helper()
	c.box.letters(c.t)
	c.wantRedirect("adding "+address, c.submit("/doorward/account/emails/add", "email", address), "/doorward/account/emails/verify")
	return c.box.passcode(c.t)
}

// addAddress adds an address, from the page.
func (c *client) addAddress(address string) {
	c.t.Helper()
	passcode := c.beginAddress(address)
	c.wantRedirect("proving "+address, c.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?done=address_added")
}

func recipients(letters []mail.Message) (to []string) {
	for _, m := range letters {
		to = append(to, m.To)
	}
	slices.Sort(to)
	return to
}

// wantEvents checks which audit records there are of a user, the oldest first.
func (r *rig) wantEvents(userID string, want ...string) {
	r.t.Helper()
	events, err := r.directory.Events(r.t.Context(), userID, 100)
	must(r.t, err)
	var got []string
	for _, e := range slices.Backward(events) {
		got = append(got, strings.TrimSpace(e.Type+" "+e.Detail))
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("audit records %q, want %q", got, want)
	}
}

func TestAddressIsAddedByThePasscodeThatWasSentThere(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	delete(c.cookies, r.cookie.Name+"-browser") // as browsers do after an hour: the page gives them another
	passcode := c.beginAddress(" Ann@Example.org ")
	if got := r.addresses("ann@example.com"); len(got) != 1 {
		t.Fatalf("before it is proved Ann has %v, want one address", got)
	}
	r.wantPage("verify", c.navigate("/doorward/account/emails/verify"), 200, "ann@example.org")
	before := c.cookies[r.cookie.Name]

	r.wantRedirect("the passcode", c.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?done=address_added")
	if got, want := r.addresses("ann@example.com"), []string{"ann@example.com", "ann@example.org"}; !slices.Equal(got, want) {
		t.Errorf("Ann has %v, want %v", got, want)
	}
	if got := recipients(r.box.letters(t)); !slices.Equal(got, []string{"ann@example.com"}) {
		t.Errorf("letters about it went to %v, want Ann's old address", got)
	}
	if c.cookies[r.cookie.Name] != before || c.cookies[r.cookie.Name+"-address"] != "" {
		t.Error("the session is another one, or the ceremony's cookie is left")
	}
	ann := r.user("ann@example.com")
	r.wantEvents(ann.ID, "signed_in otp", "address_added "+directory.Address("ann@example.org").Masked())
	a := c.navigate("/doorward/account?done=address_added")
	for _, want := range []string{"<bdi>ann@example.org</bdi>", ann.Emails[1].ID, `action="/doorward/account/emails/primary"`, `action="/doorward/account/emails/remove"`, `role="status"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	// It is another way in, and not another account.
	c.addAddress("ann.two@example.com")
	if r.client().signIn("ann.two@example.com").remoteUser() != "ann@example.com" {
		t.Error("another new address signs in somebody else")
	}
	// But the door admits example.com: whoever reads mail elsewhere does not come in.
	r.client().submit("/doorward/login", "email", "ann@example.org")
	if letters := r.box.letters(t); len(letters) != 0 {
		t.Errorf("letters went to %v, want none", recipients(letters))
	}
	if log := r.log.String(); strings.Contains(log, "ann@example.org") || strings.Contains(log, `"`+passcode+`"`) {
		t.Errorf("the log shows the address or the passcode:\n%s", log)
	}
	// The passcode works once.
	r.wantRedirect("the passcode again", c.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?problem=passcode_expired")
}

func TestWrongPasscodeDoesNotAddAnAddress(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	passcode := c.beginAddress("ann@example.org")
	wrong := string('0'+(passcode[0]-'0'+1)%10) + passcode[1:]
	for range 2 {
		a := c.submit("/doorward/account/emails/verify", "passcode", wrong)
		r.wantPage("wrong", a, http.StatusUnprocessableEntity, `aria-invalid="true"`)
		if !strings.Contains(a.body, "ann@example.org") {
			t.Errorf("the page does not say which address\n%s", a.body)
		}
	}
	r.wantRedirect("wrong for the third time", c.submit("/doorward/account/emails/verify", "passcode", wrong), "/doorward/account?problem=too_many_attempts")
	r.wantRedirect("right, and too late", c.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?problem=passcode_expired")
	if got := r.addresses("ann@example.com"); len(got) != 1 {
		t.Errorf("Ann has %v, want one address", got)
	}
}

func TestAnotherPasscodeForANewAddressCanBeAskedFor(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	r.wantRedirect("without having begun", c.submit("/doorward/account/emails/verify/again"), "/doorward/account?problem=passcode_expired")
	c.beginAddress("ann@example.org")
	r.wantRedirect("again", c.submit("/doorward/account/emails/verify/again"), "/doorward/account/emails/verify?again=1")
	r.wantPage("verify", c.navigate("/doorward/account/emails/verify?again=1"), 200, "a new passcode")
	letters := r.box.letters(t)
	if got := recipients(letters); !slices.Equal(got, []string{"ann@example.org"}) {
		t.Fatalf("letters went to %v, want one to the new address", got)
	}
	passcode := codePattern.FindString(letters[0].Subject)
	r.wantRedirect("the new passcode", c.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?done=address_added")
}

// Nobody learns from the page who has an account, until they have proved that
// they read that account's mail.
func TestAddressOfAnotherAccountIsToldOnlyToWhoeverProvedIt(t *testing.T) {
	r := newRig(t, setup{})
	r.client().signIn("eve@example.com")
	c := r.client().signIn("ann@example.com")
	passcode := c.beginAddress("eve@example.com")
	r.wantPage("verify", c.navigate("/doorward/account/emails/verify"), 200, "eve@example.com")
	r.wantRedirect("the passcode", c.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?problem=address_of_other")
	if got := r.addresses("ann@example.com"); len(got) != 1 {
		t.Errorf("Ann has %v, want one address", got)
	}
	if got := r.addresses("eve@example.com"); len(got) != 1 {
		t.Errorf("Eve has %v, want one address", got)
	}
	if c.remoteUser() != "ann@example.com" {
		t.Error("Ann is signed in as somebody else")
	}
}

func TestAddressesThatCannotBeAdded(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	for address, problem := range map[string]string{
		"": "address_invalid", "ann": "address_invalid", "a@b@example.com": "address_invalid", "Ann@example.COM": "address_taken",
	} {
		r.wantRedirect(address, c.submit("/doorward/account/emails/add", "email", address), "/doorward/account?problem="+problem)
	}
	if letters := r.box.letters(t); len(letters) != 0 {
		t.Errorf("letters went to %v, want none", recipients(letters))
	}
}

func TestAccountHoldsALimitedNumberOfAddresses(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	for _, address := range []string{"2@example.org", "3@example.org", "4@example.org", "5@example.org"} {
		if !strings.Contains(c.navigate("/doorward/account").body, `action="/doorward/account/emails/add"`) {
			t.Errorf("no form for %s", address)
		}
		c.addAddress(address)
	}
	a := c.navigate("/doorward/account")
	if strings.Contains(a.body, `action="/doorward/account/emails/add"`) || !strings.Contains(a.body, "You have 5 addresses") {
		t.Errorf("the page does not say that there are as many as there can be\n%s", a.body)
	}
	r.wantRedirect("a sixth", c.submit("/doorward/account/emails/add", "email", "6@example.org"), "/doorward/account?problem=too_many_addresses")
}

// A ceremony is for the browser and the account that began it.
func TestAddressIsProvedWhereItWasAskedFor(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	passcode := c.beginAddress("ann@example.org")
	const gone = "/doorward/account?problem=passcode_expired"

	elsewhere := r.client().signIn("ann@example.com")
	elsewhere.cookies[r.cookie.Name+"-address"] = c.cookies[r.cookie.Name+"-address"]
	r.wantRedirect("at another browser", elsewhere.submit("/doorward/account/emails/verify", "passcode", passcode), gone)
	r.wantRedirect("its page at another browser", elsewhere.navigate("/doorward/account/emails/verify"), gone)

	eve := r.client().signIn("eve@example.com")
	for _, cookie := range []string{"-address", "-browser"} {
		eve.cookies[r.cookie.Name+cookie] = c.cookies[r.cookie.Name+cookie]
	}
	r.wantRedirect("as somebody else", eve.submit("/doorward/account/emails/verify", "passcode", passcode), gone)
	r.wantRedirect("its page as somebody else", eve.navigate("/doorward/account/emails/verify"), gone)
	r.wantRedirect("again as somebody else", eve.submit("/doorward/account/emails/verify/again"), gone)
	// Also if they have made the cookie look like theirs.
	eve.cookies[r.cookie.Name+"-address"] = strings.ReplaceAll(c.cookies[r.cookie.Name+"-address"], r.user("ann@example.com").ID, r.user("eve@example.com").ID)
	r.wantRedirect("as somebody else with a forged cookie", eve.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?problem=address_of_other")
	r.wantRedirect("again with a forged cookie", eve.submit("/doorward/account/emails/verify/again"), "/doorward/account?problem=not_found")

	r.wantRedirect("at home", c.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?done=address_added")
}

// A passcode for signing in is no proof for the account page, nor the other way
// round.
func TestPasscodesOfTheTwoPagesAreNotMixedUp(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	passcode := c.beginAddress("ann@example.org")
	id, _, _ := strings.Cut(c.cookies[r.cookie.Name+"-address"], ".")
	c.cookies[r.cookie.Name+"-passcode"] = id
	if a := c.submit("/doorward/login/passcode", "passcode", passcode); a.status == http.StatusSeeOther {
		t.Errorf("the passcode for a new address signs in: %d to %s", a.status, a.header.Get("Location"))
	}
	r.wantRedirect("where it belongs", c.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?done=address_added")

	r.box.letters(t)
	c.submit("/doorward/login", "email", "ann@example.com")
	c.cookies[r.cookie.Name+"-address"] = c.cookies[r.cookie.Name+"-passcode"] + ".x." + r.user("ann@example.com").ID
	r.wantRedirect("a sign-in's", c.submit("/doorward/account/emails/verify", "passcode", r.box.passcode(t)), "/doorward/account?problem=passcode_expired")
}

func TestPrimaryAddressIsTheOneThatAppsSee(t *testing.T) {
	r := newRig(t, setup{allow: []string{"*@example.com", "*@example.org"}})
	c := r.client().signIn("ann@example.com")
	phone := r.client().signIn("ann@example.com")
	c.addAddress("ann@example.org")
	r.box.letters(t)
	id := r.email("ann@example.org")
	r.wantRedirect("primary", c.submit("/doorward/account/emails/primary", "id", id), "/doorward/account?done=address_primary")
	for _, c := range []*client{c, phone} {
		if got := c.remoteUser(); got != "ann@example.org" {
			t.Errorf("apps are told %s, want ann@example.org", got)
		}
	}
	if got := recipients(r.box.letters(t)); !slices.Equal(got, []string{"ann@example.com"}) {
		t.Errorf("letters went to %v, want one to the address that was the primary one", got)
	}
	// Once more is no change, and none is told.
	r.wantRedirect("primary again", c.submit("/doorward/account/emails/primary", "id", strings.ToUpper(id)), "/doorward/account?done=address_primary")
	if letters := r.box.letters(t); len(letters) != 0 {
		t.Errorf("letters went to %v, want none", recipients(letters))
	}
	masked := directory.Address("ann@example.org").Masked()
	r.wantEvents(r.user("ann@example.com").ID, "signed_in otp", "signed_in otp", "address_added "+masked, "address_primary "+masked)
}

// A policy looks at the primary address: to choose one that it does not admit
// would be the last thing that its owner does here.
func TestNobodyShutsThemselvesOutWithAnotherPrimaryAddress(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	c.addAddress("ann@example.org")
	r.wantRedirect("primary", c.submit("/doorward/account/emails/primary", "id", r.email("ann@example.org")), "/doorward/account?problem=address_shuts_out")
	if got := c.remoteUser(); got != "ann@example.com" {
		t.Errorf("apps are told %s, want ann@example.com", got)
	}
	c.addAddress("ann.example@example.com")
	r.wantRedirect("another one", c.submit("/doorward/account/emails/primary", "id", r.email("ann.example@example.com")), "/doorward/account?done=address_primary")
}

func TestAddressIsRemovedWithTheWayInThatItWas(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	c.addAddress("ann@example.org")
	r.box.letters(t)
	ann := r.user("ann@example.com")
	elsewhere := r.client().signIn("ann@example.com") // or somebody who reads mail at the other address
	r.wantRedirect("the primary one", c.submit("/doorward/account/emails/remove", "id", r.email("ann@example.com")), "/doorward/account?problem=address_in_use")
	r.wantRedirect("remove", c.submit("/doorward/account/emails/remove", "id", r.email("ann@example.org")), "/doorward/account?done=address_removed")
	if got := recipients(r.box.letters(t)); !slices.Equal(got, []string{"ann@example.com", "ann@example.org"}) {
		t.Errorf("letters went to %v, want one to each of the addresses", got)
	}
	masked := directory.Address("ann@example.org").Masked()
	r.wantEvents(ann.ID, "signed_in otp", "address_added "+masked, "signed_in otp", "address_removed "+masked)
	if !c.signedIn() {
		t.Error("Ann is signed out")
	}
	if elsewhere.signedIn() {
		t.Error("a session that may have begun with the address is still there")
	}
	a := r.client().submit("/doorward/login", "email", "ann@example.org")
	r.wantRedirect("signing in with it", a, "/doorward/login/passcode?sent=1&return=%2F")
	if letters := r.box.letters(t); len(letters) != 0 {
		t.Errorf("the removed address got %d letters, want none", len(letters))
	}
}

func TestAddressesAreChangedByTheirOwnerAlone(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	ann.addAddress("ann.two@example.com")
	eve := r.client().signIn("eve@example.com")
	for what, id := range map[string]string{"Ann's": r.email("ann.two@example.com"), "nobody's": "6f2a2f4e-3c5e-4d7e-9d41-3a3f5e0a9f00", "no": "x", "none": ""} {
		for _, form := range []string{"primary", "remove"} {
			r.wantRedirect(form+" "+what, eve.submit("/doorward/account/emails/"+form, "id", id), "/doorward/account?problem=not_found")
		}
	}
	if got := r.addresses("ann@example.com"); len(got) != 2 || got[0] != "ann@example.com" {
		t.Errorf("Ann's addresses are %v", got)
	}
}

// A page that says that something was done, or that nothing is there, would be
// wrong where we do not know.
func TestFailureAtTheAccountPageIsToldAsOne(t *testing.T) {
	for name, away := range map[string]func(*rig) error{
		"store":     func(r *rig) error { return r.store.Close() },
		"directory": func(r *rig) error { return r.directory.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, setup{mayDelete: true})
			c := r.client().signIn("ann@example.com")
			c.addAddress("ann.two@example.com")
			passcode := c.beginAddress("ann.three@example.com")
			id := r.email("ann.two@example.com")
			must(t, away(r))
			for _, form := range [][]string{
				{"emails/verify", "passcode", passcode}, {"emails/add", "email", "ann.four@example.com"},
				{"emails/primary", "id", id}, {"emails/remove", "id", id}, {"delete", "confirm", "1"},
			} {
				a := c.submit("/doorward/account/"+form[0], form[1:]...)
				r.wantPage(form[0], a, http.StatusServiceUnavailable, "Incident")
			}
			if c.cookies[r.cookie.Name] == "" {
				t.Error("Ann was signed out")
			}
		})
	}
}

func TestFreshSignInIsNeededToChangeAddresses(t *testing.T) {
	r := newRig(t, setup{mayDelete: true})
	c := r.client().signIn("ann@example.com")
	c.addAddress("ann.two@example.com")
	// The proof may come later than that: it was asked for in time.
	r.advance(14*time.Minute + 59*time.Second)
	passcode := c.beginAddress("ann.three@example.com")
	r.advance(2 * time.Second)
	for path, fields := range map[string][]string{
		"emails/add": {"email", "ann.four@example.com"}, "emails/primary": {"id", r.email("ann.two@example.com")},
		"emails/remove": {"id", r.email("ann.two@example.com")}, "delete": {"confirm", "1"},
	} {
		r.wantRedirect(path, c.submit("/doorward/account/"+path, fields...), "/doorward/login?return=%2Fdoorward%2Faccount&fresh=1")
	}
	if got := r.addresses("ann@example.com"); !slices.Equal(got, []string{"ann@example.com", "ann.two@example.com"}) {
		t.Errorf("Ann's addresses are %v", got)
	}
	a := c.navigate("/doorward/account")
	for _, form := range []string{"emails/add", "emails/primary", "emails/remove", "delete"} {
		if strings.Contains(a.body, `action="/doorward/account/`+form+`"`) {
			t.Errorf("the page has a form for %s that would be refused", form)
		}
	}
	if !strings.Contains(a.body, "fresh=1") {
		t.Error("the page does not lead to a fresh sign-in")
	}
	r.wantRedirect("the proof", c.submit("/doorward/account/emails/verify", "passcode", passcode), "/doorward/account?done=address_added")
}
