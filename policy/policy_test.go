package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/session"
)

// canonical is enough of the directory's for tests: one @, lower case.
func canonical(address string) (string, string, error) {
	local, domain, ok := strings.Cut(strings.ToLower(address), "@")
	if !ok || local == "" || !strings.Contains(domain, ".") || strings.Contains(domain, "@") {
		return "", "", errors.New("no address")
	}
	return local + "@" + domain, domain, nil
}

func allow(t *testing.T, patterns ...string) *policy.Policy {
	t.Helper()
	a, err := policy.ParseAllow(patterns, canonical)
	if err != nil {
		t.Fatal(err)
	}
	return &policy.Policy{Allow: a}
}

func TestWithoutAllowOnlyAddedUsersPass(t *testing.T) {
	var p policy.Policy
	signedUp := session.Identity{Subject: "1", Email: "ann@example.com", EmailVerified: true, Groups: []string{"admins"}}
	if p.Admits(signedUp) {
		t.Error("a user who signed up elsewhere passes a door that allows nobody")
	}
	added := signedUp
	added.Added = true
	if !p.Admits(added) {
		t.Error("a user whom an operator added does not pass")
	}
	added.Disabled = true
	if p.Admits(added) {
		t.Error("a disabled user passes")
	}
	if p.SignsUp("ann@example.com", "example.com") {
		t.Error("a door that allows nobody lets people sign up")
	}
}

func TestAllowPatterns(t *testing.T) {
	tests := []struct {
		name    string
		pattern string
		who     session.Identity
		want    bool
	}{
		{"address", "Ann@Example.com", session.Identity{Email: "ann@example.com", EmailVerified: true}, true},
		{"another address", "ann@example.com", session.Identity{Email: "bob@example.com", EmailVerified: true}, false},
		{"unproved address", "ann@example.com", session.Identity{Email: "ann@example.com"}, false},
		{"domain", "*@example.com", session.Identity{Email: "bob@example.com", EmailVerified: true}, true},
		{"subdomain", "*@example.com", session.Identity{Email: "bob@sub.example.com", EmailVerified: true}, false},
		{"domain as a suffix", "*@example.com", session.Identity{Email: "bob@evilexample.com", EmailVerified: true}, false},
		{"domain as a prefix", "*@example.com", session.Identity{Email: "bob@example.com.evil.test", EmailVerified: true}, false},
		{"domain in the local part", "*@example.com", session.Identity{Email: "bob@example.com@evil.test", EmailVerified: true}, false},
		{"group", "group:admins", session.Identity{Email: "ann@example.com", Groups: []string{"admins", "staff"}}, true},
		{"another group", "group:admins", session.Identity{Email: "ann@example.com", Groups: []string{"admin"}}, false},
		{"added, but not allowed", "group:admins", session.Identity{Email: "ann@example.com", Added: true}, false},
		{"disabled", "*", session.Identity{Email: "ann@example.com", EmailVerified: true, Disabled: true}, false},
		{"anybody", "*", session.Identity{Email: "x@y.test", EmailVerified: true}, true},
		{"anybody without an address", "*", session.Identity{EmailVerified: true}, false},
	}
	for _, tt := range tests {
		if got := allow(t, tt.pattern).Admits(tt.who); got != tt.want {
			t.Errorf("%s: Admits = %v, want %v", tt.name, got, tt.want)
		}
	}
	if allow(t, "group:admins").SignsUp("ann@example.com", "example.com") {
		t.Error("a rule for a group lets people sign up")
	}
	if !allow(t, "*@example.com").SignsUp("ann@example.com", "example.com") {
		t.Error("a rule for a domain does not let its people sign up")
	}
}

func TestWhereSignUpIsClosedNoRuleOpensIt(t *testing.T) {
	p := allow(t, "*@example.com")
	p.Closed = true
	if p.SignsUp("ann@example.com", "example.com") {
		t.Error("a rule for a domain lets people sign up where nobody may")
	}
	if !p.Admits(session.Identity{Email: "ann@example.com", EmailVerified: true}) {
		t.Error("who has an account already is kept out")
	}
}

func TestPatternsThatSayNothingClearAreRefused(t *testing.T) {
	for _, p := range []string{"", "ann", "*@", "*@*.example.com", "a*@example.com", "*example.com", "group:", "group:*", "@example.com", "**"} {
		if _, err := policy.ParseAllow([]string{p}, canonical); !errors.Is(err, policy.ErrPattern) {
			t.Errorf("ParseAllow(%q) = %v, want ErrPattern", p, err)
		}
	}
	for _, p := range []string{"", "healthz", "*", "/*", "/a*", "/a/*/b", "/a?x", "/a#x", "/a/../b", "/a//b", "/%61", "/a\\b"} {
		if _, err := policy.ParseBypass([]string{p}); !errors.Is(err, policy.ErrPattern) {
			t.Errorf("ParseBypass(%q) = %v, want ErrPattern", p, err)
		}
	}
}

func TestBypassOpensWhatItNamesAndNothingElse(t *testing.T) {
	b, err := policy.ParseBypass([]string{"/healthz", "/static/*"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path, escaped string
		want          bool
	}{
		{"/healthz", "/healthz", true},
		{"/static/app.css", "/static/app.css", true},
		{"/static/two words.css", "/static/two%20words.css", true},
		{"/static/ü.css", "/static/%C3%BC.css", true},
		{"/", "/", false},
		{"/healthzx", "/healthzx", false},
		{"/healthz/", "/healthz/", false},
		{"/Healthz", "/Healthz", false},
		{"/static", "/static", false},
		{"/staticadmin", "/staticadmin", false},
		{"/static-private/x", "/static-private/x", false},
		{"/static/../admin", "/static/../admin", false},
		{"/static/../admin", "/static/..%2fadmin", false},
		{"/static/../admin", "/static/%2e%2e/admin", false},
		{"/static/%2e%2e/admin", "/static/%252e%252e/admin", false},
		{"/static/./../admin", "/static/./../admin", false},
		{"/static//../admin", "/static//../admin", false},
		{"//static/x", "//static/x", false},
		{"/static/a/b", "/static/a%2fb", false},
		{`/static/..\admin`, "/static/..%5cadmin", false},
		{"/static/..;/admin", "/static/..;/admin", false},
		{"/static/a\x00b", "/static/a%00b", false},
		{"/static/a\nb", "/static/a%0ab", false},
		{"/healthz#", "/healthz%23", false},
		{"/static/\xc0\xae\xc0\xae/admin", "/static/%c0%ae%c0%ae/admin", false},
		{"/static/a?b", "/static/a%3fb", false},
		{"/static/a", "/static/a%2", false},
		{"/static/．．/admin", "/static/%EF%BC%8E%EF%BC%8E/admin", false},
		{"/static/‥／admin", "/static/%E2%80%A5%EF%BC%8Fadmin", false},
		{"/static/.. /admin", "/static/..%20/admin", false},
		{"/static/..¥admin", "/static/..%C2%A5admin", false},
		{"/static/", "/static/", true},
		{"/admin", "/admin", false},
	}
	for _, tt := range tests {
		if got := b.Opens(tt.path, func() string { return tt.escaped }); got != tt.want {
			t.Errorf("Opens(%q, %q) = %v, want %v", tt.path, tt.escaped, got, tt.want)
		}
	}
}
