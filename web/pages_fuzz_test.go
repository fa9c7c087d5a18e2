package web

import (
	"maps"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// parsed returns the elements of a page as it is rendered.
func parsed(t *testing.T, p *Pages, language string, page Page) []*html.Node {
	t.Helper()
	w := httptest.NewRecorder()
	if err := p.Render(w, language, 200, page); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			found = append(found, n)
		}
	}
	return found
}

// Whatever stands in a value of a page, it is a value there: the page has the
// elements and attributes of its template, nothing inline and no link that leads
// away from the site.
func FuzzPagesHoldValuesAsValues(f *testing.F) {
	for _, s := range []string{hostile, "ann@example.com", "/wiki?a=1", "//evil.test", `/\evil.test`, "javascript:alert(1)", "https://evil.test", "\x00", "\xff", "</", "<!--", "]]>", "{name}", "\u2028", "&lt;", " ", "passkey_added"} {
		for i := range 4 {
			f.Add(uint8(i*5), s, "de")
		}
	}
	p, err := New(Options{Name: "Example"})
	if err != nil {
		f.Fatal(err)
	}
	pages := samples()
	names := slices.Sorted(maps.Keys(pages))
	f.Fuzz(func(t *testing.T, which uint8, s, language string) {
		page := pages[names[int(which)%len(names)]]
		// A value that is empty, or is a link of the site, has elements of its own:
		// those are the template's as well.
		allowed := make(map[string]bool)
		for _, like := range []Page{page, fill(page, "x"), fill(page, ""), fill(page, "/x")} {
			for line := range strings.Lines(outline(parsed(t, p, language, like))) {
				allowed[line] = true
			}
		}
		filled := parsed(t, p, language, fill(page, s))
		for line := range strings.Lines(outline(filled)) {
			if !allowed[line] {
				t.Errorf("%q makes an element of the page: %s", s, line)
			}
		}
		for _, n := range filled {
			for _, name := range []string{"href", "src", "action", "formaction", "data-ceremony", "data-prove"} {
				link := attr(n, name)
				if u, err := url.Parse(link); link != "" && (err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(link, "/") || strings.HasPrefix(link, `/\`)) {
					t.Errorf("%q makes %s=%q of <%s>", s, name, link, n.Data)
				}
			}
		}
	})
}

// A target that a page links to is on the site, or at an origin that is listed, for
// a browser too.
func FuzzTargetIsOfTheSiteOrListed(f *testing.F) {
	for _, s := range []string{
		"/", "/wiki?x=//evil.test", "//evil.test", `/\evil.test`, "/\t/evil.test", "https://shop.example.com/x", "HTTPS://SHOP.EXAMPLE.COM", "https://shop.example.com.evil.test",
		"https://shop.example.com@evil.test", `https://shop.example.com\@evil.test`, "https:shop.example.com", "javascript:alert(1)", " /x", "/%5cevil.test", "?x", "#x", "", "https:///shop.example.com", "/..//evil.test",
	} {
		f.Add(s)
	}
	p, err := New(Options{ReturnOrigins: []string{"https://shop.example.com"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := p.target(s)
		if got == "" {
			return
		}
		if got != s {
			t.Fatalf("target(%q) = %q, another one", s, got)
		}
		// As a browser reads it (WHATWG URL, section 4.4): no tabs and line breaks,
		// no space around it, and a backslash for a slash.
		read := strings.NewReplacer("\t", "", "\r", "", "\n", "", `\`, "/").Replace(strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }))
		lower := strings.ToLower(read)
		switch {
		case strings.HasPrefix(read, "/") && !strings.HasPrefix(read, "//"):
		case lower == "https://shop.example.com", strings.HasPrefix(lower, "https://shop.example.com/"),
			strings.HasPrefix(lower, "https://shop.example.com?"), strings.HasPrefix(lower, "https://shop.example.com#"):
		default:
			t.Errorf("target(%q) is kept, and a browser reads %q", s, read)
		}
	})
}

// The operator's options cannot change what the policy of the pages forbids: it has
// its eight directives and no source but ours, the logo's and the return origins'.
func FuzzPolicyHoldsWhateverTheOptions(f *testing.F) {
	for _, s := range []string{"", "https://cdn.example.com/logo.svg", "/logo.svg", "https://a.b; script-src *", "https://[::1]:8443/x", "data:image/svg+xml,x", "//evil.test/x", "https://a b", "https://a'b"} {
		f.Add(s, "https://shop.example.com", "#2458c5", "/doorward")
		f.Add("", s, "", "/a")
		f.Add("", "https://x.yz", s, s)
	}
	f.Fuzz(func(t *testing.T, logo, origin, accent, path string) {
		p, err := New(Options{Logo: logo, ReturnOrigins: []string{origin}, Accent: accent, Path: path})
		if err != nil {
			return
		}
		directives := strings.Split(p.CSP(), "; ")
		if len(directives) != 8 {
			t.Fatalf("the policy is %q, want 8 directives", p.CSP())
		}
		for _, d := range directives {
			fields := strings.Split(d, " ")
			more := len(fields) - 2
			if more > 0 && fields[0] != "img-src" && fields[0] != "form-action" || more > 1 || strings.ContainsAny(d, ",\"<>\r\n") {
				t.Errorf("the policy has %q", d)
			}
			if more == 1 && !strings.HasPrefix(fields[2], "https://") && !strings.HasPrefix(fields[2], "http://") {
				t.Errorf("the policy has the source %q", fields[2])
			}
		}
	})
}

// Whatever languages a browser asks for, it gets one that there is, all of it; and
// English where it likes none.
func FuzzLanguageIsOneThatThereIs(f *testing.F) {
	for _, s := range []string{"", "de-CH, fr;q=0.8", "en-u-ca-buddhist", "x-", "*;q=0", "de;q=0", "und", "\x00", "i-klingon", strings.Repeat("de,", 200)} {
		f.Add(s)
	}
	l, err := loadLanguages()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		c := l.match(accept)
		if c == nil || len(c.texts) != len(l.catalogues[0].texts) {
			t.Fatalf("Accept-Language %q has no language", accept)
		}
		if len(accept) > 500 && c != l.catalogues[0] {
			t.Errorf("Accept-Language of %d bytes is read", len(accept))
		}
	})
}
