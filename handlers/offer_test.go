package handlers_test

import (
	"testing"
	"time"
)

// A passkey is offered to whoever has just signed in with a passcode, in a
// browser that can make one, and has none and has not said "later".
func TestPasskeyIsOfferedToWhomItHelps(t *testing.T) {
	const offered, plain = "/doorward/login/offer?return=%2Fwiki", "/wiki"
	signIn := func(r *rig, c *client, passkeys string) answer {
		c.submit("/doorward/login", "email", "ann@example.com", "passkeys", passkeys, "return", "/wiki")
		return c.submit("/doorward/login/passcode", "passcode", r.box.passcode(r.t), "return", "/wiki")
	}
	t.Run("a browser that can", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client()
		r.wantRedirect("signed in", signIn(r, c, "1"), offered)
		r.wantPage("offer", c.navigate(offered), 200, offerMark)
	})
	t.Run("a browser that cannot", func(t *testing.T) {
		r := newRig(t, setup{})
		r.wantRedirect("signed in", signIn(r, r.client(), ""), plain)
	})
	t.Run("somebody who has a passkey", func(t *testing.T) {
		r := newRig(t, setup{})
		r.client().signIn("ann@example.com").addPasskey(newAuthenticator())
		r.box.letters(t)
		r.wantRedirect("signed in", signIn(r, r.client(), "1"), plain)
	})
	t.Run("somebody who said later", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client()
		signIn(r, c, "1")
		r.wantRedirect("later", c.submit("/doorward/login/offer/later", "return", "/wiki"), plain)
		r.wantRedirect("signed in again", signIn(r, c, "1"), plain)
	})
	t.Run("nobody", func(t *testing.T) {
		r := newRig(t, setup{})
		r.wantRedirect("offer to a stranger", r.client().navigate(offered), plain)
	})
	t.Run("somebody who signed in long ago", func(t *testing.T) {
		r := newRig(t, setup{})
		c := r.client().signIn("ann@example.com")
		r.advance(16 * time.Minute)
		r.wantRedirect("offer", c.navigate(offered), plain)
	})
}
