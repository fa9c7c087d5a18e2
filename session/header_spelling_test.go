package session_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/doorward/doorward/session"
)

// What stands around the header of a token is not signed, and makes another
// spelling of the same token.
func TestHeaderHasNothingAroundIt(t *testing.T) {
	f := newForger(t)
	encode := base64.RawURLEncoding.EncodeToString
	for _, pad := range []string{"", "x", "xx"} { // a header of each length that base64 knows
		token := forge(t, f.header.with("x", pad), f.claims, f.sign)
		f.wantOK("as it was signed", token)
		header, rest, _ := strings.Cut(token, ".")
		plain, err := base64.RawURLEncoding.DecodeString(header)
		must(t, err)
		for name, other := range map[string]string{
			"a NUL after it": encode(append(plain[:len(plain):len(plain)], 0)), "a space after it": encode(append(plain[:len(plain):len(plain)], ' ')),
			"a space before it": encode(append([]byte(" "), plain...)), "another one after it": encode(append(plain[:len(plain):len(plain)], plain...)),
			"a bracket after it": encode(append(plain[:len(plain):len(plain)], '}')), "a byte order mark before it": encode(append([]byte("\ufeff"), plain...)),
			"nothing": "", "an empty one": encode([]byte("{}")), "a list": encode([]byte("[]")), "null": encode([]byte("null")), "a space": encode([]byte(" ")),
		} {
			f.wantRefused(name, other+"."+rest, session.ErrInvalid)
		}
		for _, more := range []string{"A", "AA", "AAA", "AAAA"} {
			f.wantRefused("header"+more, header+more+"."+rest, session.ErrInvalid)
		}
	}
}
