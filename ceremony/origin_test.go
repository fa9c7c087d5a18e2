package ceremony_test

import (
	"errors"
	"testing"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/integration/authenticator"
)

func TestOnlyConfiguredOriginsAreAccepted(t *testing.T) {
	const (
		app     = "android:apk-key-hash:7d1R0-6vSKTA1BHnpbHcGPmE4vW8FoOoHTH7QcWBYt0"
		related = "https://example.de"
	)
	configured := site
	configured.RelyingParty.Origins = []string{app, related, site.Origin}
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	a := newAuthenticator()
	r.register(t, a, ann)
	for _, tt := range []struct {
		name, origin string
		site         ceremony.Site
		want         error
	}{
		{"the site's own", site.Origin, site, nil},
		{"the site's own, where others are configured", site.Origin, configured, nil},
		{"Android app", app, configured, nil},
		{"Android app, not configured", app, site, ceremony.ErrPasskey},
		{"Android app in lower case", "android:apk-key-hash:7d1r0-6vskta1bhnpbhcgpme4vw8fooohth7qcwbyt0", configured, ceremony.ErrPasskey},
		{"another Android app", "android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", configured, ceremony.ErrPasskey},
		{"Android app and a port", app + ":443", configured, ceremony.ErrPasskey},
		{"related site", related, configured, nil},
		{"related site, not configured", related, site, ceremony.ErrPasskey},
		{"subdomain of a related site", "https://www.example.de", configured, ceremony.ErrPasskey},
		{"related site without TLS", "http://example.de", configured, ceremony.ErrPasskey},
		{"related site at another port", related + ":8443", configured, ceremony.ErrPasskey},
	} {
		from := func(a *authenticator.Answer) { a.Origin = tt.origin }
		answer := get(t, a, r.options(t, tt.site, nil), from)
		if _, err := r.passkeys.FinalizeLogin(t.Context(), tt.site, knownOnly, browser, answer); !errors.Is(err, tt.want) {
			t.Errorf("login from %s: %v, want %v", tt.name, err, tt.want)
		}
		if _, err := r.tryRegister(t, tt.site, newAuthenticator(), ann, from); !errors.Is(err, tt.want) {
			t.Errorf("registration from %s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// The passkeys of one relying party are nothing to another, even if it learns
// their IDs and has them sign.
func TestPasskeyIsUnknownAtAnotherRelyingParty(t *testing.T) {
	elsewhere := ceremony.Site{
		Origin: "https://app.example.net", Host: "app.example.net", RelyingParty: ceremony.RelyingParty{ID: "example.net", Name: "Net"},
	}
	r := newRig(t, setup{})
	ann := r.user(t, "ann@example.com")
	a := newAuthenticator()
	r.register(t, a, ann)
	challenge := readOptions(t, r.options(t, elsewhere, nil)).Challenge
	answer := get(t, a, r.options(t, site, nil), func(a *authenticator.Answer) {
		a.Challenge, a.Origin, a.RPID = challenge, elsewhere.Origin, "example.net"
	})
	if _, err := r.passkeys.FinalizeLogin(t.Context(), elsewhere, wideOpen, browser, answer); !errors.Is(err, ceremony.ErrUnknownPasskey) {
		t.Errorf("FinalizeLogin = %v, want ErrUnknownPasskey", err)
	}
	if list, err := r.passkeys.List(t.Context(), elsewhere, ann.ID); err != nil || len(list) != 0 {
		t.Errorf("passkeys that work elsewhere: %d, %v; want none", len(list), err)
	}
	options, err := r.passkeys.InitializeRegistration(t.Context(), elsewhere, browser, ann, ceremony.Wishes{})
	if err != nil {
		t.Fatal(err)
	}
	if o := readOptions(t, options); len(o.Exclude) != 0 {
		t.Errorf("excluded elsewhere: %v, want none", o.Exclude)
	}
}

func TestRelyingPartyThatCannotWorkIsRefusedAtOnce(t *testing.T) {
	if err := ceremony.CheckRelyingParty(site); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for name, change := range map[string]func(*ceremony.Site){
		"no ID":               func(s *ceremony.Site) { s.RelyingParty.ID = "" },
		"an ID with a port":   func(s *ceremony.Site) { s.RelyingParty.ID = "example.com:443" },
		"an ID with a path":   func(s *ceremony.Site) { s.RelyingParty.ID = "example.com/" },
		"a URL for an ID":     func(s *ceremony.Site) { s.RelyingParty.ID = "https://example.com" },
		"no name":             func(s *ceremony.Site) { s.RelyingParty.Name = "" },
		"origin that is none": func(s *ceremony.Site) { s.RelyingParty.Origins = []string{"example.de"} },
	} {
		s := site
		change(&s)
		if err := ceremony.CheckRelyingParty(s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
