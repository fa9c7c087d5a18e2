package handlers_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/session"
)

// A fuzzed door is a rig whose budgets nobody spends, and at which ann is always
// signed in.
type fuzzedDoor struct {
	*rig
	ann   string // ID
	token string // of her session

	underway map[string]string // the cookies of a browser that is in a ceremony
}

func newFuzzedDoor(f *testing.F) *fuzzedDoor {
	plenty := ceremony.Budget{Times: 1 << 40, Per: 1 << 40}
	r := newRig(f, setup{
		budgets:  ceremony.Budgets{Letters: plenty, Begun: plenty, Tries: plenty, Wrong: plenty, TriesFrom: plenty},
		logins:   plenty,
		accounts: ceremony.AccountOptions{Lookup: true, Lookups: plenty, SignUps: plenty, Additions: plenty},
	})
	r.client().signIn("ann@example.com")
	user, err := r.directory.UserByAddress(f.Context(), "ann@example.com")
	must(f, err)
	began := r.client()
	began.submit("/doorward/login", "email", "o'{{.}}&`@example.com")
	return &fuzzedDoor{rig: r, ann: user.ID, underway: began.cookies}
}

// settle signs ann in if she is not, and forgets what the last input left behind.
func (d *fuzzedDoor) settle(t *testing.T) {
	t.Helper()
	if _, err := d.sessions.Inspect(t.Context(), d.token, origin); session.Refused(err) {
		_, d.token, err = d.sessions.Begin(t.Context(), session.SignIn{
			Subject: d.ann, Audience: origin, Issuer: origin + "/doorward", Methods: []string{session.MethodPasscode},
		})
		must(t, err)
	} else {
		must(t, err)
	}
	d.mu.Lock()
	d.answers = nil
	d.mu.Unlock()
	d.log.mu.Lock()
	d.log.b.Reset()
	d.log.mu.Unlock()
	for {
		select {
		case <-d.box.arrived:
			continue
		default:
		}
		return
	}
}

// ask sends one request, by a stranger, by ann's browser or by a program of hers.
func (d *fuzzedDoor) ask(t *testing.T, who uint8, method string, to *url.URL, body string, header http.Header) answer {
	t.Helper()
	r := httptest.NewRequest(method, origin+"/", strings.NewReader(body))
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = to.Path, to.RawPath, to.RawQuery
	r.RequestURI = r.URL.RequestURI()
	for name, values := range header {
		r.Header[name] = values
	}
	switch who % 3 {
	case 1:
		r.AddCookie(&http.Cookie{Name: d.cookie.Name, Value: d.token})
	case 2:
		r.Header.Set("Authorization", "Bearer "+d.token)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return answer{method + " " + r.RequestURI, w.Code, w.Result().Header, w.Body.String()}
}

var requestIDPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// check checks what holds for every answer, whoever asked for whatever.
func (d *fuzzedDoor) check(t *testing.T, a answer) {
	t.Helper()
	if a.status >= 500 {
		t.Errorf("%s: %d %s\n%s", a.asked, a.status, a.body, d.log)
	}
	for name, values := range a.header {
		if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
			t.Errorf("%s: the header %s is %q", a.asked, name, values)
		}
	}
	if got := a.header.Get("X-Auth-Token"); got != "" {
		t.Errorf("%s: a session token without a proof: %q", a.asked, got)
	}
	for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
		if cookie.Name == d.cookie.Name && cookie.Value != "" {
			t.Errorf("%s: a session without a proof: %q", a.asked, cookie)
		}
		if !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite == http.SameSiteDefaultMode {
			t.Errorf("%s: the cookie %q is not locked up", a.asked, cookie)
		}
	}
	if location := a.header.Get("Location"); location != "" && (location[0] != '/' || strings.HasPrefix(location, "//") || strings.Contains(location, `\`)) {
		t.Errorf("%s: to %q, which may be elsewhere", a.asked, location)
	}
	if got := a.header.Get("X-Request-Id"); !requestIDPattern.MatchString(got) {
		t.Errorf("%s: X-Request-Id %q is not ours", a.asked, got)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" && (a.status != http.StatusOK || !strings.Contains(a.asked, "/.well-known/")) {
		t.Errorf("%s: %d with Cache-Control %q, want no-store", a.asked, a.status, got)
	}
	if a.status == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%s: 401 without WWW-Authenticate", a.asked)
	}
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options"} {
		if a.header.Get(name) == "" {
			t.Errorf("%s: an answer without %s", a.asked, name)
		}
	}
	if log := d.log.String(); strings.Contains(log, d.token) || strings.Contains(a.body, d.token) {
		t.Errorf("%s: the log or the answer shows the session token", a.asked)
	}
}

// Whoever asks any endpoint anything, as any type of content and under any ID, the
// answer is one of ours: nobody is signed in by it, it is never a failure of ours,
// it is kept nowhere, and if it is a refusal it says so in a problem document that
// repeats nothing in a way that a browser could take for a page.
func FuzzEndpoints(f *testing.F) {
	d := newFuzzedDoor(f)
	var all []struct{ method, path string }
	for _, route := range routes {
		if !route.page {
			all = append(all, struct{ method, path string }{route.method, route.path})
		}
	}
	for i := range all {
		f.Add(uint8(i), uint8(0), "application/json", "{}", "AAAA", "", "Accept: text/html")
		f.Add(uint8(i), uint8(1), "application/json", `{"user_id":"`+d.ann+`","email":"<script>@x","name":"<img>","session_token":"x"}`, d.ann, "token=x", "Origin: https://evil.test")
		f.Add(uint8(i), uint8(2), "text/plain", "x=y", "%2e%2e/..;/\x00", "return=//evil.test&id=%00", "Sec-Fetch-Site: cross-site")
	}
	f.Add(uint8(0), uint8(0), "application/json", "{}", "", "", "X-HTTP-Method-Override: DELETE")
	f.Add(uint8(2), uint8(1), "application/json; charset=\"", `{"id":"`+strings.Repeat("[", 100)+`"}`, "a/b", "", "X-Request-Id: evil")
	f.Fuzz(func(t *testing.T, which, who uint8, contentType, body, id, query, header string) {
		name, value, _ := strings.Cut(header, ": ")
		if !isToken(name) || !canStandInAHeader(value) || !canStandInAHeader(contentType) || strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return // no server lets that through
		}
		switch name = http.CanonicalHeaderKey(name); name {
		case "Cookie", "Authorization":
			return
		}
		d.settle(t)
		route := all[int(which)%len(all)]
		to := &url.URL{
			Path: "/doorward" + strings.ReplaceAll(route.path, "AAAA", id), RawPath: "/doorward" + strings.ReplaceAll(route.path, "AAAA", url.PathEscape(id)), RawQuery: query,
		}
		a := d.ask(t, who, route.method, to, body, http.Header{"Content-Type": {contentType}, "X-Request-Id": {"evil"}, name: {value}})
		d.check(t, a)
		isPage := strings.HasPrefix(a.header.Get("Content-Type"), "text/html")
		if a.status >= 400 && !isPage {
			checkProblem(t, a)
		}
		if !isPage && strings.ContainsAny(a.body, "<>") {
			t.Errorf("%s %q: the answer has a < in it: %s", a.asked, body, a.body)
		}
		if strings.Contains(a.body, "goroutine ") || strings.Contains(a.body, ".go:") && !strings.Contains(body+id+query, ".go:") {
			t.Errorf("%s %q: the answer shows our insides: %s", a.asked, body, a.body)
		}
	})
}

// checkProblem checks that an answer is a whole problem document.
func checkProblem(t *testing.T, a answer) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%s: %d %q, %v; want a problem document", a.asked, a.status, a.body, err)
	}
	if p.Status != a.status || p.Code != a.status || p.Title == "" || p.Message == "" || !strings.Contains(p.Type, "#") {
		t.Errorf("%s: problem %+v does not say all about a %d", a.asked, p, a.status)
	}
}

// isToken reports whether s can be the name of a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func canStandInAHeader(value string) bool {
	return value == strings.Trim(value, " \t") && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// Whatever is sent with the forms and asked of the pages, the answer is a page or a
// redirect on the site; and what comes back of it in a page is text and values: the
// page has no element and no attribute that the templates do not have.
func FuzzForms(f *testing.F) {
	d := newFuzzedDoor(f)
	allowed := templateElements(f)
	var pages []struct{ method, path string }
	for _, route := range routes {
		if route.page || route.path == "/logout" {
			pages = append(pages, struct{ method, path string }{route.method, route.path})
		}
	}
	for i := range pages {
		f.Add(uint8(i), uint8(0), "email=ann%40example.com&return=%2Fwiki&passkeys=1", "de", "x.passkeys")
		f.Add(uint8(i), uint8(1), "email=%22%3E%3Csvg+onload%3Dalert(1)%3E&address=%3Cb%3E&id=%3Ci%3E&name=%3Cimg+src%3Dx%3E&done=%3Cb%3E&problem=%3Cb%3E", "en", `"><svg onload=1>`)
		f.Add(uint8(i), uint8(0), "return=%2Fwiki&passcode=%3Cb%3E", "de", "UNDERWAY")
		f.Add(uint8(i), uint8(1), "return=//evil.test&return=javascript:alert(1)&fresh=1&done=passkey_added&problem=address_taken&confirm=1;%zz", "*", d.ann)
	}
	f.Fuzz(func(t *testing.T, which, who uint8, fields, language, begun string) {
		if strings.ContainsFunc(fields, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || !canStandInAHeader(language) {
			return
		}
		d.settle(t)
		page := pages[int(which)%len(pages)]
		to, body := &url.URL{Path: "/doorward" + page.path}, ""
		header := http.Header{
			"Accept": {"text/html"}, "Accept-Language": {language}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"same-origin"}, "Origin": {origin},
		}
		if page.method == "POST" {
			body = fields
			header.Set("Content-Type", "application/x-www-form-urlencoded")
		} else {
			to.RawQuery = fields
		}
		switch {
		case begun == "UNDERWAY":
			for name, value := range d.underway {
				header.Add("Cookie", name+"="+value)
			}
		case begun != "" && canStandInAHeader(begun):
			for _, suffix := range []string{"browser", "passcode", "address", "began", "deleted", "known", "later"} {
				header.Add("Cookie", d.cookie.Name+"-"+suffix+"="+begun)
			}
		}
		a := d.ask(t, who, page.method, to, body, header)
		d.check(t, a)
		contentType := a.header.Get("Content-Type")
		switch {
		case a.status == http.StatusSeeOther:
			return
		case contentType != "text/html; charset=utf-8":
			t.Fatalf("%s %q: %d of type %q, want a page", a.asked, body, a.status, contentType)
		}
		for _, line := range elementsOf(t, a.body) {
			if !allowed[line] {
				t.Errorf("%s %q: %d, a page with %s, which no template has", a.asked, body, a.status, line)
			}
		}
	})
}

// templateElements returns the elements of all pages as they are in life: what the
// golden files of package web have.
func templateElements(t testing.TB) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../web/testdata/*.html")
	must(t, err)
	if len(files) < 10 {
		t.Fatalf("%d golden pages, want all", len(files))
	}
	allowed := make(map[string]bool)
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		for _, line := range elementsOf(t, string(content)) {
			allowed[line] = true
		}
	}
	return allowed
}

// elementsOf returns the elements of a page and, with that of their element, the
// names of their attributes, each once.
func elementsOf(t testing.TB, page string) []string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	must(t, err)
	found := make(map[string]bool)
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		found["<"+n.Data+">"] = true
		for _, a := range n.Attr {
			found["<"+n.Data+" "+a.Key+">"] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
