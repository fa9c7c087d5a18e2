package handlers

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// A return target that is taken is taken again, and goes through the URL of the
// sign-in page as it is: what was checked is what the visitor is sent to.
func FuzzReturnTargetComesThroughItsJourney(f *testing.F) {
	for _, target := range hostileTargets() {
		f.Add(target)
	}
	for _, target := range []string{"/wiki?a=1&b=2;c#d", "/a%20b", "/%E2%82%AC?x=%2F%2Fevil", "/a+b", "/doorward/account", "/doorward/login?return=/x", "/?return=/x&fresh=1"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got := home.returnTarget(target)
		if again := home.returnTarget(got); again != got {
			t.Errorf("returnTarget(%q) = %q, and of that %q", target, got, again)
		}
		login, err := url.Parse(home.loginURL(got))
		if err != nil {
			t.Fatalf("the sign-in page for %q: %v", got, err)
		}
		if login.Path != "/doorward/login" || login.Host != "" || login.Scheme != "" {
			t.Errorf("the sign-in page for %q is at %s", got, login)
		}
		if back := login.Query().Get("return"); back != got && (back != "" || got != "/") {
			t.Errorf("the sign-in page for %q leads back to %q", got, back)
		}
		if strings.Contains(home.passcodeURL(got, "sent"), "#") {
			t.Errorf("the page for the passcode hides a part of %q", got)
		}
	})
}

// Two clients share a budget if and only if they are at one address, or in one /64
// of IPv6. What is no address shares one with all that are none.
func FuzzNetworkIsOfOneClient(f *testing.F) {
	for _, s := range []string{"192.0.2.7", "::ffff:192.0.2.7", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "fe80::1%eth0", "", "@", "192.0.2.7:443", "[::1]", "0300.0.2.7", "64:ff9b::192.0.2.7"} {
		f.Add(s, "192.0.2.7")
		f.Add("2001:db8:1:2::9", s)
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		a, aErr := netip.ParseAddr(one)
		b, bErr := netip.ParseAddr(other)
		same := aErr != nil && bErr != nil
		if aErr == nil && bErr == nil {
			a, b = a.Unmap(), b.Unmap()
			same = a.Is4() == b.Is4() && (a.Is4() && a == b || a.Is6() && [8]byte(a.AsSlice()[:8]) == [8]byte(b.AsSlice()[:8]))
		}
		if got := network(one) == network(other); got != same {
			t.Errorf("%q is in %q and %q in %q, want one network: %v", one, network(one), other, network(other), same)
		}
		if got := network(one); len(got) > 64 || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Errorf("the network of %q is %q", one, got)
		}
	})
}

// An ID that a client names is taken in one spelling, that of a random UUID in lower
// case, and that spelling names the same.
func FuzzIDsHaveOneSpelling(f *testing.F) {
	for _, s := range []string{
		"0b8f8e2e-6f0c-4a43-9e0f-0d3c9a1f7c55", "0B8F8E2E-6F0C-4A43-9E0F-0D3C9A1F7C55", "urn:uuid:0b8f8e2e-6f0c-4a43-9e0f-0d3c9a1f7c55", "{0b8f8e2e-6f0c-4a43-9e0f-0d3c9a1f7c55}",
		"0b8f8e2e6f0c4a439e0f0d3c9a1f7c55", "0b8f8e2e-6f0c-1a43-9e0f-0d3c9a1f7c55", "C4-OLm8MSkOeDw08mh98VQ", "C4-OLm8MSkOeDw08mh98VQ==", "", "=", "AAAA",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := parseUUID(s); ok {
			if again, ok := parseUUID(id); !ok || again != id || !strings.EqualFold(id, s) || strings.ToLower(id) != id {
				t.Errorf("parseUUID(%q) = %q, and of that %q, %v", s, id, again, ok)
			}
		}
		if id, ok := userIDOf(s); ok {
			if again, ok := userIDOf(id); !ok || again != id {
				t.Errorf("userIDOf(%q) = %q, and of that %q, %v", s, id, again, ok)
			}
		}
	})
}
