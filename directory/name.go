package directory

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName  = 64 // characters
	maxGroup = 64
	maxNote  = 512 // characters of an audit record's text
)

// cleanName returns the name of a user or a passkey without surrounding space,
// or ErrName.
func cleanName(s string) (string, error) {
	s = strings.TrimSpace(s)
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxName || strings.ContainsFunc(s, breaksLine) {
		return "", ErrName
	}
	return s, nil
}

// isText reports whether every database can keep s: PostgreSQL has text in UTF-8
// alone, without NUL.
func isText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// breaksLine reports whether r does something to a line of text other than
// stand in it: controls, line separators, and the characters that turn the
// direction of what follows, which make one name show as another.
func breaksLine(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// cleanGroups returns the names sorted, each once, or ErrGroup.
func cleanGroups(names []string) ([]string, error) {
	for _, name := range names {
		if !isGroup(name) {
			return nil, ErrGroup
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(names))), nil
}

func isGroup(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && strings.IndexByte("-_.:", s[i]) < 0 {
			return false
		}
	}
	return 0 < len(s) && len(s) <= maxGroup
}

// cleanNote makes text of unknown origin fit for an audit record. It replaces
// what it must and cuts what is too long, because a record with a hole in it
// is better than none.
func cleanNote(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n > maxNote:
			return -1
		case breaksLine(r):
			return utf8.RuneError
		}
		return r // utf8.RuneError for a byte that is not UTF-8
	}, s)
}
