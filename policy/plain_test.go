package policy_test

import (
	"testing"

	"github.com/doorward/doorward/policy"
)

// Each path is plain but for one thing. Plain has to find it alone: a path that a
// matcher leaves open is judged by nothing else, and an escape is not always there
// to give it away.
func TestPlainPathReadsTheSameEverywhere(t *testing.T) {
	for _, path := range []string{
		"/", "/static", "/static/", "/static/a/b.css", "/static/.hidden", "/static/..a", "/static/...", "/static/a b", "/static/ü",
	} {
		if !policy.Plain(path) {
			t.Errorf("Plain(%q) = false", path)
		}
	}
	for _, path := range []string{
		"//static", "/static//a", "/static//",
		"/static/./a", "/static/.", "/static/../a", "/static/..",
		`/static\a`, "/static;a", "/static/a;b=c", "/static/%2e", "/static/a%", "/static/a?b", "/static/a#b",
		"/static/a\x00", "/static/a\n", "/static/a\x1f", "/static/a\x7f",
		"/static/\xc0\xae", "/static/\xff",
	} {
		if policy.Plain(path) {
			t.Errorf("Plain(%q) = true", path)
		}
	}
}
