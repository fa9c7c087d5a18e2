package attacks

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// evil starts another site, and returns what its pages can be found at: below a
// host that has nothing to do with the house's, and below one that browsers take
// for the same site as A. Its page is what stands in the query.
func evil(t testing.TB) (cross, same string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>evil</title>"+r.URL.Query().Get("html"))
	}))
	t.Cleanup(server.Close)
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	return "https://evil.test" + port, "https://attacker.example.test" + port
}

// anotherSitesPages opens pages of other sites in the browser of somebody who is
// signed in: forms that send themselves, scripts, pictures.
func anotherSitesPages(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	before := s.account(alice)
	cross, same := evil(t)
	w := s.Window()
	w.Cookie(A, alice)
	for _, site := range []string{cross, same} {
		w.Visit(site + "/")
		for _, change := range changes(alice) { // what a script can send without asking, and what it cannot
			Evaluate[bool](w, fmt.Sprintf(`Promise.allSettled(["text/plain", "application/json"].map((type) => fetch(%q, {
				method: %q, mode: type === "text/plain" && %[2]q === "POST" ? "no-cors" : "cors", credentials: "include", headers: { "Content-Type": type }, body: %q,
			}))).then(() => true)`, s.Origin(A)+"/doorward"+change.path, change.method, cmp.Or(change.body, change.form)))
		}
		for _, change := range changes(alice) {
			if few := slices.Contains([]string{"/login", "/logout", "/account/delete"}, change.path); change.form == "" || site == cross && !few {
				continue // a page of the same site can do more, if anybody can
			}
			to := s.Origin(A) + "/doorward" + change.path
			var fields strings.Builder
			values, _ := url.ParseQuery(change.form)
			for name := range values {
				fmt.Fprintf(&fields, `<input name="%s" value="%s">`, html.EscapeString(name), html.EscapeString(values.Get(name)))
			}
			w.Visit(site + "/?html=" + url.QueryEscape(fmt.Sprintf(`<form method="post" action="%s">%s</form>`, to, &fields)))
			Evaluate[bool](w, `setTimeout(() => document.forms[0].submit(), 0), true`)
			w.Until(`document.readyState + location.origin`, "complete"+s.Origin(A))
			if status := Evaluate[int](w, `performance.getEntriesByType("navigation")[0].responseStatus`); status != http.StatusForbidden {
				t.Errorf("a form of %s to %s: status %d, want 403", site, change.path, status)
			}
		}
		w.Visit(site + "/?html=" + url.QueryEscape(`<img src="`+s.Origin(A)+`/doorward/logout"><link rel=stylesheet href="`+s.Origin(A)+`/doorward/logout">`))
		w.Visit(s.Origin(A) + "/doorward/logout")
	}
	if after := s.account(alice); after != before {
		t.Errorf("the account was changed: %s, want %s", after, before)
	}
	if got := w.Cookies(A); got["__Host-doorward"] != alice.Token {
		t.Errorf("the browser's session is %.10q, want %.10q", got["__Host-doorward"], alice.Token)
	}
	s.Seen() // icons
}

// A page of ours is shown in a frame, below something to click on:
// <iframe src="https://app.example.test/doorward/account">.
func TestT75PagesAreFramed(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	paths := []string{"/doorward/login", "/doorward/login/passcode", "/doorward/login/offer", "/doorward/account", "/doorward/signed-out", "/doorward/nowhere", "/doorward/me", "/admin/"}
	for _, path := range paths {
		for _, field := range []string{"X-No: cookie", alice.Cookie} {
			for _, dest := range []string{"document", "iframe", "frame", "embed", "object", "fencedframe"} {
				a := s.Get(A, path, "Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: "+dest, "Sec-Fetch-Site: cross-site", field)
				policy := strings.Split(a.Header.Get("Content-Security-Policy"), "; ")
				if strings.Join(a.Header["X-Frame-Options"], ",") != "DENY" || len(a.Header["Content-Security-Policy"]) != 1 || policy[len(policy)-1] != "frame-ancestors 'none'" {
					t.Errorf("%s as %s: %v, want X-Frame-Options: DENY and frame-ancestors 'none'", path, dest, a)
				}
			}
		}
	}
	cross, same := evil(t)
	w := s.Window()
	w.Cookie(A, alice)
	for _, site := range []string{cross, same} {
		shown := make(map[string]bool)
		for _, path := range append(paths[:6], "own") {
			src := s.Origin(A) + path
			if path == "own" { // the test would see a frame if there was one
				src = site + "/?html=own"
			}
			w.Visit(site + "/?html=" + url.QueryEscape(`<iframe src="`+src+`"></iframe>`))
			shown[path] = w.frames(src)
		}
		for path, seen := range shown {
			if seen != (path == "own") {
				t.Errorf("%s in a frame of %s: shown is %v", path, site, seen)
			}
		}
	}
}

// frames reports whether the page that is shown has the page at src in a frame.
func (w *Window) frames(src string) bool {
	w.s.T.Helper()
	found := false
	w.try("reading frames", func(ctx context.Context) error {
		all, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			return err
		}
		for _, child := range all.FrameTree.ChildFrames {
			found = found || child.Frame.URL == src
		}
		return nil
	})
	return found
}

// A page that opened one of ours keeps hold of it, or is told something by it:
// window.open("https://app.example.test/doorward/login").
func TestT77OpenerKeepsHoldOfAPage(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	for _, path := range []string{"/doorward/login", "/doorward/account", "/doorward/signed-out", "/doorward/nowhere", "/admin/", "/doorward/login/offer"} {
		a := s.Get(A, path, append(Page, alice.Cookie)...)
		if got := a.Header["Cross-Origin-Opener-Policy"]; len(got) != 1 || got[0] != "same-origin" {
			t.Errorf("%s: Cross-Origin-Opener-Policy %q, want same-origin", path, got)
		}
		for _, tell := range []string{"postMessage", "opener", "BroadcastChannel", "window.name", "document.domain", "target="} {
			if strings.Contains(a.Body, tell) {
				t.Errorf("%s has %q", path, tell)
			}
		}
	}
	_, script, _ := strings.Cut(s.Get(A, "/doorward/login", Page...).Body, `src="/doorward/static/doorward.`)
	script, _, _ = strings.Cut(script, `"`)
	a := s.Get(A, "/doorward/static/doorward."+script)
	if a.Status != http.StatusOK || !strings.Contains(a.Body, "navigator.credentials") {
		t.Fatalf("the script: %v", a)
	}
	for _, tell := range []string{"postMessage", "opener", "BroadcastChannel", "window.name", "document.domain", "innerHTML", "eval(", "document.write", "insertAdjacentHTML", "srcdoc"} {
		if strings.Contains(a.Body, tell) {
			t.Errorf("the script has %q", tell)
		}
	}
	cross, same := evil(t)
	w := s.Window()
	for _, site := range []string{cross, same} {
		w.Visit(site + "/")
		w.gesture(fmt.Sprintf(`window.opened = open(%q); window.own = open("/?html=own"); true`, s.Origin(A)+"/doorward/login"))
		w.Until(`String(window.opened.closed)`, "true") // as its opener sees it
		if closed := Evaluate[bool](w, `window.own.closed`); closed {
			t.Error("the opener has lost its own page too, so that nothing was tested")
		}
	}
}

// gesture runs a script as in answer to a click.
func (w *Window) gesture(script string) {
	w.s.T.Helper()
	w.try("running a script", func(ctx context.Context) error {
		clicked := true
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, func(p *runtime.EvaluateParams) { p.UserGesture = &clicked }))
		return err
	})
}
