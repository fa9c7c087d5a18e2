package directory_test

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/doorward/doorward/directory"
)

// capitals returns s in capitals, but for letters that are not what their capital
// is in small: the capital of a dotless i is an I, which is another domain.
func capitals(s string) string {
	return strings.Map(func(r rune) rune {
		if upper := unicode.ToUpper(r); unicode.ToLower(upper) == r {
			return upper
		}
		return r
	}, s)
}

// However one mailbox is spelled (in capitals, composed or decomposed, its domain in
// Unicode or in ASCII, with other full stops), it is refused or the same address:
// there are not two accounts of one mailbox, and nobody gets another's by spelling.
func FuzzSpellingsOfOneMailboxAreOne(f *testing.F) {
	for _, s := range []string{
		"alice@example.com", "Alice+Tag@BÜCHER.example", "J\u030c@example.com", "A\u030c@example.com", "用户@例え.jp", "\u0958@example.com", "a@xn--bcher-kva.example",
		"a@ß.example", "\u1100\u1161@x.yz", "a@x\u0130.yz", "josÉ@example.com", "\u03c3\u03c2@example.com", "ı@example.com", "a@ı.example", "a@ℶA.example", "a@ﬁ.example", "a@\u212a.example",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := directory.ParseAddress(s)
		if err != nil {
			return
		}
		at := strings.LastIndex(s, "@")
		// A letter and its accent are one character before the case of ASCII letters
		// is looked at: an A with a caron is no A, however it is written.
		local, domain := norm.NFC.String(s[:at]), s[at+1:]
		ascii := func(upper bool, s string) string {
			return strings.Map(func(r rune) rune {
				if upper && 'a' <= r && r <= 'z' {
					return r - 'a' + 'A'
				}
				if !upper && 'A' <= r && r <= 'Z' {
					return r - 'A' + 'a'
				}
				return r
			}, s)
		}
		spellings := []string{
			ascii(true, local) + "@" + domain, ascii(false, local) + "@" + domain, local + "@" + domain, norm.NFD.String(local) + "@" + domain,
			local + "@" + capitals(domain), local + "@" + norm.NFD.String(domain), local + "@" + strings.ReplaceAll(domain, ".", "\u3002"), local + "@" + want.Domain(),
		}
		if shown, err := idna.Display.ToUnicode(want.Domain()); err == nil {
			spellings = append(spellings, local+"@"+shown, local+"@"+capitals(shown))
		}
		for _, spelled := range spellings {
			if got, err := directory.ParseAddress(spelled); err == nil && got != want {
				t.Errorf("%q is %q, and %q is %q: two accounts of one mailbox", s, want, spelled, got)
			}
		}
		// The spellings that must be the same are not refused, either.
		for _, spelled := range []string{ascii(true, local) + "@" + want.Domain(), string(want)} {
			if got, err := directory.ParseAddress(spelled); err != nil || got != want {
				t.Errorf("%q is %q, and %q is %q, %v", s, want, spelled, got, err)
			}
		}
	})
}
