package mail

import (
	"strings"
	"unicode"
)

// oneLine makes s fit for one line of a letter, whoever wrote it: runs of white
// space, line breaks among them, become one space; control characters and the
// invisible marks that turn the direction of writing, which can make text read
// as something it is not, are left out; what is longer than limit runes is cut.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ") // last, since what is left out may have stood between two spaces
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit-1]) + "…"
	}
	return s
}
