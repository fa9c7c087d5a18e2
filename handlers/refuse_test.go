package handlers_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/session"
)

// refuse has the door refuse a request for target, for the reason that err is.
func (c *client) refuse(err error, method, target string, header ...string) answer {
	r := httptest.NewRequest(method, origin+target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	for name, value := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	c.Refuse(w, r, r.URL.RequestURI(), err)
	return c.receive(r, w)
}

func TestStrangersAreSentToSignInAndBack(t *testing.T) {
	r := newRig(t, setup{})
	for _, tt := range []struct{ target, want string }{
		{"/", "/doorward/login"},
		{"/wiki?page=1&x=a%20b", "/doorward/login?return=%2Fwiki%3Fpage%3D1%26x%3Da%2520b"},
		{"//evil.test/", "/doorward/login"},
		{"/a/../b", "/doorward/login"},
		{"/" + strings.Repeat("a", 3000), "/doorward/login"},
	} {
		a := r.client().refuse(session.ErrNone, "GET", tt.target, navigates...)
		r.wantRedirect(tt.target, a, tt.want)
		if a.header.Get("Cache-Control") != "no-store" || len(a.header["Set-Cookie"]) != 0 {
			t.Errorf("%s: headers %v, want no-store and no cookies", tt.target, a.header)
		}
	}
}

// A form that was being sent is lost; its sender is not sent to where only forms
// go, but to the page that it was on.
func TestWhoSentAFormComesBackToItsPage(t *testing.T) {
	r := newRig(t, setup{})
	for referer, want := range map[string]string{
		origin + "/wiki/edit?page=1":         "/doorward/login?return=%2Fwiki%2Fedit%3Fpage%3D1",
		"":                                   "/doorward/login",
		"https://evil.test/wiki":             "/doorward/login",
		"https://app.example.com.evil.test/": "/doorward/login",
		"javascript:alert(1)":                "/doorward/login",
		"//evil.test":                        "/doorward/login",
		origin + "//evil.test":               "/doorward/login",
		origin + "/doorward/login":           "/doorward/login",
		"%":                                  "/doorward/login",
	} {
		r.wantRedirect(referer, r.client().refuse(session.ErrNone, "POST", "/wiki/save", append([]string{"Referer", referer}, navigates...)...), want)
	}
}

func TestProgramsAreToldThatTheyAreNotSignedIn(t *testing.T) {
	r := newRig(t, setup{})
	for _, tt := range []struct {
		err             error
		slug, challenge string
	}{
		{session.ErrNone, "sign_in_required", `Bearer realm="doorward"`},
		{session.ErrInvalid, "session_ended", `Bearer realm="doorward", error="invalid_token"`},
		{session.ErrExpired, "session_ended", `Bearer realm="doorward", error="invalid_token"`},
		{fmt.Errorf("checking: %w", session.ErrEnded), "session_ended", `Bearer realm="doorward", error="invalid_token"`},
	} {
		for _, header := range [][]string{nil, fetches, {"Upgrade", "websocket", "Connection", "Upgrade"}, {"Accept", "text/event-stream"}} {
			a := r.client().refuse(tt.err, "GET", "/api", header...)
			p := r.wantProblem(tt.err.Error(), a, 401, tt.slug)
			if got := a.header.Get("WWW-Authenticate"); got != tt.challenge {
				t.Errorf("%v: WWW-Authenticate %q, want %q", tt.err, got, tt.challenge)
			}
			if p.Login != "/doorward/login" || a.header.Get("Location") != "" {
				t.Errorf("%v: login %q, Location %q; want where to sign in, and no redirect", tt.err, p.Login, a.header.Get("Location"))
			}
		}
	}
}

func TestOtherRefusalsOffer(t *testing.T) {
	r := newRig(t, setup{})
	p := r.wantProblem("not admitted", r.client().refuse(handlers.NotAdmitted, "GET", "/api"), 403, "not_allowed")
	if p.Login != "/doorward/login?fresh=1" {
		t.Errorf("not admitted: login %q, want where to sign in as somebody else", p.Login)
	}
	r.wantProblem("misdirected", r.client().refuse(handlers.Misdirected, "GET", "/api"), 421, "host_not_configured")
	if a := r.client().refuse(handlers.NotAdmitted, "GET", "/", navigates...); a.status != 403 || !strings.Contains(a.body, `action="/doorward/logout"`) {
		t.Errorf("not admitted: status %d, want a page of 403 that offers another account\n%s", a.status, a.body)
	}
}

// Whether the session still stands is not known, so the browser keeps it: when
// the store is back, nobody has been signed out.
func TestFailureIsNoRefusalAndKeepsTheCookie(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	away := errors.New("dial tcp 10.0.0.5:6379: connection refused")
	for _, header := range [][]string{fetches, navigates} {
		a := ann.refuse(away, "GET", "/api", header...)
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "5" || len(a.header["Set-Cookie"]) != 0 {
			t.Errorf("status %d, Retry-After %q, Set-Cookie %q; want 503, 5, none", a.status, a.header.Get("Retry-After"), a.header["Set-Cookie"])
		}
		if strings.Contains(a.body, "10.0.0.5") {
			t.Errorf("the answer shows the error\n%s", a.body)
		}
	}
	p := r.wantProblem("store away", ann.refuse(away, "GET", "/api"), 503, "unavailable")
	if p.ID == "" || !strings.Contains(r.log.String(), p.ID) || !strings.Contains(r.log.String(), "10.0.0.5") {
		t.Errorf("incident %q and its cause are not in the log", p.ID)
	}
	if !ann.signedIn() {
		t.Error("Ann is signed out")
	}
}

func TestDeadTokenIsTakenBackFromTheBrowser(t *testing.T) {
	r := newRig(t, setup{})
	for _, err := range []error{session.ErrEnded, session.ErrExpired, session.ErrInvalid} {
		for name, header := range map[string][]string{"navigation": navigates, "fetch": fetches} {
			ann := r.client().signIn(fmt.Sprintf("ann+%s@example.com", strings.Fields(err.Error())[1]))
			r.advance(time.Minute)
			delete(ann.cookies, r.cookie.Name+"-began") // which lives for seconds
			ann.refuse(err, "GET", "/", header...)
			if _, ok := ann.cookies[r.cookie.Name]; ok {
				t.Errorf("%v at a %s: the browser keeps the token", err, name)
			}
		}
	}
	stranger := r.client()
	if a := stranger.refuse(session.ErrInvalid, "GET", "/", "Authorization", "Bearer dead"); len(a.header["Set-Cookie"]) != 0 {
		t.Errorf("dead bearer token: Set-Cookie %q, want none: it came from no cookie", a.header["Set-Cookie"])
	}
}
