package directory

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

const (
	maxAddress = 254 // RFC 5321, 4.5.3.1.3, less the angle brackets
	maxLocal   = 64  // RFC 5321, 4.5.3.1.1
	maxLabel   = 63  // RFC 1035, 3.1; the limit of a whole domain is met through maxAddress
)

// An Address is an e-mail address in canonical form, made by ParseAddress, so
// that all spellings of one mailbox are one Address. Mail goes to it, never to
// what somebody typed.
type Address string

// ParseAddress returns the canonical form of s, or ErrAddress. What it accepts
// is an address alone: no display name, no comment, no quotes, no list, no
// surrounding space.
//
// The domain goes through IDNA lookup (UTS #46, non-transitional, strict) and
// comes out as lower-case ASCII. It has two labels or more, of which the last
// begins with a letter: mail is routed to neither localhost, nor a bare host
// name, nor an IP address. It has no trailing dot.
//
// The local part is a dot-atom (RFC 5321, 4.1.2; RFC 6531, 3.3), in Unicode
// normal form C, with A-Z folded to a-z and nothing else: mail servers treat
// the case of ASCII letters alike, other letters they may not. Tags (+tag) and
// dots stay, since they make other mailboxes at most servers. Refused are
// characters that are compatibility variants of others (fullwidth letters,
// ligatures, U+017F), that normalize to ASCII (U+212A), and that show nothing.
// Letters of two scripts that look alike are different letters: a Cyrillic а
// makes another mailbox, and mail sent there reaches whoever owns that one.
func ParseAddress(s string) (Address, error) {
	if len(s) > maxAddress {
		return "", fmt.Errorf("%w: too long", ErrAddress)
	}
	if !utf8.ValidString(s) { // idna would take a stray byte for a character
		return "", fmt.Errorf("%w: not UTF-8", ErrAddress)
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return "", fmt.Errorf("%w: no @", ErrAddress)
	}
	local, ok := canonicalLocal(s[:at])
	if !ok {
		return "", fmt.Errorf("%w: the part before the @", ErrAddress)
	}
	domain, ok := canonicalDomain(s[at+1:])
	if !ok {
		return "", fmt.Errorf("%w: the domain", ErrAddress)
	}
	if len(local)+1+len(domain) > maxAddress {
		return "", fmt.Errorf("%w: too long", ErrAddress)
	}
	return Address(local + "@" + domain), nil
}

// isCanonical reports whether a can have come from ParseAddress.
func (a Address) isCanonical() bool {
	parsed, err := ParseAddress(string(a))
	return err == nil && parsed == a
}

// Domain returns what is behind the last @.
func (a Address) Domain() string {
	_, domain := a.split()
	return domain
}

// Masked returns the address for logs: its first character and its domain. Of
// a local part of one character nothing is left.
func (a Address) Masked() string {
	local, domain := a.split()
	_, size := utf8.DecodeRuneInString(local)
	if size == len(local) {
		size = 0
	}
	return local[:size] + "…@" + domain
}

func (a Address) split() (local, domain string) {
	at := strings.LastIndexByte(string(a), '@')
	if at < 0 {
		return string(a), ""
	}
	return string(a[:at]), string(a[at+1:])
}

func canonicalLocal(s string) (string, bool) {
	for _, r := range s {
		// Normal form C alone would make a k of the Kelvin sign, and a ` of a
		// Greek accent.
		if r >= utf8.RuneSelf && norm.NFC.String(string(r))[0] < utf8.RuneSelf {
			return "", false
		}
	}
	// Normalized before folding, so that a letter and its accent are one
	// character, and after, since j with caron is one and J with caron is two.
	s = norm.NFC.String(lowerASCII(norm.NFC.String(s)))
	if len(s) > maxLocal || norm.NFKC.String(s) != s {
		return "", false
	}
	for atom := range strings.SplitSeq(s, ".") {
		if !isAtom(atom) {
			return "", false
		}
	}
	return s, true
}

// isAtom reports whether s is an atom of RFC 6531 that shows what it holds.
func isAtom(s string) bool {
	if s == "" {
		return false
	}
	for i, r := range s {
		switch {
		case r < utf8.RuneSelf:
			if !isAtext(byte(r)) {
				return false
			}
		case !unicode.IsPrint(r), // controls, formats, spaces, unassigned
			unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector),
			i == 0 && unicode.IsMark(r): // would combine with what stands before the atom
			return false
		}
	}
	return true
}

// isAtext reports whether c is atext, RFC 5322, 3.2.3.
func isAtext(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// lowerASCII folds A-Z. It is not strings.ToLower, which folds the Kelvin sign
// to k.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func canonicalDomain(s string) (string, bool) {
	domain, err := idna.Lookup.ToASCII(s)
	if err != nil {
		return "", false
	}
	// The rules for writing from right to left are checked on what was typed, not on
	// what it became: a domain may come out that would not be taken again.
	if again, err := idna.Lookup.ToASCII(domain); err != nil || again != domain {
		return "", false
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return "", false
		}
	}
	// No top-level domain begins with a digit, every IPv4 address ends in a
	// number (also in hexadecimal: 0x7f.1).
	last := labels[len(labels)-1]
	if len(labels) < 2 || last[0] < 'a' {
		return "", false
	}
	return domain, true
}

// isLabel reports whether s is a lower-case label of letters, digits and
// hyphens, RFC 1123, 2.1.
func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && (!isAlphanumeric(c) || 'A' <= c && c <= 'Z') {
			return false
		}
	}
	return true
}
