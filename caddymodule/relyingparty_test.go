package caddymodule

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What belongs to a relying party may use its passkeys without being listed twice,
// and what does not may not.
func TestPasskeysMayBeUsedByTheClientsThatAreConfigured(t *testing.T) {
	const android = "android:apk-key-hash:ZwXB4ah9hsAD8D3JNH-AaiCT1c7sIgLnkKjWowIF84U"
	tests := []struct {
		name, global, site string
		host               string
		want               []string
	}{
		{"nothing", ``, "app.example.com", "app.example.com", nil},
		{"a web client of the domain", `relying_party example.com
			api {
				cors https://shop.example.com https://example.com:8443
			}`, "app.example.com", "app.example.com", []string{"https://shop.example.com", "https://example.com:8443"}},
		{"web clients of other domains", `relying_party example.com
			api {
				cors https://shop.example.org https://notexample.com https://example.com.evil.test
			}`, "app.example.com", "app.example.com", nil},
		{"a web client beside a site that is a relying party by itself", `api {
				cors https://shop.example.com https://a.app.example.com
			}`, "app.example.com", "app.example.com", []string{"https://a.app.example.com"}},
		{"one that is listed, too", `relying_party example.com {
				origins https://shop.example.com
			}
			api {
				cors https://shop.example.com
			}`, "app.example.com", "app.example.com", []string{"https://shop.example.com"}},
		{"an app of Android", `apps {
				android com.example.app ` + knownFingerprint + `
			}`, "app.example.com", "app.example.com", []string{android}},
		{"an app of Android that is listed, too, with two spellings of one fingerprint", `relying_party example.com {
				origins ` + android + `
			}
			apps {
				android com.example.app ` + knownFingerprint + ` ` + strings.ToLower(strings.ReplaceAll(knownFingerprint, ":", "")) + `
			}`, "app.example.com", "app.example.com", []string{android}},
		{"an app of Apple's systems", `relying_party example.com
			apps {
				ios A1B2C3D4E5.com.example.app
			}`, "app.example.com", "app.example.com", []string{"https://example.com"}},
		{"all of it on a wildcard", `relying_party example.com {
				origins https://www.example.org
			}
			api {
				cors https://shop.example.com
			}
			apps {
				android com.example.app ` + knownFingerprint + `
				ios A1B2C3D4E5.com.example.app
			}`, "*.example.com", "app.example.com", []string{"https://www.example.org", "https://shop.example.com", android, "https://example.com"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := siteOf(t, "{\n\tdoorward {\n"+tt.global+"\n\t}\n}\n"+tt.site+" {\n\tdoorward\n}\n")
			found, ok := s.find(&http.Request{Host: tt.host})
			if got := found.RelyingParty.Origins; !ok || !slices.Equal(got, tt.want) {
				t.Errorf("passkeys of %s may be used from %q, want %q", found.RelyingParty.ID, got, tt.want)
			}
		})
	}
}

// A host that a script may come from is not thereby one that we answer for.
func TestWebClientsAreNoSites(t *testing.T) {
	s := siteOf(t, `{
	doorward {
		relying_party example.com {
			origins https://app.example.com
		}
		api {
			cors https://shop.example.com
			sites https://wiki.example.com
		}
		apps {
			ios A1B2C3D4E5.com.example.app
		}
	}
}
:443 {
	doorward
}
`)
	for host, want := range map[string]bool{"app.example.com": true, "shop.example.com": false, "wiki.example.com": false, "example.com": false} {
		if _, ok := s.find(&http.Request{Host: host}); ok != want {
			t.Errorf("%s is a host of the site: %v, want %v", host, ok, want)
		}
	}
}
