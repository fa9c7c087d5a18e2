package caddymodule

import (
	"net/http"
	"strings"
	"testing"
)

// siteOf provisions a Caddyfile with one door and returns where it stands.
func siteOf(t *testing.T, caddyfile string) *site {
	t.Helper()
	dataHome(t)
	app := provisionCaddyfile(t, caddyfile)
	if len(app.doors) == 0 {
		t.Fatal("no door was provisioned")
	}
	return app.doors[0].site
}

// The origin is what passkeys and tokens are bound to: it follows the
// configuration, never whatever a client sends for a host.
func TestSiteIsFoundByTheHostsThatAreConfigured(t *testing.T) {
	tests := []struct {
		name, caddyfile string
		want            map[string]string // Host to origin; "" is not found
	}{
		{"https", `https://app.example.com {
	doorward
}`, map[string]string{
			"app.example.com":               "https://app.example.com",
			"APP.Example.Com":               "https://app.example.com",
			"app.example.com:443":           "https://app.example.com",
			"App.example.com:443":           "https://app.example.com",
			"app.example.com:80":            "",
			"app.example.com:8443":          "",
			"app.example.com:":              "",
			"app.example.com.":              "",
			"sub.app.example.com":           "",
			"evilapp.example.com":           "",
			"app.example.com.evil.test":     "",
			"app.example.com@evil.test":     "",
			"app.example.com:443@evil":      "",
			"example.com":                   "",
			"":                              "",
			":443":                          "",
			" app.example.com":              "",
			"app.example.com,evil.test":     "",
			"app.example.com/evil":          "",
			"https://app.example.com":       "",
			"app.example.com\x00":           "",
			"xn--app.example.com":           "",
			strings.Repeat("a", 100) + ".b": "",
		}},
		{"another port", `https://app.example.com:8443 {
	doorward
}`, map[string]string{
			"app.example.com:8443": "https://app.example.com:8443",
			"app.example.com":      "",
			"app.example.com:443":  "",
		}},
		{"plain http on localhost", `http://localhost:8080 {
	doorward
}`, map[string]string{
			"localhost:8080": "http://localhost:8080",
			"LOCALHOST:8080": "http://localhost:8080",
			"localhost":      "",
			"127.0.0.1:8080": "",
			"[::1]:8080":     "",
		}},
		{"plain http on localhost, default port", `http://localhost {
	doorward
}`, map[string]string{
			"localhost":     "http://localhost",
			"localhost:80":  "http://localhost",
			"localhost:443": "",
		}},
		{"a host below localhost", `http://app.localhost:8080 {
	doorward
}`, map[string]string{
			"app.localhost:8080": "http://app.localhost:8080",
			"localhost:8080":     "",
		}},
		{"several hosts", `a.example.com, b.example.com {
	doorward
}`, map[string]string{
			"a.example.com": "https://a.example.com",
			"b.example.com": "https://b.example.com",
			"c.example.com": "",
		}},
		{"wildcard", `{
	doorward {
		relying_party example.com
	}
}
*.example.com {
	doorward
}`, map[string]string{
			"app.example.com":           "https://app.example.com",
			"App.Example.com:443":       "https://app.example.com",
			"xn--bcher-kva.example.com": "https://xn--bcher-kva.example.com",
			"a.b.example.com":           "",
			"example.com":               "",
			".example.com":              "",
			"*.example.com":             "",
			"app.example.com:8443":      "",
			"app.example.com:":          "",
			"app.example.com.":          "",
			"app..example.com":          "",
			"app.example.com.evil.test": "",
			"a_b.example.com":           "",
			"a/b.example.com":           "",
			"a\\b.example.com":          "",
			"a@b.example.com":           "",
			"a b.example.com":           "",
			"a\"b.example.com":          "",
			"ü.example.com":             "",
			"[::1].example.com":         "",
			"evil.test#.example.com":    "",
			"evil.test:443:443":         "",
		}},
		{"wildcard on another port", `{
	doorward {
		relying_party example.com
	}
}
https://*.example.com:8443 {
	doorward
}`, map[string]string{
			"app.example.com:8443": "https://app.example.com:8443",
			"app.example.com":      "",
		}},
		{"wildcard below localhost", `{
	doorward {
		relying_party localhost
	}
}
http://*.localhost:8080 {
	doorward
}`, map[string]string{
			"app.localhost:8080": "http://app.localhost:8080",
			"localhost:8080":     "",
		}},
		{"behind a proxy that has the TLS", `{
	doorward {
		relying_party example.com {
			origins https://app.example.com
		}
	}
}
http://app.example.com:8080 {
	doorward
}`, map[string]string{
			"app.example.com":      "https://app.example.com",
			"app.example.com:8080": "",
		}},
		{"wildcard behind a proxy that has the TLS", `{
	doorward {
		relying_party example.com {
			origins https://a.example.com https://b.example.com:8443
		}
	}
}
http://*.example.com {
	doorward
}`, map[string]string{
			"a.example.com":      "https://a.example.com",
			"b.example.com:8443": "https://b.example.com:8443",
			"b.example.com":      "",
			"c.example.com":      "",
		}},
		{"catch-all with listed origins", `{
	doorward {
		relying_party example.com {
			origins https://app.example.com android:apk-key-hash:HXrWFRzCfbUEOFSoakWKUHd4qYjgnYtJQZzFBHmWIXo
		}
	}
}
http:// {
	doorward
}`, map[string]string{
			"app.example.com": "https://app.example.com",
			"evil.test":       "",
			"":                "",
		}},
		{"a unix socket behind a proxy that has the TLS", `{
	doorward {
		relying_party example.com {
			origins https://app.example.com
		}
	}
}
http://app.example.com {
	bind unix//run/doorward.sock
	doorward
}`, map[string]string{
			"app.example.com":    "https://app.example.com",
			"app.example.com:0":  "",
			"app.example.com:80": "",
		}},
		{"ports that somebody forwards", `{
	http_port 8080
	https_port 8443
}
app.example.com {
	doorward
}`, map[string]string{
			"app.example.com":      "https://app.example.com",
			"app.example.com:443":  "https://app.example.com",
			"app.example.com:8443": "https://app.example.com:8443",
			"app.example.com:8080": "",
			"app.example.com:80":   "",
		}},
		{"an HTTP port that somebody forwards", `{
	http_port 8080
}
http://localhost {
	doorward
}`, map[string]string{
			"localhost":      "http://localhost",
			"localhost:8080": "http://localhost:8080",
		}},
		{"a host in upper case", `App.Example.com {
	doorward
}`, map[string]string{"app.example.com": "https://app.example.com"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := siteOf(t, tt.caddyfile)
			for host, want := range tt.want {
				found, ok := s.find(&http.Request{Host: host})
				if found.Origin != want || ok != (want != "") {
					t.Errorf("find(%q) = %q, %v, want %q", host, found.Origin, ok, want)
				}
				if !ok {
					continue
				}
				if want := found.Origin + "/doorward/account"; found.AccountURL != want {
					t.Errorf("find(%q): account at %q, want %q", host, found.AccountURL, want)
				}
			}
		})
	}
}

func TestSitesShareTheRelyingPartyThatTheyAreUnder(t *testing.T) {
	s := siteOf(t, `{
	doorward {
		relying_party example.com
		relying_party shop.example.com {
			name Shop
		}
	}
}
example.com, app.example.com, shop.example.com, a.shop.example.com, example.org, notexample.com {
	doorward
}`)
	for host, want := range map[string]string{
		"example.com": "example.com", "app.example.com": "example.com", "shop.example.com": "shop.example.com",
		"a.shop.example.com": "shop.example.com", "example.org": "example.org", "notexample.com": "notexample.com",
	} {
		found, ok := s.find(&http.Request{Host: host})
		if got := found.RelyingParty.ID; !ok || got != want {
			t.Errorf("relying party of %s = %q, want %q", host, got, want)
		}
		if found.Host != host {
			t.Errorf("letters would name the host %q, want %q", found.Host, host)
		}
	}
	found, _ := s.find(&http.Request{Host: "a.shop.example.com"})
	if got, want := found.RelyingParty.Name, "Shop"; got != want {
		t.Errorf("the relying party is called %q, want %q", got, want)
	}
}

// Browsers keep no __Host- cookie of a page that came without TLS, and send no
// other to one that came with it.
func TestCookieIsSecureWhereBrowsersSeeTLS(t *testing.T) {
	for _, tt := range []struct {
		caddyfile, want string
	}{
		{"https://app.example.com {\n\tdoorward\n}", "__Host-doorward"},
		{"http://localhost:8080 {\n\tdoorward\n}", "doorward"},
		{"{\n\tdoorward {\n\t\trelying_party localhost\n\t}\n}\nhttp://*.localhost:8080 {\n\tdoorward\n}", "doorward"},
		{"{\n\tdoorward {\n\t\trelying_party example.com {\n\t\t\torigins https://app.example.com\n\t\t}\n\t}\n}\nhttp://app.example.com {\n\tdoorward\n}", "__Host-doorward"},
		{"{\n\tdoorward {\n\t\trelying_party example.com\n\t}\n}\nhttps://*.example.com {\n\tdoorward\n}", "__Host-doorward"},
	} {
		cookie := func() string {
			dataHome(t)
			door := provisionCaddyfile(t, tt.caddyfile).doors[0]
			if door.cookie.Secure != strings.HasPrefix(tt.want, "__Host-") {
				t.Errorf("%s: Secure = %v", tt.caddyfile, door.cookie.Secure)
			}
			return door.cookie.Name
		}()
		if cookie != tt.want {
			t.Errorf("%s: the cookie is called %q, want %q", tt.caddyfile, cookie, tt.want)
		}
	}
}
