package session_test

import (
	"testing"

	"github.com/doorward/doorward/session"
)

// A token that was checked a moment ago is known again without its signature. Only
// it is: not what has its signature behind something else, nor anything that differs
// from it by one character, wherever that is.
func TestNothingPassesForATokenThatWasChecked(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	_, other := n.begin("bob")
	for _, seen := range []string{token, other} {
		n.wantOK("a token as it was issued", seen)
	}
	one, two := split(t, token), split(t, other)
	for name, changed := range map[string]string{
		"the claims of another":            one[0] + "." + two[1] + "." + one[2],
		"the signature of another":         one[0] + "." + one[1] + "." + two[2],
		"nothing in front":                 one[2],
		"the end of the signature":         one[2][len(one[2])-40:],
		"the signature of a token of dots": "..." + one[2],
		"a space in front":                 " " + token,
		"twice":                            token + token,
	} {
		n.wantRefused(name, changed, session.ErrInvalid)
	}
	for i := range len(token) {
		if token[i] == '.' || i < len(one[0]) && i%16 != 0 { // to look for a key that only a token names takes a while
			continue
		}
		c := byte('A')
		if token[i] == c {
			c = 'B'
		}
		n.wantRefused("one character changed", token[:i]+string(c)+token[i+1:], session.ErrInvalid)
	}
	n.wantOK("the token after all that", token)
}
