package policy_test

import (
	"testing"

	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/session"
)

func TestDoorsOfOneSiteSignPeopleInForEachOther(t *testing.T) {
	u := policy.Union{allow(t, "group:admins"), allow(t, "*@example.com")}
	for _, tt := range []struct {
		name string
		who  session.Identity
		want bool
	}{
		{"whom the first admits", session.Identity{Groups: []string{"admins"}}, true},
		{"whom the second admits", session.Identity{Email: "ann@example.com", EmailVerified: true}, true},
		{"whom none admits", session.Identity{Email: "eve@example.net", EmailVerified: true, Groups: []string{"staff"}}, false},
		{"whom none admits, though an operator added them", session.Identity{Email: "eve@example.net", Added: true}, false},
		{"whom both admit, disabled", session.Identity{Email: "ann@example.com", EmailVerified: true, Groups: []string{"admins"}, Disabled: true}, false},
	} {
		if got := u.Admits(tt.who); got != tt.want {
			t.Errorf("%s: Admits = %v, want %v", tt.name, got, tt.want)
		}
	}
	if !u.SignsUp("ann@example.com", "example.com") || u.SignsUp("eve@example.net", "example.net") {
		t.Error("a union signs up whom none of its doors does, or not whom one of them does")
	}
	if new(policy.Union).Admits(session.Identity{Added: true}) {
		t.Error("a site without doors admits somebody")
	}
}

// A door that admits users by group, beside one that allows nobody by name: the
// zero rule of the second must not open it to whoever signed up at the first.
func TestDoorWithoutRulesAddsOnlyItsOwnUsers(t *testing.T) {
	u := policy.Union{allow(t, "group:admins"), new(policy.Policy)}
	if u.Admits(session.Identity{Email: "ann@example.com", EmailVerified: true}) {
		t.Error("a user whom no operator added passes")
	}
	if !u.Admits(session.Identity{Email: "ann@example.com", Added: true}) {
		t.Error("a user whom an operator added does not pass the door without rules")
	}
}

func TestLaterPatternsDoNotUndoEarlierOnes(t *testing.T) {
	p := allow(t, "ann@example.com", "*@example.org", "group:staff")
	for _, who := range []session.Identity{
		{Email: "ann@example.com", EmailVerified: true}, {Email: "bob@example.org", EmailVerified: true}, {Groups: []string{"staff"}},
	} {
		if !p.Admits(who) {
			t.Errorf("%+v does not pass", who)
		}
	}
}
