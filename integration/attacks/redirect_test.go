package attacks

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// hidden returns the values of the fields of a page that are called name.
func hidden(t testing.TB, a Answer, name string) []string {
	t.Helper()
	var values []string
	tokens := html.NewTokenizer(strings.NewReader(a.Body))
	for tokens.Next() != html.ErrorToken {
		token := tokens.Token()
		if token.Data == "input" && attribute(token, "name") == name {
			values = append(values, attribute(token, "value"))
		}
	}
	if len(values) == 0 {
		t.Errorf("no field %q: %v", name, a)
	}
	return values
}

func attribute(token html.Token, name string) string {
	for _, a := range token.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// kept checks what became of a return target: it is as it was, or it is the front
// page; and it leads to the site itself.
func (s *Scene) kept(where, target, got string) {
	s.T.Helper()
	if got != "/" && got != target {
		s.T.Errorf("%s made %q of the target %q", where, got, target)
	}
	if origin, err := landing(s.Origin(A), got); err != nil || origin != s.Origin(A) {
		s.T.Errorf("%s keeps the target %q, which leads to %q, %v", where, got, origin, err)
	}
	if strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t\x00") {
		s.T.Errorf("%s keeps the target %q", where, got)
	}
}

// The sign-in is asked to lead somewhere else afterwards, in hundreds of ways to
// write it: GET /doorward/login?return=%2F%5Cevil.test and so on, at each step.
func TestT47SignInLeadsAwayFromTheSite(t *testing.T) {
	t.Run("each step", everyStepStays)
	t.Run("a whole sign-in", wholeSignInStays)
	t.Run("a browser", browserStays)
}

// everyStepStays asks the sign-in page for every target, and the other steps by
// turns.
func everyStepStays(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	targets := returnTargets(strings.TrimPrefix(s.Origin(A), "https://"))
	if len(targets) < 400 {
		t.Fatalf("%d spellings, want 400 or more", len(targets))
	}
	// A ceremony that is under way, for the page that asks for its passcode.
	browser, bob := make(Jar), s.Person("bob")
	browser.Keep(s.Form(A, "/doorward/login", url.Values{"email": {bob.Address}}.Encode()))
	line := s.Line(A)
	steps := []struct {
		name string
		ask  func(query string) Answer
	}{
		{"the form of the sign-in page", func(query string) Answer { return line.Get("/doorward/login?"+query, Page...) }},
		{"the form of the passcode page", func(query string) Answer {
			return line.Get("/doorward/login/passcode?"+query, append(Page, browser.Field())...)
		}},
		{"the sign-in page after a mistake", func(query string) Answer { return line.Form("/doorward/login", query+"&email=nobody") }},
		{"the form of the offer", func(query string) Answer {
			return line.Get("/doorward/login/offer?"+query, append(Page, alice.Cookie)...)
		}},
		{"the offer put off", func(query string) Answer { return line.Form("/doorward/login/offer/later", query, alice.Cookie) }},
	}
	for i, target := range append(targets, ownPlaces...) {
		query := url.Values{"return": {target}}.Encode()
		a := line.Get("/doorward/login?"+query, append(Page, alice.Cookie)...)
		if a.Status != http.StatusSeeOther {
			t.Errorf("somebody who is signed in, at the sign-in page: %v", a)
		}
		s.kept("the sign-in page", target, a.Header.Get("Location"))
		step := steps[i%len(steps)]
		if a = step.ask(query); a.Status == http.StatusSeeOther {
			s.kept(step.name, target, a.Header.Get("Location"))
			continue
		}
		for _, shown := range hidden(t, a, "return") {
			s.kept(step.name, target, shown)
		}
	}
	for _, target := range ownPlaces { // the check is no check if it refuses everything
		a := line.Get("/doorward/login?"+url.Values{"return": {target}}.Encode(), append(Page, alice.Cookie)...)
		if got := a.Header.Get("Location"); got != target {
			t.Errorf("the sign-in page led to %q, want %q", got, target)
		}
	}
	s.Quiet()
}

// wholeSignInStays signs people in, and asks for places elsewhere as for pages of
// the app: GET //evil.test/.
func wholeSignInStays(t *testing.T) {
	s := Begin(t)
	for i, target := range []string{
		"//evil.test/", `/\evil.test/`, "https://evil.test/", "/\t/evil.test/", "/%5cevil.test/", "/%2f%2fevil.test/", "javascript:alert(1)",
		"/.//evil.test/", "/a/..//evil.test/", "/wiki?page=1",
	} {
		if i%5 == 0 {
			s.Elsewhere()
		}
		p, browser := s.Person(fmt.Sprint("alice", i)), make(Jar)
		begun := s.Form(A, "/doorward/login", url.Values{"email": {p.Address}, "return": {target}}.Encode())
		browser.Keep(begun)
		asks := s.Get(A, begun.Header.Get("Location"), append(Page, browser.Field())...)
		letter, err := s.Mailbox.For(s.mailbox, p.Address)
		if err != nil {
			t.Fatal(err)
		}
		s.kept("the passcode page", target, hidden(t, asks, "return")[0])
		done := s.Form(A, "/doorward/login/passcode", url.Values{"passcode": {letter.Passcode()}, "return": {target}}.Encode(), browser.Field())
		if done.Status != http.StatusSeeOther || done.Cookie("__Host-doorward") == "" {
			t.Fatalf("signing in: %v", done)
		}
		s.kept("the sign-in", target, done.Header.Get("Location"))
	}
	for _, path := range []string{"//evil.test/", `/\evil.test/`, "/%5cevil.test/", "/%2fevil.test/", "/.//evil.test/", "///evil.test/..", "/;@evil.test/"} {
		a := s.Get(A, path, Page...)
		s.Refused(a)
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		s.kept("the door", path, cmp.Or(to.Query().Get("return"), "/"))
	}
	s.Quiet()
}

// browserStays asks a browser where it would end up, rather than a reader of URLs
// that only believes to know.
func browserStays(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	w := s.Window()
	w.Cookie(A, alice)
	w.Visit(s.Origin(A) + "/doorward/account")

	targets := append(returnTargets(strings.TrimPrefix(s.Origin(A), "https://")), ownPlaces...)
	line := s.Line(A)
	var kept []string
	for _, target := range targets {
		a := line.Get("/doorward/login?"+url.Values{"return": {target}}.Encode(), append(Page, alice.Cookie)...)
		kept = append(kept, a.Header.Get("Location"))
	}
	for i, o := range origins(t, w, kept) {
		if o != s.Origin(A) {
			t.Errorf("the target %q was kept as %q, by which a browser goes to %s", targets[i], kept[i], o)
		}
	}
	away := 0 // the spellings would be harmless if they led nowhere
	for _, o := range origins(t, w, targets) {
		if o != s.Origin(A) && o != "" {
			away++
		}
	}
	if away < 200 {
		t.Errorf("a browser follows %d of %d spellings away from the site, want 200 or more", away, len(targets))
	}
	for _, target := range []string{
		"//evil.test/", `/\evil.test/`, `\\evil.test/`, "/\t/evil.test/", "https:evil.test", "/%5cevil.test/", "/%2f/evil.test/", "/.//evil.test/",
		"javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "/a?b=%0d%0aLocation: //evil.test/", "/a//b",
	} {
		at := w.Visit(s.Origin(A) + "/doorward/login?" + url.Values{"return": {target}}.Encode())
		if !strings.HasPrefix(at, s.Origin(A)+"/") {
			t.Errorf("the target %q led a browser to %s", target, at)
		}
	}
	if asked := w.Asked("evil.test"); len(asked) > 0 || len(w.Dialogs()) > 0 {
		t.Errorf("a browser asked for %q, and said %q", asked, w.Dialogs())
	}
}

// origins returns the origins that a browser reads targets for, from the page that
// it shows; "" is what it takes for no URL.
func origins(t testing.TB, w *Window, targets []string) []string {
	t.Helper()
	list, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	return Evaluate[[]string](w, string(list)+`.map((target) => {
		try { return new URL(target, location.href).origin } catch { return "" }
	})`)
}
