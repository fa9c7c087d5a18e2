package policy_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/doorward/doorward/policy"
)

// readings returns a path as apps of all kinds may read it: decoded once more,
// with backslashes for slashes, without path parameters, with dot segments
// resolved.
func readings(decoded string) []string {
	all := []string{decoded}
	if again, err := url.PathUnescape(decoded); err == nil {
		all = append(all, again)
	}
	for _, p := range all {
		all = append(all, strings.ReplaceAll(p, `\`, "/"))
		var without []string
		for segment := range strings.SplitSeq(p, "/") {
			segment, _, _ = strings.Cut(segment, ";")
			without = append(without, segment)
		}
		all = append(all, strings.Join(without, "/"))
		cut, _, _ := strings.Cut(p, "\x00")
		all = append(all, cut, strings.ReplaceAll(p, "\xc0\xae", "."))
	}
	for _, p := range all {
		all = append(all, path.Clean(p))
	}
	return all
}

// What is open is open for every reader of the path: an app that reads it
// otherwise than Caddy must not find something else there.
func FuzzBypassOpensNoPathThatReadsOtherwise(f *testing.F) {
	for _, s := range []string{
		"/healthz", "/static/app.css", "/static/../admin", "/static/%2e%2e/admin", "/static/..%2fadmin", "/static/..%5cadmin",
		"/static/%252e%252e/admin", "/static/.;/../admin", "/static//../admin", "/static/%c0%ae%c0%ae/admin", "/static/a%00/../b",
		"/static/..;x/admin", "/healthz;/../admin", "/static/%ff", "/static/a%3f", "/STATIC/x", "/static/\u00fc",
	} {
		f.Add(s)
	}
	b, err := policy.ParseBypass([]string{"/healthz", "/static/*"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !b.Opens(u.Path, u.EscapedPath) {
			return
		}
		for _, p := range readings(u.Path) {
			if p != "/healthz" && p != "/static" && !strings.HasPrefix(p, "/static/") {
				t.Errorf("%q is open, and can be read as %q", target, p)
			}
		}
	})
}
