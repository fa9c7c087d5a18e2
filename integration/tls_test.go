package integration

import (
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

func TestCookieOfASiteWithTLSIsBoundToItsHost(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
			configuration := strings.Replace(testbed.Caddyfile(app, box, "", "auto_https disable_redirects"),
				"http://localhost:$PORT {", "https://localhost:$PORT {\n\ttls internal", 1)
			g := testbed.Start(t, testbed.Options{Caddyfile: configuration, HTTPS: true})
			c := testbed.NewClient(t, g.URL)
			c.Wire.ForceAttemptHTTP2 = proto == "HTTP/2.0"

			if a := c.Navigate("/"); a.Proto != proto || a.Status != http.StatusSeeOther {
				t.Fatalf("first visit: %s, status %d; want %s, 303", a.Proto, a.Status, proto)
			}
			c.Submit("/doorward/login", "email", "ann@example.com", "return", "/")
			letter, err := box.For(t.Context(), "ann@example.com")
			if err != nil {
				t.Fatal(err)
			}
			in := c.Submit("/doorward/login/passcode", "passcode", letter.Passcode(), "return", "/")
			session := cookieOf(t, in, "__Host-doorward")
			if session.Value == "" || !session.Secure || !session.HttpOnly || session.Path != "/" ||
				session.SameSite != http.SameSiteLaxMode || session.Domain != "" || session.MaxAge != 12*60*60 {
				t.Errorf("the session cookie: %s; want Secure, HttpOnly, SameSite=Lax, Path=/, no Domain, Max-Age=43200", session.Raw)
			}
			for _, raw := range in.Header["Set-Cookie"] {
				if !strings.HasPrefix(raw, "__Host-doorward") || !strings.Contains(raw, "; Secure") || !strings.Contains(raw, "; HttpOnly") {
					t.Errorf("a cookie beside it: %s; want the prefix __Host-doorward, Secure and HttpOnly", raw)
				}
			}

			// HTTP/2 has names in lower case only; what they stand for is the same.
			page := c.Do("GET", "/", "", "remote-user", "evil", "x_auth_token", "evil", "remote.groups", "admins")
			if page.Proto != proto || page.Status != http.StatusOK {
				t.Fatalf("signed in: %s, status %d; want %s, 200", page.Proto, page.Status, proto)
			}
			checkIdentity(t, app.Requests()[0].Header, "ann@example.com")

			// The name without the prefix is one that another host could have set.
			c.HTTP.Jar = nil
			app.Forget()
			if a := c.Do("GET", "/", "", "Cookie", "doorward="+session.Value); a.Status != http.StatusUnauthorized {
				t.Errorf("the session under an unprotected name: status %d, want 401", a.Status)
			}
			if a := c.Do("GET", "/", "", "Cookie", "__Host-doorward="+session.Value); a.Status != http.StatusOK {
				t.Errorf("the session under its name: status %d, want 200", a.Status)
			}
		})
	}
}

// cookieOf returns the cookie called name that an answer sets, and fails the test
// if there is not exactly one.
func cookieOf(t *testing.T, a testbed.Answer, name string) *http.Cookie {
	t.Helper()
	var found []*http.Cookie
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if c.Name == name {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d cookies called %s in %q (status %d), want 1", len(found), name, a.Header["Set-Cookie"], a.Status)
	}
	return found[0]
}
