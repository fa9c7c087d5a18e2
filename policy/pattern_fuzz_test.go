package policy_test

import (
	"errors"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/session"
)

// A pattern opens the one path that it is, or what is below the folder that it
// names, and nothing else, however the path is written and read; and what cannot
// be a pattern is refused as such.
func FuzzBypassPatternOpensWhatItSays(f *testing.F) {
	for _, pattern := range []string{
		"/healthz", "/static/*", "/*", "/", "/a/b/*", "/a*", "/a/*/b", "static/*", "/../*", "/a/%2e/*", "/ü/*", "/a//*", "/a?b", "", "//*", "/\\*", "/a;b/*", "*", "/./*",
	} {
		for _, target := range []string{"/healthz", "/static/a", "/static", "/static/../admin", "/static/%2e%2e/admin", "/a/b/c", "/%61/b/c", "//static/a", "/healthzx", "/%C3%BC/x"} {
			f.Add(pattern, target)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, target string) {
		b, err := policy.ParseBypass([]string{pattern})
		if err != nil {
			if !errors.Is(err, policy.ErrPattern) {
				t.Errorf("pattern %q: %v, want ErrPattern", pattern, err)
			}
			return
		}
		u, err := url.ParseRequestURI(target)
		if err != nil || !b.Opens(u.Path, u.EscapedPath) {
			return
		}
		folder, below := strings.CutSuffix(pattern, "/*")
		if folder == "" && below {
			t.Fatalf("pattern %q opens the whole site", pattern)
		}
		for _, p := range readings(u.Path) {
			in := p == pattern || path.Clean(p) == path.Clean(pattern)
			if below {
				in = p == folder || strings.HasPrefix(p, folder+"/")
			}
			if !in {
				t.Errorf("pattern %q opens %q, which can be read as %q", pattern, target, p)
			}
		}
	})
}

// A plain path, which is all that a matcher can leave open, is read as one and the
// same by every reader.
func FuzzPlainPathHasOneReading(f *testing.F) {
	for _, s := range []string{
		"/", "/wiki", "/wiki/", "/a/./b", "/a/../b", "//a", "/a;b", "/a%2fb", `/a\b`, "/..;/admin", "/a\x00b", "/\xc0\xae\xc0\xae/b", "/ü/x", "", "*", "a", "/...", "/a b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, decoded string) {
		if !policy.Plain(decoded) {
			return
		}
		want := path.Clean(decoded)
		for _, p := range readings(decoded) {
			if got := path.Clean(p); got != want {
				t.Errorf("%q is plain, and can be read as %q", decoded, p)
			}
		}
	})
}

// A rule admits whom it names: the owner of that address, who has proved it,
// whoever is at that very domain, and the members of that group.
func FuzzAllowAdmitsWhomItNames(f *testing.F) {
	for _, pattern := range []string{"ann@example.com", "*@example.com", "group:admins", "*", "*@*", "group:", "a*@b.c", "*@example.com@evil.test", "group:*", "", "@"} {
		for _, email := range []string{"ann@example.com", "ann@evil.test@example.com", "ann@example.com.evil.test", "ann", ""} {
			f.Add(pattern, email, "admins", true)
			f.Add(pattern, email, "", false)
		}
	}
	// What these tests take for canonical is what has one @; how addresses are
	// spelled is the directory's to say.
	canonical := func(address string) (string, string, error) {
		local, domain, ok := strings.Cut(strings.ToLower(address), "@")
		if !ok || local == "" || domain == "" || strings.Contains(domain, "@") {
			return "", "", errors.New("no address")
		}
		return local + "@" + domain, domain, nil
	}
	f.Fuzz(func(t *testing.T, pattern, email, group string, verified bool) {
		allow, err := policy.ParseAllow([]string{pattern}, canonical)
		if err != nil {
			if !errors.Is(err, policy.ErrPattern) {
				t.Errorf("pattern %q: %v, want ErrPattern", pattern, err)
			}
			return
		}
		p := policy.Policy{Allow: allow}
		if !p.Admits(session.Identity{Email: email, EmailVerified: verified, Groups: []string{group}}) {
			return
		}
		at := strings.LastIndex(email, "@") + 1
		named := pattern == "group:"+group && group != "" ||
			verified && (pattern == "*" && email != "" || strings.EqualFold(pattern, email) || strings.EqualFold(pattern, "*@"+email[at:]) && at > 0)
		if !named {
			t.Errorf("%q admits %q (verified: %v) of group %q", pattern, email, verified, group)
		}
		if p.Admits(session.Identity{Email: email, EmailVerified: verified, Groups: []string{group}, Disabled: true}) {
			t.Errorf("%q admits %q, who is disabled", pattern, email)
		}
	})
}
