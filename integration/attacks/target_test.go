package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A host that begins or ends as the site's does is taken for the site:
// GET /doorward/login?return=https://app.example.test.evil.tld.
func TestT48LookAlikesAreTakenForTheSite(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	line := s.Line(A)
	own := strings.TrimPrefix(s.Origin(A), "https://")
	for _, target := range []string{
		"https://app.example.test.evil.tld/", "https://evilapp.example.test/", "https://evilexample.test/", "https://example.test/", "https://example.test.evil.tld/",
		"http://127.0.0.1.evil.com/", "https://app.example.test/", "https://app.example.test:1/", "https://app-example.test/", "https://app.example.testing/",
		"https://" + own + ".evil.tld/", "https://" + own + "@evil.tld/", "https://" + own + "%40evil.tld/", "https://evil.tld/" + own, "https://evil.tld?" + own,
		"https://" + B + "/", "https://аpp.example.test/", "https://app.example.test\u3002evil.tld/", "https://APP.EXAMPLE.TEST.evil.tld/", "//" + own + ".evil.tld/",
		"https://" + own + "/", "http://" + own + "/",
	} {
		for _, parameter := range []string{"return", "rd", "redirect", "redirect_to", "next", "url", "RelayState", "Return", "return[]"} {
			a := line.Get("/doorward/login?"+url.Values{parameter: {target}}.Encode(), append(Page, alice.Cookie)...)
			if got := a.Header.Get("Location"); a.Status != http.StatusSeeOther || got != "/" {
				t.Errorf("%s=%s led to %q, want /", parameter, target, got)
			}
		}
	}
	s.Quiet()
}

// The place to return to is taken from where a client says that it comes from:
// POST /form with Referer: javascript:alert(1).
func TestT50PlaceToReturnToComesFromTheReferer(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	for referer, want := range map[string]string{
		"javascript:alert(1)": "", "https://evil.test/x": "", "//evil.test/": "", "https://evil.test" + s.Origin(A): "",
		s.Origin(A) + "//evil.test/": "", s.Origin(A) + "/%5cevil.test/": "", s.Origin(A) + `/\evil.test/`: "", s.Origin(A) + "@evil.test/x": "",
		s.Origin(B) + "/wiki": "", s.Origin(A) + "/doorward/login": "", "\x00": "", "%": "", s.Origin(A) + "/wiki?page=1": "/wiki?page=1",
	} {
		a := s.Form(A, "/comment", "text=hello", "Referer: "+referer)
		s.Refused(a)
		if a.Status == http.StatusBadRequest && referer == "\x00" {
			continue // no field may hold it
		}
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil || a.Status != http.StatusSeeOther || to.Path != "/doorward/login" || to.Query().Get("return") != want {
			t.Errorf("Referer %q led to %v, %v, want a return to %q", referer, to, err, want)
		}
	}
	// Nor does it count at the sign-in page, where the target stands in the query,
	// or nowhere.
	for _, referer := range []string{"javascript:alert(1)", "https://evil.test/x", s.Origin(A) + "/wiki"} {
		a := s.Get(A, "/doorward/login", append(Page, alice.Cookie, "Referer: "+referer)...)
		if got := a.Header.Get("Location"); got != "/" {
			t.Errorf("Referer %q led to %q, want /", referer, got)
		}
		shown := s.Get(A, "/doorward/login", append(Page, "Referer: "+referer)...)
		if got := hidden(t, shown, "return"); strings.Join(got, "") != "/" {
			t.Errorf("Referer %q is the target %q of the form, want /", referer, got)
		}
	}
	// Of two targets, neither a list nor the second one gets past the check.
	for _, query := range []string{"return=/a&return=//evil.test", "return=//evil.test&return=/a", "return=/a%00&return=/b", "return=/a;return=//evil.test"} {
		a := s.Get(A, "/doorward/login?"+query, append(Page, alice.Cookie)...)
		if got := a.Header.Get("Location"); got != "/" && got != "/a" {
			t.Errorf("%s led to %q", query, got)
		}
	}
	s.Quiet()
}

// The target ends the field that it stands in, and begins one of the attacker's:
// GET /doorward/login?return=/%0d%0aSet-Cookie:pwned=1.
func TestT51TargetSplitsTheAnswer(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	for _, split := range []string{
		"%0d%0a", "%0a", "%0d", "%0D%0A%09", "%E5%98%8A%E5%98%8D", "%E5%98%8D%E5%98%8A", "%00%0d%0a", "%250d%250a", "%c4%8d%c4%8a", "%e2%80%a8", "%0b%0c", "%u000d%u000a",
	} {
		payload := split + "Set-Cookie:pwned=1" + split + split + "<script>alert(1)</script>"
		for _, ask := range [][2]string{
			{"/doorward/login?return=/" + payload, alice.Cookie},
			{"/doorward/login?return=" + payload, alice.Cookie},
			{"/doorward/login?return=/a?b=" + payload, alice.Cookie},
			{"/doorward/login?return=/" + payload, "X-No: cookie"},
			{"/wiki/" + payload, "X-No: cookie"},
			{"/wiki?x=" + payload, "X-No: cookie"},
			{"/doorward/" + payload, "X-No: cookie"},
			{"/doorward/login/passcode?sent=1&return=/" + payload, "X-No: cookie"},
		} {
			for _, a := range s.Stream(A, s.Request(A, "GET", ask[0], append(Page, ask[1])...)) {
				if a.Cookie("pwned") != "" || a.Header.Get("pwned") != "" || strings.Contains(a.Body, "<script>alert") {
					t.Errorf("split: %v", a)
				}
				if strings.ContainsAny(a.Header.Get("Location"), "\r\n\x00") {
					t.Errorf("the Location %q", a.Header.Get("Location"))
				}
			}
		}
	}
	s.Quiet()
}
