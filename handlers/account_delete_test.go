package handlers_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

func TestAccountIsDeletedWithAllThatItHas(t *testing.T) {
	r := newRig(t, setup{mayDelete: true})
	c := r.client().signIn("ann@example.com")
	c.addPasskey(newAuthenticator())
	phone := r.client().signIn("ann@example.com")
	eve := r.client().signIn("eve@example.com")
	ann := r.user("ann@example.com")
	if a := c.navigate("/doorward/account"); !strings.Contains(a.body, `action="/doorward/account/delete"`) {
		t.Fatalf("the page has no form to delete the account\n%s", a.body)
	}
	r.wantRedirect("without saying so", c.submit("/doorward/account/delete"), "/doorward/account?problem=unconfirmed")
	if !c.signedIn() {
		t.Fatal("Ann is signed out")
	}
	r.box.letters(t)

	r.wantRedirect("delete", c.submit("/doorward/account/delete", "confirm", "1"), "/doorward/signed-out")
	if _, err := r.directory.User(t.Context(), ann.ID); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("looking up Ann: %v, want ErrNotFound", err)
	}
	if c.cookies[r.cookie.Name] != "" || c.signedIn() || phone.signedIn() || !eve.signedIn() {
		t.Errorf("signed in: Ann %v, her phone %v, Eve %v; want only Eve", c.signedIn(), phone.signedIn(), eve.signedIn())
	}
	if live, err := r.sessions.List(t.Context(), ann.ID); err != nil || len(live) != 0 {
		t.Errorf("Ann has %d sessions, %v; want none", len(live), err)
	}
	if got := recipients(r.box.letters(t)); !slices.Equal(got, []string{"ann@example.com"}) {
		t.Errorf("letters went to %v, want one to Ann", got)
	}
	r.wantEvents(ann.ID, "signed_in otp", "passkey_added Passkey of 2026-03-01", "signed_in otp", "account_deleted")

	a := c.navigate("/doorward/signed-out")
	r.wantPage("after it", a, http.StatusOK, "Your account is deleted")
	if !strings.Contains(a.body, `data-credential-ids=""`) {
		t.Error("the page does not tell the browser that the passkeys are gone")
	}
	if a := eve.navigate("/doorward/signed-out"); strings.Contains(a.body, "deleted") {
		t.Error("the page says that Eve's account is deleted")
	}
	// Whoever comes back is somebody new.
	c.signIn("ann@example.com")
	if again := r.user("ann@example.com"); again.ID == ann.ID {
		t.Error("the new account has the ID of the old one")
	}
}

// A deletion that met a failure halfway is finished by the next try.
func TestDeletionEndsTheSessionsOfAUserWhoIsGone(t *testing.T) {
	r := newRig(t, setup{mayDelete: true})
	c := r.client().signIn("ann@example.com")
	phone := r.client().signIn("ann@example.com")
	must(t, r.directory.RemoveUser(t.Context(), r.user("ann@example.com").ID))
	if !phone.signedIn() {
		t.Fatal("the sessions know already")
	}
	r.wantRedirect("delete", c.submit("/doorward/account/delete", "confirm", "1"), "/doorward/signed-out")
	if phone.signedIn() {
		t.Error("the phone is signed in")
	}
}

func TestDeletionIsToldForAMinuteAndOnlyByOurCookie(t *testing.T) {
	r := newRig(t, setup{mayDelete: true})
	c := r.client().signIn("ann@example.com")
	a := c.submit("/doorward/account/delete", "confirm", "1")
	for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
		if cookie.Name != r.cookie.Name+"-deleted" {
			continue
		}
		if got := time.Duration(cookie.MaxAge) * time.Second; got != time.Minute || cookie.SameSite != http.SameSiteStrictMode || !cookie.HttpOnly {
			t.Errorf("cookie %v, want one for a minute, strict, and not for scripts", cookie)
		}
		return
	}
	t.Error("no cookie says that the account was deleted")
}

func TestAccountsAreNotDeletedWhereThatIsOff(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client().signIn("ann@example.com")
	if a := c.navigate("/doorward/account"); strings.Contains(a.body, "/account/delete") {
		t.Error("the page has a form to delete the account")
	}
	a := c.submit("/doorward/account/delete", "confirm", "1")
	r.wantPage("delete", a, http.StatusNotFound, "Page not found")
	if !c.signedIn() {
		t.Error("Ann is signed out")
	}
}
