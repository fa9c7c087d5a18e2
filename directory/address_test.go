package directory_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/doorward/doorward/directory"
)

func TestSpellingsOfOneMailboxAreOneAddress(t *testing.T) {
	tests := []struct{ in, want string }{
		{"alice@example.com", "alice@example.com"},
		{"Alice@Example.TEST", "alice@example.test"},
		{"ALICE@EXAMPLE.COM", "alice@example.com"},
		{"alice@ｅｘａｍｐｌｅ。com", "alice@example.com"},
		{"alice@BÜCHER.example", "alice@xn--bcher-kva.example"},
		{"alice@bu\u0308cher.example", "alice@xn--bcher-kva.example"},
		{"alice@XN--BCHER-KVA.example", "alice@xn--bcher-kva.example"},
		{"alice@straße.example", "alice@xn--strae-oqa.example"}, // not strasse.example
		{"josé@example.com", "josé@example.com"},
		{"jose\u0301@example.com", "josé@example.com"},
		{"JOSÉ@example.com", "josÉ@example.com"},
		{"JOSE\u0301@example.com", "josÉ@example.com"},
		{"\u01f0@example.com", "\u01f0@example.com"},
		{"j\u030c@example.com", "\u01f0@example.com"},
		{"J\u030c@example.com", "\u01f0@example.com"},
		{"用户@例え.jp", "用户@xn--r8jz45g.jp"},
		{"नाम@example.com", "नाम@example.com"},
	}
	for _, tt := range tests {
		got, err := directory.ParseAddress(tt.in)
		if err != nil || string(got) != tt.want {
			t.Errorf("ParseAddress(%q): got %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestOtherMailboxesAreOtherAddresses(t *testing.T) {
	for _, s := range []string{
		"alice+tag@example.com", "a.lice@example.com", "alice@sub.example.com", "alice@example.com.evil.example",
		"!#$%&'*+-/=?^_`{|}~@example.com", "0@0.example", "alice@a-b.example", "alice@1.2.3.example",
		"аlice@example.com", // Cyrillic а
		"ÉLAN@example.com",  // only ASCII is folded, see below
		strings.Repeat("a", 64) + "@example.com",
		"a@" + strings.Repeat("b", 63) + ".example",
		"a@" + strings.Repeat("b.", 122) + "example",
	} {
		got, err := directory.ParseAddress(s)
		want := strings.Map(func(r rune) rune {
			if r < utf8.RuneSelf {
				return unicode.ToLower(r)
			}
			return r
		}, s)
		if err != nil || string(got) != want {
			t.Errorf("ParseAddress(%q): got %q, %v, want %q", s, got, err, want)
		}
	}

	const cyrillic = "x@сompany.com" // the first letter of the domain
	if a, err := directory.ParseAddress(cyrillic); err != nil || a.Domain() == "company.com" {
		t.Errorf("ParseAddress(%q): got %q, %v, want another domain than company.com", cyrillic, a, err)
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	for _, s := range []string{
		// Not an address, or not one alone.
		"", "@", "alice", "alice@", "@example.com", "Alice <alice@example.com>", "<alice@example.com>",
		"alice@example.com,bob@example.com", "alice@example.com;bob@example.com", "alice@example.com bob@example.com",
		"mailto:alice@example.com@example.com", "alice(comment)@example.com", "alice@example.com(comment)",
		" alice@example.com", "alice@example.com ", "al ice@example.com", "alice @example.com", "alice@ example.com",

		// Two readings: which @ counts, where the string ends.
		"attacker@evil.com@company.com", `"attacker@evil.com"@company.com`, `"a b"@company.com`, `"alice"@company.com`, `a\@b@company.com`,
		"x@company.com\x00@evil.com", "x@company.com\x00", "x\x00@company.com", "x@company.com,evil@x.com",
		"x@company.com\r\nBcc: evil@x.com", "x\n@company.com", "x\t@company.com", "x\u0085@company.com", "x@evil.com\uff20company.com",

		// Dots.
		".alice@example.com", "alice.@example.com", "al..ice@example.com", "alice@.example.com", "alice@example..com",
		"alice@example.com.", "alice@example.com。",

		// Domains that mail is not routed to.
		"alice@localhost", "alice@example", "alice@com", "alice@[127.0.0.1]", "alice@127.0.0.1", "alice@[IPv6:::1]", "alice@::1", "alice@0x7f.1", "alice@1.0x7f", "alice@2130706433",
		"alice@exa_mple.com", "alice@-example.com", "alice@example-.com", "alice@exam ple.com", "alice@example.com:25", "alice@example.com/x", "alice@exa%6dple.com",
		"alice@xn--a.example", "alice@xn--.example", "alice@xn--abc-.example", "alice@ab--cd.example", "alice@" + strings.Repeat("b", 64) + ".example",
		"a@" + strings.Repeat("b.", 123) + "example", "alice@exa\u200dmple.com", "alice@\u202eexample.com", "alice@example.c\xff", "alice@example.c\ufffd", "alice@א1a.example",

		// Lengths.
		strings.Repeat("a", 65) + "@example.com", strings.Repeat("é", 33) + "@example.com", strings.Repeat("a", 1<<20),
		"a@" + strings.Repeat("é.", 70) + "example", // too long only in ASCII

		// Characters that become others, or show nothing.
		"ali\u017fe@example.com",  // long s
		"\u212aelvin@example.com", // Kelvin sign
		"\u1fef@example.com",      // Greek varia: a grave accent in normal form C
		"\u037e@example.com",      // Greek question mark: a semicolon
		"ａlice@example.com", "ﬁ@example.com", "ª@example.com", "①@example.com", "alice…@example.com", "a\u2024b@example.com",
		"ali\u00adce@example.com", "ali\u200bce@example.com", "ali\u200dce@example.com", "\ufeffalice@example.com", "ali\u202ece@example.com",
		"ali\u034fce@example.com", "ali\ufe0fce@example.com", "\u3164@example.com", "\u115f@example.com", "ali\u00a0ce@example.com", "ali\u3000ce@example.com", "ali\u2028ce@example.com",
		"\u0301alice@example.com", "a.\u0301b@example.com", "ali\ue000ce@example.com", "ali\uffffce@example.com", "ali\xffce@example.com", "ali\xed\xa0\x80ce@example.com",
	} {
		a, err := directory.ParseAddress(s)
		if !errors.Is(err, directory.ErrAddress) {
			t.Errorf("ParseAddress(%.80q): got %q, %v, want %v", s, a, err, directory.ErrAddress)
		}
		if a != "" {
			t.Errorf("ParseAddress(%.80q): got %q with its error", s, a)
		}
		if err != nil && len(s) > 8 && strings.Contains(err.Error(), s) {
			t.Errorf("the error holds the address: %v", err)
		}
	}
}

func TestTheDomainIsBehindTheLastAt(t *testing.T) {
	for _, tt := range []struct {
		a    directory.Address
		want string
	}{
		{"alice@example.com", "example.com"},
		{"attacker@evil.com@company.com", "company.com"}, // no Address that ParseAddress makes
		{"alice", ""},
		{"", ""},
	} {
		if got := tt.a.Domain(); got != tt.want {
			t.Errorf("%q.Domain(): got %q, want %q", tt.a, got, tt.want)
		}
	}
}

func TestAMaskedAddressHidesWhoItIs(t *testing.T) {
	for _, tt := range []struct {
		a    directory.Address
		want string
	}{
		{"alice@example.com", "a…@example.com"},
		{"é.b@example.com", "é…@example.com"},
		{"a@example.com", "…@example.com"},
		{"é@example.com", "…@example.com"},
		{"alice", "a…@"},
		{"", "…@"},
	} {
		if got := tt.a.Masked(); got != tt.want {
			t.Errorf("%q.Masked(): got %q, want %q", tt.a, got, tt.want)
		}
	}
}

// Whatever ParseAddress accepts is canonical (it parses to itself), has one @,
// a local part without capitals of ASCII and without control characters, a
// domain of letters, digits and hyphens, and a mask that hides it.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"alice@example.com", "Alice+Tag@BÜCHER.example", "J\u030c@example.com", "\u212a@x.yz", "a@b@c.de", "用户@例え.jp",
		"\u0958@example.com", "a@xn--bcher-kva.example", "a@ß.example", "\u1100\u1161@x.yz", "a@x\u0130.yz", "a=\u0338@x.yz",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := directory.ParseAddress(s)
		if err != nil {
			if !errors.Is(err, directory.ErrAddress) || a != "" {
				t.Fatalf("ParseAddress(%q): got %q, %v", s, a, err)
			}
			return
		}
		if again, err := directory.ParseAddress(string(a)); err != nil || again != a {
			t.Errorf("ParseAddress(%q): got %q, which parses to %q, %v", s, a, again, err)
		}
		local, domain, _ := strings.Cut(string(a), "@")
		if strings.Count(string(a), "@") != 1 || local == "" || domain != a.Domain() {
			t.Errorf("%q does not have one @", a)
		}
		if len(local) > 64 || len(a) > 254 || !utf8.ValidString(local) {
			t.Errorf("%q is too long or no text", a)
		}
		if strings.ContainsFunc(local, func(r rune) bool {
			return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || 'A' <= r && r <= 'Z' || strings.ContainsRune(`"(),:;<>[\]`, r)
		}) {
			t.Errorf("%q holds a character that it must not", a)
		}
		for label := range strings.SplitSeq(domain, ".") {
			if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(label, "-") != label {
				t.Errorf("the domain of %q is not LDH", a)
			}
		}
		masked, _, _ := strings.Cut(a.Masked(), "@")
		if strings.Contains(masked, local) {
			t.Errorf("%q masked is %q", a, a.Masked())
		}
	})
}
