package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A Visitor follows redirects, and keeps the cookies that its browser allows.
type Visitor struct {
	s      *Scene
	jar    Jar
	blocks func(name string) bool
}

// Visitor returns somebody whose browser keeps the cookies that blocks is not true
// of.
func (s *Scene) Visitor(blocks func(name string) bool) *Visitor {
	return &Visitor{s, make(Jar), blocks}
}

func (v *Visitor) keep(a Answer) Answer {
	for _, c := range a.Cookies {
		if !v.blocks(c.Name) {
			v.jar.Keep(Answer{Cookies: []*http.Cookie{c}})
		}
	}
	return a
}

// Visit opens a page, and returns what is shown in the end and after how many
// redirects. It follows no more than five.
func (v *Visitor) Visit(target string) (shown Answer, bounces int) {
	v.s.T.Helper()
	for ; ; bounces++ {
		shown = v.keep(v.s.Get(A, target, append(Page, v.jar.Field())...))
		if shown.Status != http.StatusSeeOther || bounces == 5 {
			return shown, bounces
		}
		target = shown.Header.Get("Location")
	}
}

// Submit sends a form, and visits what that leads to.
func (v *Visitor) Submit(target string, fields url.Values) (shown Answer, bounces int) {
	v.s.T.Helper()
	a := v.keep(v.s.Form(A, target, fields.Encode(), v.jar.Field()))
	if a.Status != http.StatusSeeOther {
		return a, 0
	}
	return v.Visit(a.Header.Get("Location"))
}

// SignIn signs in by the pages, up to what is shown in the end.
func (v *Visitor) SignIn(p *Person) (shown Answer, bounces int) {
	v.s.T.Helper()
	if shown, bounces = v.Submit("/doorward/login", url.Values{"email": {p.Address}, "return": {"/wiki"}}); !strings.Contains(shown.Body, `name="passcode"`) {
		return shown, bounces
	}
	letter, err := v.s.Mailbox.For(v.s.mailbox, p.Address)
	if err != nil {
		v.s.T.Fatal(err)
	}
	return v.Submit("/doorward/login/passcode", url.Values{"passcode": {letter.Passcode()}, "return": {"/wiki"}})
}

const (
	askMark  = `id="login"`                               // the sign-in page
	loopMark = "instead of sending you around in circles" // the page that ends a loop
)

// Cookies are blocked, or the session does not come back, and the visitor is sent
// to and fro between the app and the sign-in: GET /wiki, five times.
func TestT53RedirectsGoRoundInCircles(t *testing.T) {
	s := Begin(t)
	none := func(string) bool { return false }
	for i, tt := range []struct {
		name    string
		blocks  func(name string) bool
		between func(v *Visitor) // after signing in
		wants   string           // where signing in leads
		because string
	}{
		{"nothing blocked", none, func(*Visitor) {}, "the app", ""},
		{"all cookies blocked", func(string) bool { return true }, func(*Visitor) {}, loopMark, "cookie"},
		{"the session cookie blocked", func(name string) bool { return name == "__Host-doorward" }, func(*Visitor) {}, loopMark, "cookie"},
		{"the session cookie of another site", none, func(v *Visitor) {
			eve := s.SignedIn("eve", "staff")
			s.SignIn(B, eve)
			v.jar["__Host-doorward"] = eve.Token
		}, "the app", ""},
	} {
		p, v := s.Person("alice"+string(rune('a'+i))), s.Visitor(tt.blocks)
		for range 5 {
			if shown, bounces := v.Visit("/wiki"); bounces != 1 || !strings.Contains(shown.Body, askMark) {
				t.Errorf("%s: a visit ended after %d redirects with %v", tt.name, bounces, shown)
			}
		}
		shown, bounces := v.SignIn(p)
		if bounces > 2 || shown.Status != http.StatusOK || !strings.Contains(shown.Body, tt.wants) || !strings.Contains(shown.Body, tt.because) {
			t.Errorf("%s: signing in ended after %d redirects with %v, want %q", tt.name, bounces, shown, tt.wants)
		}
		// Whoever goes on all the same is asked again, and not sent to and fro.
		tt.between(v)
		for range 5 {
			if shown, bounces := v.Visit("/wiki"); bounces > 2 || shown.Status != http.StatusOK {
				t.Errorf("%s: a visit afterwards ended after %d redirects with %v", tt.name, bounces, shown)
			}
		}
	}

	// Somebody who may not enter is told so, and not asked again.
	bob := s.SignedIn("bob")
	for _, path := range []string{"/admin/", "/doorward/login?return=/admin/"} {
		a := s.Get(A, path, append(Page, bob.Cookie)...)
		if path == "/admin/" && (a.Status != http.StatusForbidden || a.Header.Get("Location") != "") {
			t.Errorf("somebody who may not enter: %v", a)
		}
	}
	// A target that is the sign-in page, in any spelling, is none.
	for _, own := range []string{"/doorward/login", "/doorward/login?return=/doorward/login", "/%64oorward/login", "/doorward%2flogin", "/doorward//login", "/doorward/./login"} {
		a := s.Get(A, "/doorward/login?return="+url.QueryEscape(own), append(Page, bob.Cookie)...)
		if got := a.Header.Get("Location"); got != "/" {
			t.Errorf("somebody who is signed in was led to %q by the target %q, want /", got, own)
		}
	}
}
