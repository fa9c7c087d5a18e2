package handlers

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var home = &Handlers{o: Options{Path: "/doorward"}}

// land returns the origin at which a browser that is at https://app.example.com
// lands when it is told to go to target. It follows the URL standard where that
// differs from RFC 3986: surrounding space is dropped, tabs and line breaks are
// dropped anywhere, a backslash is a slash, and of the slashes before a host one
// or many will do.
func land(target string) string {
	const here = "https://app.example.com"
	target = strings.Trim(target, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f ")
	target = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(target)
	if end := strings.IndexAny(target, "?#"); end >= 0 {
		target = target[:end]
	}
	target = strings.ReplaceAll(target, `\`, "/")
	scheme := "https"
	if m := schemePattern.FindString(target); m != "" {
		scheme = strings.ToLower(strings.TrimSuffix(m, ":"))
		target = target[len(m):]
		switch {
		case scheme != "https" && scheme != "http":
			return scheme + ":"
		case scheme == "https" && !strings.HasPrefix(target, "//"):
			return here // "https:x" is relative where the page is https
		}
		target = "//" + strings.TrimLeft(target, "/")
	}
	if !strings.HasPrefix(target, "//") {
		return here
	}
	authority, _, _ := strings.Cut(strings.TrimLeft(target, "/"), "/")
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		authority = authority[at+1:]
	}
	return scheme + "://" + strings.ToLower(authority)
}

var schemePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// The reader must see through the tricks itself, or the tests below prove
// nothing.
func TestTheBrowserOfTheseTestsIsFooledAsBrowsersAre(t *testing.T) {
	for target, want := range map[string]string{
		"/a": "https://app.example.com", "//evil.test/a": "https://evil.test", `/\evil.test`: "https://evil.test",
		`\\evil.test`: "https://evil.test", "/\t/evil.test": "https://evil.test", "  //evil.test": "https://evil.test",
		"///evil.test": "https://evil.test", "https:evil.test": "https://app.example.com", "http:evil.test": "http://evil.test",
		"HTTPS://a@evil.test": "https://evil.test", "javascript:alert(1)": "javascript:", "?//evil.test": "https://app.example.com",
	} {
		if got := land(target); got != want {
			t.Errorf("land(%q) = %q, want %q", target, got, want)
		}
	}
}

// hostileTargets are ways to write "somewhere else" so that a check and a
// browser read it differently.
func hostileTargets() []string {
	ways := []string{
		"//", "///", "////", `/\`, `\/`, `\\`, `/\/`, `//\`, `\\/`, "/\t/", "/\n/", "/\r\n/", "\t//", "\n//", " //", "/ /", "\x00//", "/\x00/",
		"\u00a0//", "\u2028//", "\u3000//", "\ufeff//", "/\u200b/", "／／", "/／", "/./", "/.//", "/..//", "/../", "/%2e//", "/%2E%2e//", "/.%2e//",
		"/a/..//", `/a/..\\`, "/%09/", "/%0a/", "/%0d%0a/", "/%5c", "/%5C%5C", "/%2f", "/%2f%2f", "/%252f", "/;//", "/;@", "/:@", "/@", "//@", "/:",
		"https://", "https:/", "https:", "HTTPS://", "hTtPs:", `https:\\`, `https:/\`, "http://", "http:", "ftp://", "file:///", "javascript://",
		"javascript:alert(1)//", "JaVaScRiPt:", "java\tscript:", " javascript:", "data:text/html,", "vbscript:", "blob:", "about:blank#",
		"//app.example.com@", "https://app.example.com@", "https://app.example.com:x@", "https://app.example.com%40", `https://app.example.com\@`,
		"/doorward/login?return=//", "?return=//", "#//", "./", "../", ".", "", "%2f%2f", "&//", "=//", "*//", "/%E5%98%8A%E5%98%8Dhttps://",
		"/\r\nLocation: https://", "/%0d%0aSet-Cookie:x=", `/"><svg onload=1>//`, "/<//", "/^//", "/`//", "/{//", "/|//", "/a\u0000//",
	}
	places := []string{"evil.test", "evil.test/path", "evil.test?x", "evil.test#x", "[::1]", "0x7f.1", "app.example.com.evil.test", "app.example.com:8443", ""}
	var targets []string
	for _, way := range ways {
		for _, place := range places {
			targets = append(targets, way+place)
		}
	}
	return targets
}

// checkTarget checks what holds for every return target.
func checkTarget(t *testing.T, target string) {
	t.Helper()
	got := home.returnTarget(target)
	if got != "/" && got != target {
		t.Errorf("returnTarget(%q) = %q: another one than was asked for", target, got)
	}
	if at := land(got); at != "https://app.example.com" {
		t.Errorf("returnTarget(%q) = %q, where a browser lands at %s", target, got, at)
	}
	base, err := url.Parse("https://app.example.com/doorward/login")
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(got)
	if err != nil {
		t.Errorf("returnTarget(%q) = %q, which does not parse: %v", target, got, err)
	} else if u.Scheme != "https" || u.Host != "app.example.com" || u.User != nil {
		t.Errorf("returnTarget(%q) = %q, which is %s", target, got, u)
	} else if strings.HasPrefix(u.Path, "//") || strings.Contains(u.Path, `\`) {
		t.Errorf("returnTarget(%q) = %q, whose path is %s: the next redirect may leave the site", target, got, u.Path)
	}
	for _, c := range []byte(got) {
		if c <= ' ' || c >= 0x7f {
			t.Errorf("returnTarget(%q) = %q, which has the byte %#x", target, got, c)
		}
	}
}

func TestReturnTargetNeverLeavesTheSite(t *testing.T) {
	targets := hostileTargets()
	if len(targets) < 200 {
		t.Fatalf("only %d spellings", len(targets))
	}
	for _, target := range targets {
		checkTarget(t, target)
	}
	for _, target := range []string{
		"//evil.test", `/\evil.test`, "/\t/evil.test", "https://evil.test", "https://app.example.com/x", "evil.test", "/.//evil.test",
		"/a/../b", "/a/%2e%2e/b", "/ü", "/a b", "/a\x7f", "/" + strings.Repeat("a", 2048),
		"/doorward", "/doorward/login", "/doorward/login?return=/", "/doorward/logout", "/doorward/account/sessions/end",
		"/%64oorward/login?return=/", "/doorward%2flogin", "/doorward%2Faccount", "/doorward/%61ccount", "/doorward?", "/doorward#x",
		"/%2fevil.test", "/%2F/evil.test", "/%5cevil.test", "/a%5cb", "/a/..%2f..%2fb", "/%2e%2e%2f/evil.test", "/%09/evil.test",
		"/%0d%0aSet-Cookie:x=1", "/%00", "/%7f", "/%", "/a%zz", "/100%", "/a#100%", "//", "///", "//@", "//[",
	} {
		if got := home.returnTarget(target); got != "/" {
			t.Errorf("returnTarget(%q) = %q, want /", target, got)
		}
	}
}

func TestReturnTargetKeepsPlacesOnThisSite(t *testing.T) {
	for _, target := range []string{
		"/", "/wiki", "/wiki/", "/wiki?page=1&x=https://evil.test//", "/wiki#part-2", "/a//b", "/a/.hidden", "/a/...", "/%E2%82%AC", "/a%20b",
		"/doorwardx", "/x/doorward/login", "/doorward/account", "/@ann", "/a:b", "/?return=//evil.test", "/a;b=c", "/" + strings.Repeat("a", 2047),
		"/index.php?q=..%2f..", "/a?b=../c", "/a?b=100%", "/projects/group%2Fname", "/a%20b%25c", "/%61", "/a?b=%0d%0a", "/DOORWARD/login",
	} {
		if got := home.returnTarget(target); got != target {
			t.Errorf("returnTarget(%q) = %q, want it as it is", target, got)
		}
	}
}

func FuzzReturnTarget(f *testing.F) {
	for _, target := range hostileTargets() {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) { checkTarget(t, target) })
}

func TestNetworkIsWhatOneClientHasToItself(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":                   "192.0.2.7",
		"::ffff:192.0.2.7":            "192.0.2.7",
		"::ffff:192.0.2.7%eth0":       "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":        "2001:db8:1:2::/64",
		"2001:db8:1:2::":              "2001:db8:1:2::/64",
		"2001:DB8:1:2:FFFF::1":        "2001:db8:1:2::/64",
		"2001:db8:1:3::1":             "2001:db8:1:3::/64",
		"fe80::1%eth0":                "fe80::/64",
		"fe80::2%eth1":                "fe80::/64",
		"::1":                         "::/64",
		"":                            "unknown",
		"192.0.2.7:443":               "unknown",
		"[2001:db8::1]":               "unknown",
		"192.0.2.007":                 "unknown",
		"192.0.2.7, 198.51.100.1":     "unknown",
		"app.example.com":             "unknown",
		"@":                           "unknown", // a unix socket
		strings.Repeat("2001:", 1000): "unknown",
	} {
		if got := network(address); got != want {
			t.Errorf("network(%q) = %q, want %q", address, got, want)
		}
	}
}
