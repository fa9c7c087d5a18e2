package web

import (
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// samples has each page at least once, filled the way it is in life.
func samples() map[string]Page {
	at := time.Date(2026, time.March, 3, 14, 5, 0, 0, time.UTC)
	account := AccountPage{
		Name:   "Ann Example",
		Email:  "ann@example.com",
		Groups: []string{"admins", "finance"},
		Passkeys: []Passkey{
			{ID: "cGFzc2tleTE", Name: "My phone", Provider: "iCloud Keychain", CreatedAt: at.AddDate(0, -2, 0), LastUsedAt: at, Synced: true},
			{ID: "cGFzc2tleTI", Provider: "YubiKey 5", CreatedAt: at.AddDate(0, 0, -9)},
		},
		Emails: []Email{
			{ID: "e1", Address: "ann@example.com", Primary: true, Verified: true, CreatedAt: at.AddDate(0, -2, 0)},
			{ID: "e2", Address: "ann@example.org", Verified: true, CreatedAt: at.AddDate(0, 0, -9)},
			{ID: "e3", Address: "ann.example@example.net"},
		},
		MostEmails: 5,
		Sessions: []Session{
			{ID: "s1", Client: "Firefox on Linux", Address: "203.0.113.7", StartedAt: at.Add(-3 * time.Hour), LastSeenAt: at, Methods: []string{"hwk", "user", "mfa"}, Current: true},
			{ID: "s2", Client: "Safari on iPhone", Address: "2001:db8::7:1", StartedAt: at.AddDate(0, 0, -1), LastSeenAt: at.Add(-7 * time.Hour), Methods: []string{"otp"}},
		},
		Fresh:                 true,
		MayDelete:             true,
		Notice:                PasskeyAdded,
		Return:                "/",
		RPID:                  "example.com",
		UserHandle:            "dXNlcjE",
		AcceptedCredentialIDs: []string{"cGFzc2tleTE", "cGFzc2tleTI"},
	}
	stale := account
	stale.Fresh, stale.Notice, stale.Name, stale.Groups = false, "", "", nil
	stale.Passkeys, stale.AcceptedCredentialIDs = nil, nil
	stale.Sessions = stale.Sessions[:1]
	full := stale
	full.Fresh, full.MayDelete, full.MostEmails = true, false, 3
	full.Notice, full.Problem = "", TooManyAddresses
	return map[string]Page{
		"login":            LoginPage{Return: "/reports?month=3&year=2026", Passkeys: true},
		"login_problem":    LoginPage{Return: "/", Email: "ann@", Problem: AddressInvalid},
		"login_fresh":      LoginPage{Return: "/doorward/account", Email: "ann@example.com", Fresh: true, Passkeys: true},
		"passcode":         PasscodePage{Return: "/reports?month=3&year=2026", Email: "ann@example.com", Digits: 6, Lifetime: 5 * time.Minute},
		"passcode_problem": PasscodePage{Return: "/", Email: "ann@example.com", Digits: 8, Lifetime: 90 * time.Second, Problem: WrongPasscode, Sent: true},
		"offer":            OfferPage{Return: "/reports"},
		"account":          account,
		"account_stale":    stale,
		"account_full":     full,
		"verify":           VerifyPage{Email: "ann@example.org", Digits: 6, Lifetime: 5 * time.Minute},
		"verify_problem":   VerifyPage{Email: "ann@example.org", Digits: 6, Lifetime: 5 * time.Minute, Problem: WrongPasscode, Sent: true},
		"error":            ErrorPage{Status: http.StatusInternalServerError, Problem: Internal, ID: "b7f3k2", Return: "/reports"},
		"error_not_allowed": &ErrorPage{Status: http.StatusForbidden, Problem: NotAllowed, Return: "/",
			LoginURL: "/doorward/login?return=%2Freports"},
		"loop":       LoopPage{LoginURL: "/doorward/login"},
		"loop_clock": LoopPage{Cause: LoopClock, LoginURL: "/doorward/login"},
		"signed_out": SignedOutPage{LoginURL: "/doorward/login"},
		"deleted":    SignedOutPage{LoginURL: "/doorward/login", Deleted: true, RPID: "example.com", UserHandle: "dXNlcjE"},
	}
}

func newPages(t *testing.T, o Options) *Pages {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func render(t *testing.T, p *Pages, language string, page Page) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	if err := p.Render(w, language, http.StatusOK, page); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestPagesAreAsTheGoldenFilesSay(t *testing.T) {
	p := newPages(t, Options{Name: "Example"})
	// A changed style is not a changed page.
	unhash := strings.NewReplacer(
		p.StaticPath("doorward.css"), "/doorward/static/doorward.HASH.css",
		p.StaticPath("doorward.js"), "/doorward/static/doorward.HASH.js",
		p.StaticPath("mark.svg"), "/doorward/static/mark.HASH.svg",
	)
	for name, page := range samples() {
		for _, language := range []string{"en", "de"} {
			t.Run(name+"."+language, func(t *testing.T) {
				got := unhash.Replace(render(t, p, language, page).Body.String())
				file := filepath.Join("testdata", name+"."+language+".html")
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

func TestRenderSaysWhatItAnswers(t *testing.T) {
	p := newPages(t, Options{})
	w := httptest.NewRecorder()
	w.Header().Set("Cache-Control", "no-store")
	if err := p.Render(w, "de-AT,en;q=0.5", http.StatusForbidden, ErrorPage{Status: 403, Problem: NotAllowed}); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusForbidden {
		t.Errorf("got status %d, want %d", w.Code, http.StatusForbidden)
	}
	for name, want := range map[string]string{
		"Content-Type":     "text/html; charset=utf-8",
		"Content-Language": "de",
		"Cache-Control":    "no-store",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
}

func TestNothingIsWrittenWhenRenderingFails(t *testing.T) {
	p := newPages(t, Options{})
	delete(p.languages.catalogues[0].texts, "signed_out.again") // the last text of its page
	for _, page := range []Page{nil, SignedOutPage{LoginURL: "/"}} {
		w := httptest.NewRecorder()
		if err := p.Render(w, "en", http.StatusTeapot, page); err == nil {
			t.Errorf("got no error for %#v", page)
		}
		if w.Code != http.StatusOK || len(w.Header()) != 0 || w.Body.Len() != 0 {
			t.Errorf("got status %d, header %v, body %q, want nothing written", w.Code, w.Header(), w.Body)
		}
	}
}

type brokenWriter struct{ http.ResponseWriter }

var errHungUp = errors.New("hung up")

func (brokenWriter) Write([]byte) (int, error) { return 0, errHungUp }

func TestRenderReportsAVisitorWhoHungUp(t *testing.T) {
	p := newPages(t, Options{})
	err := p.Render(brokenWriter{httptest.NewRecorder()}, "en", http.StatusOK, SignedOutPage{})
	if !errors.Is(err, errHungUp) {
		t.Errorf("got %v, want %v", err, errHungUp)
	}
}

func TestPagesCanBeRenderedAtTheSameTime(t *testing.T) {
	p := newPages(t, Options{Name: "Example"})
	for name, page := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			render(t, p, "de", page)
			render(t, p, "en", page)
		})
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"path without slash":         {Path: "doorward"},
		"path with slash at its end": {Path: "/doorward/"},
		"root":                       {Path: "/"},
		"path with empty segment":    {Path: "/a//b"},
		"path with dots":             {Path: "/a/../b"},
		"path with quote":            {Path: `/a"b`},
		"path with space":            {Path: "/a b"},
		"accent by name":             {Accent: "red"},
		"short accent":               {Accent: "#abc"},
		"accent without hash":        {Accent: "2458c5"},
		"accent with alpha":          {Accent: "#2458c5ff"},
		"accent with sign":           {Accent: "#+458c5"},
		"accent that is css":         {Accent: "#000;}*{"},
		"data logo":                  {Logo: "data:image/png;base64,AAAA"},
		"script logo":                {Logo: "javascript:alert(1)"},
		"http logo":                  {Logo: "http://cdn.example.com/logo.svg"},
		"logo of any scheme":         {Logo: "//cdn.example.com/logo.svg"},
		"backslash logo":             {Logo: `/\cdn.example.com/logo.svg`},
		"relative logo":              {Logo: "logo.svg"},
		"logo that widens the CSP":   {Logo: "https://x;script-src *;/logo.svg"},
		"wildcard logo":              {Logo: "https://*/logo.svg"},
		"logo with password":         {Logo: "https://a:b@cdn.example.com/logo.svg"},
		"return origin with path":    {ReturnOrigins: []string{"https://shop.example.com/"}},
		"return origin wildcard":     {ReturnOrigins: []string{"https://*.example.com"}},
		"return origin without https": {
			ReturnOrigins: []string{"shop.example.com"}},
		"return origin that is script": {
			ReturnOrigins: []string{"javascript://shop.example.com"}},
		"return origin that widens the CSP": {
			ReturnOrigins: []string{"https://shop.example.com; script-src *"}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: got no error for %+v", name, o)
		}
	}
}

func TestPolicyAllowsWhatThePagesUse(t *testing.T) {
	const rest = "connect-src 'self'; form-action 'self'"
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
		{Options{Logo: "/logo.svg"}, "img-src 'self'; " + rest + ";"},
		{Options{Logo: "https://CDN.example.com:8443/a/logo.svg?v=2"}, "img-src 'self' https://cdn.example.com:8443; " + rest + ";"},
		{Options{ReturnOrigins: []string{"https://Shop.example.com"}}, rest + " https://shop.example.com;"},
	} {
		if got := newPages(t, c.o).CSP(); !strings.Contains(got, c.want) {
			t.Errorf("%+v: got %q, want %q in it", c.o, got, c.want)
		}
	}
}
