package attacks

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// malformed are values of a session cookie that no session has: what a check that
// fails open would let in. token is a good one.
func malformed(token string) []string {
	parts := strings.Split(token, ".")
	values := []string{
		"x", "0", "1", "-1", "true", "null", "undefined", "NaN", "[]", "{}", "*", ".", "..", "...", "....", "admin", "%00", "%", "%zz", "\"\"", `"x"`, "==", "=",
		"a=b", "AAAA", strings.Repeat("A", 100), strings.Repeat("A", 4096), strings.Repeat("a.", 1000), strings.Repeat(".", 5000), strings.Repeat("A", 64<<10), strings.Repeat("%", 64<<10),
		"€", "\xff\xfe", "\xc0\xae", "\x80", "\t", "\\", "\\x00", "' OR '1'='1", "$(id)", "../../etc/passwd", "{{7*7}}", "deadbeef-dead-beef-dead-beefdeadbeef",
		base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin"}`)), base64.StdEncoding.EncodeToString([]byte("alice:password")),
		"Bearer " + token, token + "." + parts[1], token + ".", "." + token, token + "=", token + "==", token + "%20", token + "\x01", "%20" + token, token + "," + token,
		`"` + token + `"`, token[:len(token)-1], token[:len(token)/2], token[1:], token + token, token + "A", strings.ToUpper(token), strings.ToLower(token),
		parts[0] + "." + parts[1], parts[0] + "." + parts[1] + ".", parts[0] + ".." + parts[2], "." + parts[1] + "." + parts[2], parts[1] + "." + parts[0] + "." + parts[2],
		parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-4] + "AAAA", parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		url.QueryEscape(token[:10] + "\n" + token[10:]), strings.Replace(token, ".", "%2e", 1), strings.Replace(token, ".", "．", 1),
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
	}
	for i, part := range parts { // each part altered, the rest as it was
		for _, other := range []string{part + "A", part[1:], "A" + part, strings.Repeat("A", len(part)), flip(part, len(part)/2)} {
			altered := append([]string{}, parts...)
			altered[i] = other
			values = append(values, strings.Join(altered, "."))
		}
	}
	return values
}

// flip changes one sign of a base64url text.
func flip(s string, at int) string {
	other := byte('A')
	if s[at] == other {
		other = 'B'
	}
	return s[:at] + string(other) + s[at+1:]
}

// takenBack reports whether an answer takes a cookie back from the browser.
func takenBack(a Answer, name string) bool {
	for _, c := range a.Cookies {
		if c.Name == name && c.MaxAge < 0 && c.Value == "" {
			return true
		}
	}
	return false
}

// The session cookie is one byte, 64 KiB, bytes that are no text, a token that was
// cut, altered or signed by another key: each is a request from nobody.
func TestT56CookieIsMalformed(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice", "admins")
	values := malformed(alice.Token)
	if len(values) < 80 {
		t.Fatalf("%d values, want 80 or more", len(values))
	}
	line := s.Line(A)
	for _, value := range values {
		short := value[:min(60, len(value))]
		a := line.Get("/wiki", "Cookie: __Host-doorward="+value)
		if a.Status == http.StatusBadRequest && strings.ContainsAny(value, "\x01") || a.Status == http.StatusRequestHeaderFieldsTooLarge && len(value) > 32<<10 {
			continue // no field may hold it, or be that long
		}
		if a.Status != http.StatusUnauthorized {
			t.Errorf("the cookie %q: status %d, want 401", short, a.Status)
		}
		if strings.TrimSpace(value) != "" && !takenBack(a, "__Host-doorward") {
			t.Errorf("the cookie %q is left with the client: %q", short, a.Header["Set-Cookie"])
		}
		a = line.Get("/admin/?x=1", append(Page, "Cookie: a=b; __Host-doorward="+value+"; c=d")...)
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/doorward/login?") {
			t.Errorf("a page with the cookie %q: %v", short, a)
		}
		for _, own := range []string{"/doorward/me", "/doorward/sessions"} {
			if a := line.Get(own, "Cookie: __Host-doorward="+value); a.Status != http.StatusUnauthorized {
				t.Errorf("%s with the cookie %q: %v", own, short, a)
			}
		}
	}
	s.Quiet()
	t.Run("in shape", cookieLinesAreMalformed)
	t.Run("too large", cookieIsTooLarge)
	t.Run("beside", besideIsMalformed)
}

// cookieLinesAreMalformed sends a good token in a line that is not one of a
// browser's: it is read as one thing, or as nothing.
func cookieLinesAreMalformed(t *testing.T) {
	s := Begin(t)
	alice, bob := s.SignedIn("alice"), s.SignedIn("bob")
	good := "__Host-doorward=" + alice.Token
	for _, line := range []string{
		"Cookie: =" + good, "Cookie: x" + good, "Cookie: __host-doorward=" + alice.Token, "Cookie: __Host-doorward%3d" + alice.Token, "Cookie: __Host-doorward",
		"Cookie: __Host-doorward:" + alice.Token, "Cookie: __Host_doorward=" + alice.Token, "Cookie: doorward=" + alice.Token, "Cookie: hanko=" + alice.Token,
		"Cookie: __Secure-doorward=" + alice.Token, "Cookie: a=b, " + good, "Cookie: a=" + good, "Cookie: __Host-doorward-browser=" + alice.Token, "Cookie: __Host-doorward\x0b=" + alice.Token,
		"Set-Cookie: " + good, "Cookie2: " + good, "X-Cookie: " + good, "Cookie: $Version=1, " + good, "Cookie: __Host-doorward= ", "Cookie: ;;;;", "Cookie: " + strings.Repeat("a=b; ", 1000),
		"Cookie: __Host-doorward=garbage; " + good, "Cookie: __Host-doorward=; " + good + "x",
	} {
		a := s.Get(A, "/wiki", line)
		if a.Status != http.StatusUnauthorized && a.Status != http.StatusBadRequest {
			t.Errorf("%.80q: %v", line, a)
		}
	}
	s.Quiet()
	// What a browser may send, and a proxy may make of it.
	for _, line := range []string{
		"Cookie: " + good, "Cookie: a=b;" + good, "Cookie: a=b;  " + good + " ; c=d", "cookie: " + good, "Cookie: a=b\r\nCookie: " + good, "Cookie: " + good + "; __Host-doorward=" + bob.Token,
	} {
		if a := s.Get(A, "/wiki", line); a.Status != http.StatusOK {
			t.Errorf("%.80q: %v", line, a)
		}
		if got := s.One().Values("Remote-User"); len(got) != 1 || got[0] != alice.Address {
			t.Errorf("%.80q: the app saw %q, want %q", line, got, alice.Address)
		}
	}
}

// cookieIsTooLarge sends more than a server reads.
func cookieIsTooLarge(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	for _, field := range []string{
		"Cookie: __Host-doorward=" + strings.Repeat("A", 2<<20), "Cookie: " + strings.Repeat("a=b; ", 400<<10) + "__Host-doorward=" + alice.Token,
	} {
		if a := s.Get(A, "/wiki", field); a.Status != 0 && a.Status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%d bytes of cookies: %v", len(field), a)
		}
	}
	s.Quiet()
}

// besideIsMalformed puts garbage into the cookies beside the session cookie, which
// name ceremonies and browsers.
func besideIsMalformed(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	line := s.Line(A)
	for _, suffix := range []string{"browser", "passcode", "address", "deleted", "began", "later", "known"} {
		for _, value := range []string{"x", ".passkeys", "..", "%00", "\xff", strings.Repeat("A", 8<<10), "a.b.c.d", "null", "0.0", alice.ID, alice.Token, base64.RawURLEncoding.EncodeToString(make([]byte, 64))} {
			field := "Cookie: __Host-doorward-" + suffix + "=" + value
			for _, path := range []string{"/wiki", "/doorward/login", "/doorward/login/passcode?sent=1", "/doorward/login/offer", "/doorward/signed-out", "/doorward/account"} {
				if a := line.Get(path, append(Page, field)...); a.Status >= 500 || a.Status == http.StatusSeeOther && !strings.HasPrefix(a.Header.Get("Location"), "/doorward/login") && !strings.HasSuffix(path, "offer") {
					t.Errorf("%s with %.60q: %v", path, field, a)
				}
			}
		}
	}
	for _, body := range []string{"", "passcode=123456", "passcode=&return=", "passcode=" + strings.Repeat("1", 5000)} {
		a := line.Form("/doorward/login/passcode", body, "Cookie: __Host-doorward-passcode="+alice.ID+"; __Host-doorward-browser=x")
		if a.Status/100 != 4 || a.Cookie("__Host-doorward") != "" {
			t.Errorf("a passcode for no ceremony: %v", a)
		}
	}
	s.Quiet()
}

// A cookie can be read by scripts, is sent without TLS or by other sites, or can
// be set by another host: every Set-Cookie of every answer is read.
func TestT67CookieLacksItsFlags(t *testing.T) {
	s := Begin(t)
	p, v := s.Person("alice"), s.Visitor(func(string) bool { return false })
	v.Visit("/wiki")
	v.SignIn(p)
	p.Token = v.jar["__Host-doorward"]
	p.Cookie, p.Bearer = "Cookie: __Host-doorward="+p.Token, "Authorization: Bearer "+p.Token
	s.AddPasskey(A, p)
	v.Submit("/doorward/login/offer/later", url.Values{"return": {"/"}})
	s.Get(A, "/doorward/account", append(Page, v.jar.Field())...)
	s.Form(A, "/doorward/account/emails/add", url.Values{"email": {"second." + p.Address}}.Encode(), v.jar.Field())
	s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"email": s.Person("bob").Address}, "Origin: "+s.Origin(A))
	options := s.Post(A, "/doorward/webauthn/login/initialize", struct{}{})
	assertion, err := p.Key.Get([]byte(options.Body))
	if err != nil {
		t.Fatal(err)
	}
	s.Post(A, "/doorward/webauthn/login/finalize", json.RawMessage(assertion))
	s.Get(A, "/wiki", "Cookie: __Host-doorward=garbage")
	s.Form(A, "/doorward/logout", "", v.jar.Field())

	seen := make(map[string]int)
	for _, a := range s.answers {
		for _, field := range a.Header["Set-Cookie"] {
			name, rest, _ := strings.Cut(field, "=")
			_, rest, _ = strings.Cut(rest, ";")
			seen[name]++
			attributes := make(map[string]string)
			for attribute := range strings.SplitSeq(rest, ";") {
				key, value, _ := strings.Cut(strings.TrimSpace(attribute), "=")
				attributes[strings.ToLower(key)] = value
			}
			sameSite := "Strict" // those beside it are never sent with what another site asks for
			if name == "__Host-doorward" {
				sameSite = "Lax"
			}
			_, domain := attributes["domain"]
			_, secure := attributes["secure"]
			_, httpOnly := attributes["httponly"]
			_, aged := attributes["max-age"]
			if !strings.HasPrefix(name, "__Host-doorward") || domain || !secure || !httpOnly || !aged || attributes["path"] != "/" || attributes["samesite"] != sameSite {
				t.Errorf("Set-Cookie: %s, want __Host-, Path=/, Max-Age, HttpOnly, Secure, SameSite=%s and no Domain", strings.Replace(field, p.Token, "...", 1), sameSite)
			}
		}
	}
	for _, name := range []string{"__Host-doorward", "__Host-doorward-browser", "__Host-doorward-passcode", "__Host-doorward-began", "__Host-doorward-later", "__Host-doorward-address"} {
		if seen[name] == 0 {
			t.Errorf("%s was never set: %v", name, seen)
		}
	}
	// A script sees none of them, and a page without TLS gets none.
	w := s.Window()
	s.SignIn(A, p)
	w.Cookie(A, p)
	w.Visit(s.Origin(A) + "/doorward/account")
	if got := Evaluate[string](w, "document.cookie"); got != "" {
		t.Errorf("a script reads the cookies %q", got)
	}
	w.Visit(s.Origin(B) + "/doorward/login")
	if got := w.Cookies(B); got["__Host-doorward"] != "" {
		t.Errorf("another host has the session %v", got)
	}
	s.Seen()
}
