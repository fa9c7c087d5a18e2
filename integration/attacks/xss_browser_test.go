package attacks

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// nothingRuns opens the pages in a browser, and puts markup into one by force.
func nothingRuns(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	s.AddPasskey(A, alice)
	w := s.Window()
	w.Cookie(A, alice)
	ran := func(where string) {
		t.Helper()
		if Evaluate[bool](w, `new Promise((done) => setTimeout(() => done("__pwned" in window), 0))`) || len(w.Dialogs()) > 0 {
			t.Errorf("%s: a script ran, and said %q", where, w.Dialogs())
		}
	}
	for _, text := range []string{markup[1], markup[4], markup[9], markup[12]} {
		s.named(alice, text)
		s.namedPasskey(alice, text)
		escaped := url.QueryEscape(text)
		for _, path := range []string{
			"/doorward/account?problem=" + escaped, "/doorward/" + url.PathEscape(text), "/doorward/login?fresh=1&return=/" + escaped,
		} {
			w.Visit(s.Origin(A) + path)
			ran(path)
		}
		w.Visit(s.Origin(A) + "/doorward/account")
		ran("the account page")
		w.Visit(s.Origin(A) + "/doorward/signed-out")
		Evaluate[bool](w, fmt.Sprintf(`(() => {
			const form = document.createElement("form");
			form.method = "post"; form.action = "/doorward/login";
			const field = document.createElement("input");
			field.name = "email"; field.value = %q;
			form.append(field); document.body.append(form);
			setTimeout(() => form.submit(), 0);
			return true;
		})()`, text))
		w.Until(`document.readyState + location.pathname`, "complete/doorward/login")
		ran("the address " + text)
	}
	// The second lock: what got into a page would not run.
	violated := Evaluate[string](w, `new Promise((done) => {
		document.addEventListener("securitypolicyviolation", (e) => done(e.effectiveDirective));
		document.body.insertAdjacentHTML("beforeend", '<img src="/doorward/nowhere" onerror="__pwned=1">');
	})`)
	if ran("markup in the page"); !strings.HasPrefix(violated, "script-src") {
		t.Errorf("violated %q, want the policy for scripts", violated)
	}
	if asked := w.Asked("evil.test"); len(asked) > 0 {
		t.Errorf("a browser asked for %q", asked)
	}
	s.Seen() // a browser asks for icons
}
