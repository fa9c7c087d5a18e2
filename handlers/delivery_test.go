package handlers_test

import (
	"net/http"
	"testing"

	"github.com/doorward/doorward/handlers"
)

// Where a session token goes: into a cookie, unless the operator wants tokens in
// X-Auth-Token, and then still for pages and for whoever asks for the cookie.
func TestSessionTokenIsDeliveredAsTheClientTakesIt(t *testing.T) {
	script := fetches[:len(fetches)-2] // of the app, which does not ask for the cookie
	for _, tt := range []struct {
		name         string
		header       []string
		byHeader     bool // token_header on
		wantByHeader bool
	}{
		{"a program", nil, true, true},
		{"a program that asks for the cookie", []string{"Doorward-Session", "cookie"}, true, false},
		{"a program that asks for something else", []string{"Doorward-Session", "header"}, true, true},
		{"a program, with cookies only", nil, false, false},
		{"a program that asks for the header, with cookies only", []string{"Doorward-Session", "header"}, false, false},
		{"a script of the app", script, true, true},
		{"a script of the app, with cookies only", script, false, false},
		{"the script of our pages", fetches, true, false},
		{"a client on an allowed origin", from(shop, "same-site"), true, true},
		{"a client on an allowed origin, with cookies only", from(shop, "same-site"), false, false},
		{"a program that says it navigates", navigates, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{api: handlers.API{TokenHeader: tt.byHeader, Origins: []string{shop}}})
			c := r.client()
			id, _ := c.initialize("ann@example.com", tt.header...)
			in := c.finalize(id, r.box.passcode(t), tt.header...)
			r.wantStatus("finalize", in, http.StatusOK)
			token, cookie := in.header.Get("X-Auth-Token"), c.cookies[r.cookie.Name]
			if (token != "") != tt.wantByHeader || (cookie != "") == tt.wantByHeader {
				t.Errorf("X-Auth-Token: %v, cookie: %v; want one, by header: %v", token != "", cookie != "", tt.wantByHeader)
			}
			if got := in.header.Get("X-Session-Lifetime"); got != "43200" {
				t.Errorf("X-Session-Lifetime %q, want 43200", got)
			}
			if _, err := r.sessions.Check(t.Context(), token+cookie, origin); err != nil {
				t.Errorf("the token that was delivered: Check = %v", err)
			}
		})
	}
}

func TestFormsOfPagesGetTheCookieInAnyMode(t *testing.T) {
	r := newRig(t, setup{api: handlers.API{TokenHeader: true}})
	ann := r.client().signIn("ann@example.com")
	if ann.cookies[r.cookie.Name] == "" || !ann.signedIn() {
		t.Error("no cookie after signing in on the pages")
	}
	for _, a := range r.answers {
		if a.header.Get("X-Auth-Token") != "" {
			t.Errorf("%s: X-Auth-Token, where a script can read it", a.asked)
		}
	}
}
