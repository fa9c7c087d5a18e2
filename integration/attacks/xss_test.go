package attacks

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// markup is what an attacker writes where a word is expected. Each of it sets
// __pwned, or asks for a dialog, where it is taken for more than text.
var markup = []string{
	`<script>__pwned=1</script>`, `"><script>__pwned=1</script>`, `'><script>alert(1)</script>`, `<img src=x onerror=__pwned=1>`,
	`"><img src=x onerror="__pwned=1">`, `<svg onload=__pwned=1>`, `"><svg/onload=alert(1)>`, `</title><script>__pwned=1</script>`,
	`</textarea><script>__pwned=1</script>`, `" autofocus onfocus=__pwned=1 x="`, `' autofocus onfocus='__pwned=1`, `" style="animation-name:x" onanimationstart="__pwned=1`,
	`javascript:__pwned=1`, `<a href="javascript:__pwned=1">x</a>`, `<iframe srcdoc="<script>parent.__pwned=1</script>">`, `<base href="//evil.test/">`,
	`<meta http-equiv=refresh content="0;url=javascript:alert(1)">`, `<form action="//evil.test/"><button>`, `<!--><script>__pwned=1</script>-->`, `<![CDATA[<script>__pwned=1</script>]]>`,
	"`-alert(1)-`", `{{.}}{{template "problem" .}}`, `${alert(1)}`, `\"><script>__pwned=1</script>`, `&lt;script&gt;__pwned=1&lt;/script&gt;`, `&#34;&#62;&#60;script&#62;`,
	"+ADw-script+AD4-__pwned=1+ADw-/script+AD4-", "\u2028<script>__pwned=1</script>", "＜script＞__pwned=1＜/script＞", "<scr\u0000ipt>__pwned=1</script>", `%22%3e%3cscript%3e__pwned=1%3c/script%3e`,
}

// skeleton is the elements of a page with the names of their attributes, in order:
// all of it but words. Nothing that comes from outside may change it.
func skeleton(t testing.TB, a Answer) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(a.Body))
	if err != nil {
		t.Fatalf("%v: %v", err, a)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.CommentNode {
			t.Errorf("a comment: %v", a)
		}
		if n.Type != html.ElementNode {
			continue
		}
		fmt.Fprintf(&b, "<%s", n.Data)
		for _, attr := range n.Attr {
			fmt.Fprintf(&b, " %s", attr.Key)
			leads := slices.Contains([]string{"href", "src", "action", "formaction", "data-ceremony", "data-done", "data-prove"}, attr.Key)
			if strings.HasPrefix(attr.Key, "on") || attr.Key == "style" || leads && attr.Val != "" && (attr.Val[0] != '/' || strings.HasPrefix(attr.Val, "//")) {
				t.Errorf("<%s %s=%q>: %v", n.Data, attr.Key, attr.Val, a)
			}
		}
		b.WriteString(">\n")
		if n.Data == "script" && (n.FirstChild != nil || len(n.Attr) == 0) {
			t.Errorf("a script in the page itself: %v", a)
		}
	}
	return b.String()
}

// strict checks that an answer is one in which nothing runs even if something got
// into it.
func strict(t testing.TB, a Answer) {
	t.Helper()
	policy := a.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"} {
		if !slices.Contains(strings.Split(policy, "; "), want) {
			t.Errorf("the policy %q, want %s in it: %v", policy, want, a)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("a policy that lets things in, or no nosniff: %v", a)
	}
}

// Markup stands wherever something of a visitor's comes back: in a path, an
// address, a name, a header. GET /doorward/login/"><svg onload=1>.
func TestT54MarkupOfAVisitorRuns(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	s.AddPasskey(A, alice)
	begun := make(Jar)
	begun.Keep(s.Form(A, "/doorward/login", url.Values{"email": {s.Person("bob").Address}}.Encode()))
	line := s.Line(A)
	page := func(fields ...string) []string { return append(append([]string{}, Page...), fields...) }
	places := []struct {
		name string
		ask  func(text string) Answer
	}{
		{"a path of ours", func(x string) Answer { return line.Get("/doorward/"+url.PathEscape(x), Page...) }},
		{"a path below the sign-in page", func(x string) Answer { return line.Get("/doorward/login/"+url.PathEscape(x), Page...) }},
		{"the target", func(x string) Answer { return line.Get("/doorward/login?return="+url.QueryEscape("/"+x), Page...) }},
		{"the address", func(x string) Answer { return line.Form("/doorward/login", url.Values{"email": {x}}.Encode()) }},
		{"the address's name", func(x string) Answer {
			return line.Form("/doorward/login", url.Values{"email": {`"` + x + `"@x`}}.Encode())
		}},
		{"the notice", func(x string) Answer {
			return line.Get("/doorward/account?done="+url.QueryEscape(x), page(alice.Cookie)...)
		}},
		{"the problem", func(x string) Answer {
			return line.Get("/doorward/account?problem="+url.QueryEscape(x), page(alice.Cookie)...)
		}},
		{"the languages", func(x string) Answer {
			return line.Get("/doorward/login", page("Accept-Language: "+strings.Map(visible, x))...)
		}},
		{"the name of the browser", func(x string) Answer {
			return line.Get("/doorward/account", page(alice.Cookie, "User-Agent: "+strings.Map(visible, x))...)
		}},
		{"a cookie beside", func(x string) Answer {
			return line.Get("/doorward/signed-out", page("Cookie: __Host-doorward-deleted="+cookieText(x))...)
		}},
		{"the ceremony", func(x string) Answer {
			return line.Get("/doorward/login/passcode?return=/a", page("Cookie: __Host-doorward-passcode="+cookieText(x)+"; __Host-doorward-browser=x")...)
		}},
		{"the passcode page's target", func(x string) Answer {
			return line.Get("/doorward/login/passcode?return=/"+url.QueryEscape(x), page(begun.Field())...)
		}},
		{"the name of the account", func(x string) Answer {
			s.named(alice, x)
			return line.Get("/doorward/account", page(alice.Cookie)...)
		}},
		{"the name of a passkey", func(x string) Answer {
			s.namedPasskey(alice, x)
			return line.Get("/doorward/account", page(alice.Cookie)...)
		}},
	}
	for _, place := range places {
		harmless := place.ask("nobody")
		want := skeleton(t, harmless)
		for _, text := range markup {
			a := place.ask(text)
			if got := skeleton(t, a); got != want || a.Status != harmless.Status {
				t.Errorf("%s %q makes another page (status %d, with a harmless word %d):\n%s\nwant\n%s", place.name, text, a.Status, harmless.Status, got, want)
			}
			strict(t, a)
		}
	}
	s.Quiet()
	t.Run("in programs' answers", problemsAreNoPages)
	t.Run("a browser", nothingRuns)
}

// visible takes what no header may hold out of a text.
func visible(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// cookieText takes what ends a cookie's value out of a text.
func cookieText(x string) string { return strings.NewReplacer(";", "", "\x00", "").Replace(x) }

// named gives an account a name, or as much of one as it takes.
func (s *Scene) named(p *Person, name string) {
	s.T.Helper()
	name = strings.Map(visible, strings.ReplaceAll(name, "\u2028", ""))
	s.Admin(s.T, "POST", "/doorward/users", map[string]any{"email": p.Address, "name": name[:min(64, len(name))]})
}

// namedPasskey gives a person's passkey a name, or as much of one as it takes.
func (s *Scene) namedPasskey(p *Person, name string) {
	s.T.Helper()
	var list []struct{ ID string }
	s.Get(A, "/doorward/webauthn/credentials", p.Bearer).JSON(s.T, &list)
	name = strings.Map(visible, strings.ReplaceAll(name, "\u2028", ""))
	body := url.Values{"id": {list[0].ID}, "name": {name[:min(64, len(name))]}}.Encode()
	if a := s.Form(A, "/doorward/account/passkeys/rename", body, p.Cookie); !strings.Contains(a.Header.Get("Location"), "done=") {
		s.T.Fatalf("naming a passkey: %v", a)
	}
}

// problemsAreNoPages sends markup to endpoints of programs, whose answers must be
// nothing that a browser shows as a page, also when it was asked for as one.
func problemsAreNoPages(t *testing.T) {
	s := Begin(t)
	for _, ask := range []struct{ method, path, body string }{
		{"GET", "/doorward/users/$X", ""}, {"GET", "/doorward/me", ""}, {"GET", "/doorward/nowhere/$X", ""},
		{"POST", "/doorward/passcode/login/initialize", `{"email": "$X"}`}, {"POST", "/doorward/passcode/login/finalize", `{"id": "$X", "code": "$X"}`},
		{"POST", "/doorward/webauthn/login/finalize", `{"id": "$X", "rawId": "$X", "type": "$X"}`}, {"POST", "/doorward/webauthn/login/initialize", `{"user_id": "$X"}`},
		{"POST", "/doorward/sessions/validate", `{"session_token": "$X"}`}, {"POST", "/doorward/users", `{"email": "$X"}`}, {"POST", "/doorward/passcode/login/initialize", `$X`},
		{"DELETE", "/doorward/sessions/$X", ""}, {"PATCH", "/doorward/webauthn/credentials/$X", `{"name": "$X"}`},
	} {
		for _, text := range markup[:6] {
			path := strings.ReplaceAll(ask.path, "$X", url.PathEscape(text))
			body := strings.ReplaceAll(ask.body, "$X", strings.NewReplacer(`"`, `\"`).Replace(text))
			a := s.Send(A, s.Request(A, ask.method, path, "Content-Type: application/json", "Accept: text/html", "Sec-Fetch-Mode: cors", fmt.Sprintf("Content-Length: %d", len(body)))+body)
			if mime := a.Header.Get("Content-Type"); !strings.HasPrefix(mime, "application/") || strings.Contains(a.Body, "<") {
				t.Errorf("%s %s: %v", ask.method, path, a)
			}
			strict(t, a)
			if a.Status < 400 && !strings.Contains(ask.path, "validate") {
				t.Errorf("%s %s: %v", ask.method, path, a)
			}
		}
	}
	s.Quiet()
}
