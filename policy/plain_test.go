package policy_test

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

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
		"/static/\xc0\xae", "/static/\xff", "/static/..\uff0fadmin", "/static/\uff0e\uff0e/admin", "/static/.. /admin",
	} {
		if policy.Plain(path) {
			t.Errorf("Plain(%q) = true", path)
		}
	}
}

// A system that brings names to a compatibility form (NFKC, NFKD) before it reads
// them finds separators in signs that are none. Unicode may get more of these.
func TestNoSignThatDecomposesIntoASeparatorIsPlain(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		sign := string(r)
		for _, form := range []norm.Form{norm.NFKC, norm.NFKD} {
			// A sign that only brings a dot with it makes no segment of dots.
			read := form.String(sign)
			separates := strings.ContainsAny(read, `/\\;%?#`) || strings.Trim(read, ".") == ""
			if separates && policy.Plain("/static/a"+sign) {
				t.Errorf("%U is plain, and %q for who reads it in form %v", r, read, form)
			}
		}
	}
}
