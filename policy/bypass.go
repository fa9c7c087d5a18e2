package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bypass says which paths of a site are open to everybody.
type Bypass struct {
	exact    []string
	prefixes []string // each ends in "/"
}

// ParseBypass reads bypass patterns: a path, which stands for itself alone, or
// one that ends in "/*", which stands for all below it. Paths are compared as
// they are written, letter case included.
func ParseBypass(patterns []string) (Bypass, error) {
	var b Bypass
	for _, p := range patterns {
		prefix, below := strings.CutSuffix(p, "/*")
		switch {
		case !strings.HasPrefix(p, "/"):
			return Bypass{}, fmt.Errorf("%w: bypass %q: a path begins with /", ErrPattern, p)
		case p == "/*":
			return Bypass{}, fmt.Errorf("%w: bypass %q: that would open the whole site; leave the doorward directive out instead", ErrPattern, p)
		case strings.Contains(prefix, "*"):
			return Bypass{}, fmt.Errorf("%w: bypass %q: a * stands only at the end, after a /", ErrPattern, p)
		case strings.ContainsAny(p, "?#"):
			return Bypass{}, fmt.Errorf("%w: bypass %q: only paths can be open, a query is no part of one", ErrPattern, p)
		case !Plain(prefix):
			return Bypass{}, fmt.Errorf("%w: bypass %q: write the path plainly, without %%-escapes, //, . or .. segments", ErrPattern, p)
		case below:
			b.prefixes = append(b.prefixes, prefix+"/")
		default:
			b.exact = append(b.exact, p)
		}
	}
	return b, nil
}

// Opens reports whether the path of a request is open: path as it was decoded,
// escaped as it stands in the request and as the app will see it. A path that
// two readers could read differently (with an escaped slash, a backslash, a dot
// segment ...) is never open: the app might read it as another one.
func (b *Bypass) Opens(path string, escaped func() string) bool {
	return b.names(path) && Plain(path) && plainEscapes(escaped())
}

func (b *Bypass) names(path string) bool {
	return slices.Contains(b.exact, path) ||
		slices.ContainsFunc(b.prefixes, func(p string) bool { return strings.HasPrefix(path, p) })
}

// Plain reports whether a decoded path means the same to every reader. There are no
// dot segments in it, no empty ones, no backslashes, path parameters (;) and control
// characters, nothing that a second decoding would change, no bytes that are no UTF-8
// (some readers take the overlong C0 AE for a dot), and no signs that some readers
// take for one of these. What opens a path to everybody has to be sure of what the
// app will make of it.
func Plain(path string) bool {
	if !utf8.ValidString(path) {
		return false
	}
	ascii := true
	for i := range len(path) {
		switch c := path[i]; {
		case c >= utf8.RuneSelf:
			ascii = false
		case c < 0x20, c == 0x7f, c == '\\', c == '%', c == ';', c == '?', c == '#':
			return false
		}
	}
	if !ascii && strings.ContainsAny(path, lookalikes) {
		return false
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if segment == "." || segment == ".." {
			return false
		}
		if trimmed := strings.Trim(segment, " "); trimmed == "." || trimmed == ".." { // as Windows trims names
			return false
		}
	}
	return !strings.Contains(path, "//")
}

// lookalikes are signs that some systems take for one that separates or changes
// segments: by Unicode's compatibility forms (NFKC), or by the best fit of a code
// page (Windows).
const lookalikes = "\uff0f\u2044\u2215\u29f8\u2571\u2100\u2101\u2105\u2106" + // slash
	"\uff3c\ufe68\u2216\u29f5\u29f9\u00a5\uffe5\u20a9\uffe6" + // backslash
	"\uff0e\ufe52\u2024\u2025\u2026\u3002\uff61" + // dot
	"\ufe19\ufe30" + // more than one dot
	"\uff05\ufe6a\uff1b\ufe54\ufe14\u037e\uff1f\ufe56\ufe16\u2047\u2048\u2049\uff03\ufe5f" // percent, semicolon, question mark, hash

// plainEscapes reports whether no escape in a path hides a character that
// separates or changes segments.
func plainEscapes(escaped string) bool {
	for i := range len(escaped) {
		if escaped[i] != '%' {
			continue
		}
		if len(escaped) < i+3 {
			return false
		}
		switch strings.ToLower(escaped[i+1 : i+3]) {
		case "2f", "5c", "2e", "25", "3b", "3f", "23", "00":
			return false
		}
	}
	return true
}
