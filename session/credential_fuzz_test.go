package session_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/session"
)

// credentials are a session token and an assertion, which stand in the inputs of
// these tests under a name: they are others each time.
func credentials(f *testing.F) (spell func(string) string, list []string) {
	h := newEmbeddedHouse(f)
	n := h.node()
	v, token := n.begin("ann")
	assertion, err := n.Assertion(v, site, issuer)
	must(f, err)
	list = []string{token, assertion}
	return strings.NewReplacer("TOKEN", token, "ASSERTION", assertion).Replace, list
}

// wantNone reports a credential that is left for the app to read, wherever in
// the values it stands.
func wantNone(t *testing.T, credentials []string, before, after []string) {
	t.Helper()
	for _, line := range after {
		for _, credential := range credentials {
			if strings.Contains(line, credential) {
				t.Errorf("%.80q... has a credential of ours still, of %d lines before", line, len(before))
			}
		}
	}
}

// wantRest reports lines of which a credential is cut out of that should be left
// as they were, or that are left otherwise.
func wantRest(t *testing.T, credentials []string, before, after []string) {
	t.Helper()
	var want []string
	for _, line := range before {
		if !slices.ContainsFunc(credentials, func(c string) bool { return strings.Contains(line, c) }) {
			want = append(want, line)
		}
	}
	if !slices.Equal(after, want) {
		t.Errorf("%q is left of %q, want %q", after, before, want)
	}
}

// FuzzCutAuthorization: no credential of ours is left in Authorization, however
// it is written there and however often; and what is the app's own is left as it
// was. Whatever we take for a session token is one of those.
func FuzzCutAuthorization(f *testing.F) {
	for _, line := range []string{
		"Bearer TOKEN", "bearer  TOKEN ", "BEARER\tTOKEN", "TOKEN", "Token TOKEN", "Bearer ASSERTION", "Bearer TOKEN, Basic YTpi",
		`Bearer token="TOKEN"`, "Bearer token='TOKEN'", "Bearer TOKEN;x", "DPoP TOKEN", "Basic YTpi", "Bearer app", "Bearer eyJhbGciOiJub25lIn0.e30.",
		"Bearer xTOKEN", "Bearer TOKENx", "Bearer TOKEN.x", "Bearer {TOKEN}", "", " ",
	} {
		f.Add(line, "")
		f.Add("Bearer app", line)
		f.Add(line, line)
	}
	spell, list := credentials(f)
	c := session.NewCookie("", true)
	f.Fuzz(func(t *testing.T, first, second string) {
		before := []string{spell(first)}
		if second != "" {
			before = append(before, spell(second))
		}
		if !slices.ContainsFunc(before, canStandInAHeader) {
			return
		}
		h := http.Header{"Authorization": slices.Clone(before)}
		bearer, _ := c.Tokens(h)
		if session.Own(bearer) && !slices.ContainsFunc(before, func(line string) bool { return strings.Contains(line, bearer) }) {
			t.Errorf("Tokens finds %q in %q", bearer, before)
		}
		c.Cut(h)
		wantNone(t, list, before, h["Authorization"])
		if again := session.Bearer(h); session.Own(again) {
			t.Errorf("Bearer still finds %q in %q, left of %q", again, h["Authorization"], before)
		}
		if lines, ok := h["Authorization"]; ok && len(lines) == 0 {
			t.Error("an Authorization header without a line is left")
		}
		if !slices.ContainsFunc(before, func(line string) bool {
			return strings.Contains(line, "eyJ") && !slices.ContainsFunc(list, func(c string) bool { return strings.Contains(line, c) })
		}) {
			wantRest(t, list, before, h["Authorization"])
		}
	})
}

// FuzzCutTokenInAnyCookie: a web client keeps a token that it was handed in a
// cookie of its own, under any name and in any wrapping. It is cut out, and the
// app's cookies before and behind it are as they were.
func FuzzCutTokenInAnyCookie(f *testing.F) {
	for _, pair := range []string{
		"hanko=TOKEN", `hanko="TOKEN"`, "hanko= TOKEN ", "TOKEN", "=TOKEN", "a=b=TOKEN", "auth=ASSERTION", "auth=Bearer%20TOKEN",
		"auth=%7B%22token%22%3A%22TOKEN%22%7D", `auth={"token":"TOKEN"}`, "auth=xTOKEN", "auth=TOKENx", "auth=TOKEN|1", "auth=TOKEN.x", "auth=eyJ", "auth=eyJhbGciOiJub25lIn0.e30.",
	} {
		f.Add("a=1", pair, "b=2")
		f.Add("", pair, "")
	}
	spell, list := credentials(f)
	c := session.NewCookie("", true)
	f.Fuzz(func(t *testing.T, first, middle, last string) {
		line := spell(strings.Join(slices.DeleteFunc([]string{first, middle, last}, func(s string) bool { return s == "" }), "; "))
		if !canStandInAHeader(line) {
			return
		}
		h := http.Header{"Cookie": {line}}
		c.Cut(h)
		wantNone(t, list, []string{line}, h["Cookie"])
		var want []string
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(pair, "=")
			own := strings.HasPrefix(strings.TrimSpace(name), c.Name) ||
				slices.ContainsFunc(list, func(credential string) bool { return strings.Contains(pair, credential) })
			if !own && !strings.Contains(pair, "eyJ") { // of which some are others of ours
				want = append(want, strings.TrimSpace(pair))
			}
		}
		var got []string
		for pair := range strings.SplitSeq(strings.Join(h["Cookie"], ";"), ";") {
			if !strings.Contains(pair, "eyJ") && !strings.HasPrefix(strings.TrimSpace(pair), c.Name) {
				got = append(got, strings.TrimSpace(pair))
			}
		}
		if drop := func(s string) bool { return s == "" }; !slices.Equal(slices.DeleteFunc(got, drop), slices.DeleteFunc(want, drop)) {
			t.Errorf("%q is left of %q, want %q of it", h["Cookie"], line, want)
		}
	})
}
