package web

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestPagesLinkOnlyWhereTheyMay(t *testing.T) {
	p := newPages(t, Options{ReturnOrigins: []string{"https://Shop.example.com", "http://localhost:8080"}})
	for s, want := range map[string]bool{
		"/":                                           true,
		"/reports?month=3&q=a%2Fb#top":                true,
		"/search?q=a\\b":                              true,
		"/r%C3%A9sum%C3%A9":                           true,
		"/a//b":                                       true,
		"/redirect?to=https://evil.example":           true,
		"https://shop.example.com":                    true,
		"https://SHOP.example.com/cart?x=1":           true,
		"http://localhost:8080/":                      true,
		"":                                            false,
		"reports":                                     false,
		"?a=b":                                        false,
		"//evil.example":                              false,
		"///evil.example":                             false,
		`/\evil.example`:                              false,
		`/a\b`:                                        false,
		`\/evil.example`:                              false,
		"/\t/evil.example":                            false,
		"/\n/evil.example":                            false,
		"\x01//evil.example":                          false,
		"https://evil.example":                        false,
		"http://shop.example.com":                     false,
		"https://shop.example.com:8443":               false,
		"https://shop.example.com.evil.test":          false,
		"https://shop.example.com@evil.test":          false,
		"https://evil.test@shop.example.com":          false,
		`https://shop.example.com\@evil.test/`:        false,
		"https:shop.example.com":                      false,
		"https:///shop.example.com":                   false,
		"javascript:alert(1)":                         false,
		"JaVaScRiPt:alert(1)":                         false,
		"javascript://shop.example.com/%0aalert(1)":   false,
		" javascript:alert(1)":                        false,
		"data:text/html,<script>alert(1)</script>":    false,
		"blob:https://shop.example.com/x":             false,
		"%":                                           false,
		"/" + strings.Repeat("a", 10_000):             true,
		"https://shop.example.com%2eevil.example/":    false,
		"https://shop.example.com%00.evil.example/":   false,
		"https://shop.example.com\u3002evil.example/": false,
	} {
		if got := p.target(s) == s && s != ""; got != want {
			t.Errorf("%.60q: got link %t, want %t", s, got, want)
		}
	}
}

func TestNoPageGivesAHostileLink(t *testing.T) {
	p := newPages(t, Options{Name: "Example"})
	for _, evil := range []string{"//evil.example/", "https://evil.example/", "javascript:evil()", `/\evil.example`} {
		for name, page := range samples() {
			for _, n := range elements(t, p, "en", fill(page, evil)) {
				for _, a := range n.Attr {
					link := a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "data-done" ||
						a.Key == "data-prove" || a.Key == "value" && attr(n, "name") == "return"
					if link && strings.Contains(a.Val, "evil") {
						t.Errorf("%s: got %s=%q on <%s>", name, a.Key, a.Val, n.Data)
					}
				}
			}
		}
	}
}

func TestTheReturnTargetIsCarriedThroughEveryForm(t *testing.T) {
	const want = "/reports?a=1&b=2#c"
	p := newPages(t, Options{})
	for _, page := range []Page{LoginPage{Return: want}, PasscodePage{Return: want}, OfferPage{Return: want}} {
		all := elements(t, p, "en", page)
		var forms, fields int
		for _, n := range all {
			if n.Data == "form" {
				forms++
			}
			if n.Data == "input" && attr(n, "name") == "return" {
				fields++
				if got := attr(n, "value"); got != want {
					t.Errorf("%T: got return %q, want %q", page, got, want)
				}
			}
		}
		if fields == 0 || fields != forms {
			t.Errorf("%T: got %d return fields in %d forms, want one in each", page, fields, forms)
		}
	}
	// In the query of a link it is one value.
	for _, n := range elements(t, p, "en", PasscodePage{Return: want}) {
		if n.Data == "a" && n.Type == html.ElementNode {
			if got, want := attr(n, "href"), "/doorward/login?return=%2freports%3fa%3d1%26b%3d2%23c"; got != want {
				t.Errorf("got link %q, want %q", got, want)
			}
		}
	}
}

func TestPasskeyManagersAreToldOnlyWhatIsConsistent(t *testing.T) {
	p := newPages(t, Options{})
	one := []Passkey{{ID: "YQ"}}
	for name, c := range map[string]struct {
		page AccountPage
		want bool
	}{
		"one of one":       {AccountPage{RPID: "example.com", UserHandle: "dQ", Passkeys: one, AcceptedCredentialIDs: []string{"YQ"}}, true},
		"none of none":     {AccountPage{RPID: "example.com", UserHandle: "dQ"}, true},
		"IDs forgotten":    {AccountPage{RPID: "example.com", UserHandle: "dQ", Passkeys: one}, false},
		"handle forgotten": {AccountPage{RPID: "example.com", Passkeys: one, AcceptedCredentialIDs: []string{"YQ"}}, false},
		"nothing said":     {AccountPage{}, false},
	} {
		if got := strings.Contains(render(t, p, "en", c.page).Body.String(), `id="passkey-signals"`); got != c.want {
			t.Errorf("%s: got %t, want %t", name, got, c.want)
		}
	}
}
