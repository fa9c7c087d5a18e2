package handlers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

func TestLoopPageComesWhenTheSessionDoesNotComeBack(t *testing.T) {
	t.Run("cookies blocked", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client()
		c.blocks = true
		c.submit("/doorward/login", "email", "ann@example.com")
		r.wantPage("passcode page", c.navigate("/doorward/login/passcode?sent=1&return=%2F"), 200, loopMark)
	})
	t.Run("session cookie not kept", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client().signIn("ann@example.com")
		delete(c.cookies, r.cookie.Name)
		bounced := c.refuse(session.ErrNone, "GET", "/wiki", navigates...)
		a := c.navigate(bounced.header.Get("Location"))
		r.wantPage("second bounce", a, 200, loopMark)
		if !strings.Contains(a.body, `href="/doorward/login?return=%2Fwiki"`) {
			t.Errorf("the page does not lead back\n%s", a.body)
		}
		r.wantPage("trying again", c.navigate("/doorward/login?return=%2Fwiki"), 200, loginMark)
	})
	// What is wrong with a token that was no good from the beginning can be told
	// only as long as the browser sends it.
	for name, tt := range map[string]struct {
		err  error
		mark string
	}{
		"clock": {session.ErrExpired, "clock"},
		"host":  {session.ErrInvalid, "address"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, setup{})
			c := r.client().signIn("ann@example.com")
			if tt.err == session.ErrInvalid {
				c.cookies[r.cookie.Name] = "of.another.site"
			} else {
				r.advance(13 * time.Hour)
			}
			bounced := c.refuse(tt.err, "GET", "/wiki", navigates...)
			a := c.navigate(bounced.header.Get("Location"))
			r.wantPage("second bounce", a, 200, loopMark)
			if !strings.Contains(a.body, tt.mark) {
				t.Errorf("the page does not speak of the %s\n%s", tt.mark, a.body)
			}
			if len(c.cookies[r.cookie.Name]) != 0 {
				t.Error("the browser keeps a token that is no good")
			}
			r.wantPage("trying again", c.navigate("/doorward/login"), 200, loginMark)
		})
	}
}

func TestThereIsNoLoopPageWhereNothingIsWrong(t *testing.T) {
	t.Run("after signing out", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client().signIn("ann@example.com")
		r.wantRedirect("sign out", c.submit("/doorward/logout"), "/doorward/signed-out")
		r.wantPage("signed out", c.navigate("/doorward/signed-out"), 200, `href="/doorward/login"`)
		r.wantPage("sign in again", c.navigate("/doorward/login"), 200, loginMark)
	})
	t.Run("session ended elsewhere", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client().signIn("ann@example.com")
		phone := r.client().signIn("ann@example.com")
		phone.fetch("POST", "/doorward/sessions/end-others", "")
		bounced := c.refuse(session.ErrEnded, "GET", "/wiki", navigates...)
		r.wantPage("sign in again", c.navigate(bounced.header.Get("Location")), 200, loginMark)
	})
	t.Run("session ended elsewhere, straight to the sign-in page", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client().signIn("ann@example.com")
		r.client().signIn("ann@example.com").fetch("POST", "/doorward/sessions/end-others", "")
		r.wantPage("sign in again", c.navigate("/doorward/login"), 200, loginMark)
	})
	t.Run("back to the passcode page after signing in", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client().signIn("ann@example.com")
		if a := c.navigate("/doorward/login/passcode?sent=1&return=%2F"); strings.Contains(a.body, loopMark) {
			t.Errorf("the page says that cookies are blocked\n%s", a.body)
		}
	})
	t.Run("passcode page after the passcode has expired", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client()
		c.submit("/doorward/login", "email", "ann@example.com")
		delete(c.cookies, r.cookie.Name+"-passcode") // as browsers do after five minutes
		r.wantPage("the page again", c.navigate("/doorward/login/passcode?sent=1&return=%2F"), 422, loginMark)
	})
}
