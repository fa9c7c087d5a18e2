package attacks

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// changes is all that a request can change at a site: endpoints of pages and of
// programs, with a body that each would take.
func changes(p *Person) []struct{ method, path, body, form string } {
	return []struct{ method, path, body, form string }{
		{"POST", "/login", "", "email=" + url.QueryEscape(p.Address)},
		{"POST", "/login/passcode", "", "passcode=123456"},
		{"POST", "/login/passcode/again", "", "return=/"},
		{"POST", "/login/offer/later", "", "return=/"},
		{"POST", "/account/passkeys/rename", "", "id=AAAA&name=x"},
		{"POST", "/account/passkeys/remove", "", "id=AAAA"},
		{"POST", "/account/emails/add", "", "email=eve@example.test"},
		{"POST", "/account/emails/verify", "", "passcode=123456"},
		{"POST", "/account/emails/primary", "", "id=" + p.ID},
		{"POST", "/account/emails/remove", "", "id=" + p.ID},
		{"POST", "/account/delete", "", "confirm=1"},
		{"POST", "/account/sessions/end", "", "id=" + p.ID},
		{"POST", "/account/sessions/end-others", "", "x=y"},
		{"POST", "/logout", "{}", "x=y"},
		{"DELETE", "/user", "{}", ""},
		{"POST", "/users", `{"email": "eve@example.test"}`, ""},
		{"POST", "/user", `{"email": "eve@example.test"}`, ""},
		{"POST", "/emails", `{"address": "eve@example.test"}`, ""},
		{"POST", "/emails/" + p.ID + "/set_primary", "{}", ""},
		{"DELETE", "/emails/" + p.ID, "{}", ""},
		{"POST", "/passcode/login/initialize", `{"email": "` + p.Address + `"}`, ""},
		{"POST", "/passcode/login/finalize", `{"id": "` + p.ID + `", "code": "123456"}`, ""},
		{"POST", "/webauthn/login/initialize", "{}", ""},
		{"POST", "/webauthn/login/finalize", "{}", ""},
		{"POST", "/webauthn/authentication/initialize", "{}", ""},
		{"POST", "/webauthn/authentication/finalize", "{}", ""},
		{"POST", "/webauthn/registration/initialize", "{}", ""},
		{"POST", "/webauthn/registration/finalize", "{}", ""},
		{"PATCH", "/webauthn/credentials/AAAA", `{"name": "x"}`, ""},
		{"DELETE", "/webauthn/credentials/AAAA", "{}", ""},
		{"POST", "/sessions/validate", `{"session_token": "x"}`, ""},
		{"DELETE", "/sessions/" + p.ID, "{}", ""},
		{"POST", "/sessions/end-others", "{}", ""},
	}
}

// account is what a person's account has: what no other site may change.
func (s *Scene) account(p *Person) string {
	s.T.Helper()
	var all strings.Builder
	for _, path := range []string{"/me", "/emails", "/webauthn/credentials"} {
		a := s.Get(A, "/doorward"+path, p.Bearer)
		if a.Status != http.StatusOK {
			s.T.Fatalf("%s: %v", p.Address, a)
		}
		all.WriteString(a.Body)
	}
	var sessions []struct{ ID string }
	s.Get(A, "/doorward/sessions", p.Bearer).JSON(s.T, &sessions)
	fmt.Fprint(&all, sessions)
	return all.String()
}

// Another site's page has the visitor's browser send a request that changes
// something: POST with Origin: https://evil.test, null, or another port; or as
// text/plain, which needs nobody's leave.
func TestT72AnotherSiteChangesSomething(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	s.AddPasskey(A, alice)
	before := s.account(alice)
	from := [][]string{
		{"Origin: https://evil.test"}, {"Origin: null"}, {"Origin: "}, {"Origin: " + s.Origin(B)}, {"Origin: https://" + A}, {"Origin: http://" + A + ":" + s.Origin(A)[strings.LastIndex(s.Origin(A), ":")+1:]},
		{"Origin: " + s.Origin(A) + ".evil.test"}, {"Origin: " + s.Origin(A) + "/"}, {"Origin: " + strings.ToUpper(s.Origin(A))}, {"Origin: " + s.Origin(A), "Origin: https://evil.test"},
		{"Origin: " + s.Origin(A) + ", https://evil.test"}, {"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Sec-Fetch-Site: cross-site", "Origin: " + s.Origin(A)},
		{"Sec-Fetch-Site: Same-Origin", "Origin: https://evil.test"}, {"Origin: https://evil.test", "Referer: " + s.Origin(A) + "/doorward/account"}, {"Origin: https://evil.test", "X-Forwarded-Host: evil.test"},
	}
	line := s.Line(A)
	for _, change := range changes(alice) {
		for _, fields := range from {
			for mime, body := range map[string]string{"application/json": change.body, "application/x-www-form-urlencoded": change.form} {
				if body == "" {
					continue
				}
				a := line.send(change.method, "/doorward"+change.path, body, append([]string{alice.Cookie, "Content-Type: " + mime}, fields...))
				if a.Status != http.StatusForbidden || len(a.Cookies) > 0 {
					t.Errorf("%s %s from %q: %v, want 403", change.method, change.path, fields, a)
				}
			}
		}
	}
	if after := s.account(alice); after != before {
		t.Errorf("the account was changed: %s, want %s", after, before)
	}
	t.Run("without asking", bodiesOfForms)
	t.Run("a browser", anotherSitesPages)
	s.Quiet()
}

// bodiesOfForms sends to endpoints of programs what a form can send, by a client
// that does not say where it comes from.
func bodiesOfForms(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	before := s.account(alice)
	line := s.Line(A)
	for _, change := range changes(alice) {
		for _, mime := range []string{
			"text/plain", "text/plain; charset=application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/json-seq", "text/json",
			"application/jsonx", "*/*", "application/json, text/plain", "text/plain, application/json", "text/html",
		} {
			if change.method != "POST" || change.body == "" && mime == "application/x-www-form-urlencoded" || change.path == "/logout" {
				continue // no form sends it, or those of our own pages do
			}
			body := change.body
			if body == "" {
				body = change.form
			}
			a := line.send(change.method, "/doorward"+change.path, body, []string{alice.Cookie, "Content-Type: " + mime})
			if a.Status/100 == 2 && !strings.HasPrefix(change.path, "/sessions/end") || a.Status == http.StatusSeeOther {
				t.Errorf("%s %s as %q: %v", change.method, change.path, mime, a)
			}
		}
	}
	if after := s.account(alice); after != before {
		t.Errorf("the account was changed: %s, want %s", after, before)
	}
}

// Another site signs the visitor out: <img src="https://app.example.test/doorward/logout">,
// or a form that sends itself.
func TestT73AnotherSiteSignsOut(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "post", "QUERY"} {
		for _, target := range []string{"/doorward/logout", "/doorward/logout?x=1", "/doorward/logout/", "/doorward//logout", "/doorward/sessions/end-others", "/doorward/account/sessions/end-others", "/doorward/signed-out"} {
			if method == "GET" && strings.HasSuffix(target, "signed-out") {
				continue // the page that says so, and does nothing
			}
			for _, fields := range [][]string{{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", "Sec-Fetch-Site: cross-site"}, Page, {"X-HTTP-Method-Override: POST"}} {
				a := s.Send(A, s.Request(A, method, target, append(fields[:len(fields):len(fields)], alice.Cookie, "Content-Length: 0")...))
				unknown := method == "DELETE" && target == "/doorward/sessions/end-others" // a session that is called so
				if a.Status/100 == 2 && method != "HEAD" && !unknown || a.Status == http.StatusSeeOther || takenBack(a, "__Host-doorward") {
					t.Errorf("%s %s: %v", method, target, a)
				}
			}
		}
	}
	s.Get(A, "/doorward/signed-out", append(Page, alice.Cookie)...)
	for _, fields := range [][]string{{"Origin: https://evil.test"}, {"Origin: null"}, {"Origin: " + s.Origin(B), "Sec-Fetch-Site: same-site"}, {"Sec-Fetch-Site: cross-site"}} {
		a := s.Post(A, "/doorward/logout", "", append(fields, alice.Cookie, "Content-Type: application/x-www-form-urlencoded")...)
		if a.Status != http.StatusForbidden || len(a.Cookies) > 0 {
			t.Errorf("signed out by %q: %v", fields, a)
		}
	}
	s.Quiet()
	if a := s.Get(A, "/wiki", alice.Cookie); a.Status != http.StatusOK {
		t.Errorf("alice, whom others tried to sign out: %v", a)
	}
}
