package attacks

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// elsewhere are hosts that an attacker has, written plainly and otherwise.
var elsewhere = []string{
	"evil.test", "evil.test:443", "EVIL.test", "evil.test.", "evil%2etest", "evil。test", "0x7f000001", "2130706433", "127.1",
	"[::ffff:127.0.0.1]",
}

// returnTargets are ways to write "somewhere else" where a path of the site is
// wanted: each is one that some check has let through and some browser has
// followed, or a step aside of one. host is the site's own, with its port.
func returnTargets(host string) []string {
	var all []string
	add := func(format string, hosts ...string) {
		for _, h := range hosts {
			all = append(all, strings.ReplaceAll(strings.ReplaceAll(format, "$HOST", h), "$OWN", host))
		}
	}

	// A network path: two slashes, or what browsers take for two slashes.
	for _, slashes := range []string{"//", "///", "/////", `/\`, `\/`, `\\`, `\\\`, `/\/`, `//\`, `/\\`, `\//`} {
		add(slashes+"$HOST/", elsewhere...)
		for _, between := range []string{"\t", "\n", "\r", "\r\n", "\t\n\t"} { // dropped by browsers wherever they stand
			add(slashes[:1]+between+slashes[1:]+"$HOST/", "evil.test")
		}
		for _, before := range []string{" ", "\t", "\n", "\x00", "\x01", "\x1f", "\u00a0", "\u2028", "\ufeff", "\u3000"} {
			add(before+slashes+"$HOST/", "evil.test")
		}
	}
	// A scheme, in letters of every case, with too few or too many slashes.
	for _, scheme := range []string{"http", "https", "HTTPS", "hTTp", "ht\ttps", "ftp", "ws", "file", "blob:https", "view-source:https", "x"} {
		for _, slashes := range []string{"", "/", "//", "///", `\`, `\\`, `/\`, `\/`, "\t//", "/\t/"} {
			add(scheme+":"+slashes+"$HOST/", "evil.test")
		}
	}
	add("$HOST:alert(1)//", "javascript", "JaVaScRiPt", "java\tscript", "java\nscript", " javascript", "\x01javascript", "vbscript", "livescript")
	all = append(all, "data:text/html,<script>alert(1)</script>", "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
		"javascript://"+host+"/%0aalert(1)", "about:blank", "mailto:a@evil.test")
	// The site's own name, beside somebody else's.
	for _, looks := range []string{
		"//$OWN@evil.test/", "https://$OWN@evil.test/", "https://$OWN:x@evil.test/", "https://evil.test/$OWN", "https://evil.test#$OWN",
		"https://evil.test?$OWN", `https://evil.test\@$OWN/`, `https://$OWN\@evil.test/`, "https://$OWN.evil.test/", "//$OWN.evil.test",
		"https://evil.test:$OWN", "https://$OWN%2eevil.test/", "https://$OWN%00.evil.test/", "https://$OWN;evil.test/", "https://x$OWN/",
		"https://$OWN/", "http://$OWN/", "//$OWN/", "https://$OWN@", "https:$OWN", "//[::1]@$OWN/", "/@evil.test", "@evil.test", "evil.test", "$OWN",
	} {
		add(looks, "")
	}
	// Escapes, for what decodes once too often, and other signs for the same.
	for _, slash := range []string{"%2f", "%2F", "%5c", "%5C", "%252f", "%25%32%66", "%c0%af", "%e0%80%af", "%u002f", "&#47;", "／", "⁄", "∕", "＼", "%ef%bc%8f"} {
		add("/"+slash+"$HOST/", "evil.test")
		add(slash+slash+"$HOST/", "evil.test")
		add(slash+"/$HOST/", "evil.test")
	}
	for _, junk := range []string{"%09", "%0a", "%0d", "%0d%0a", "%00", "%20", "%7f", "%e2%80%8b", "%", "%zz", "%2"} {
		add("/"+junk+"/$HOST/", "evil.test")
		add(junk+"//$HOST/", "evil.test")
	}
	// Dots, that one reader takes away and another does not.
	for _, dots := range []string{
		"/./", "/.", "/..", "/../", "/.../", "/%2e/", "/%2e%2e/", "/%2E%2e/", "/.%2e/", "/a/../", "/a/..%2f", "/a/%2e%2e%2f", "/..;/", "/.;/", "/a/..\\", "./", "../",
	} {
		add(dots+"/$HOST/", "evil.test")
		add(dots+"\\$HOST/", "evil.test")
	}
	// Fields of the answer, and a second one.
	for _, split := range []string{"\r\n", "\n", "\r", "%0d%0a", "%0a", "%E5%98%8A%E5%98%8D", "嘊嘍", "\u0085", "\v", "\f", "%u000d%u000a"} {
		add("/"+split+"Set-Cookie: pwned=1", "")
		add("/a?b="+split+"Location: //evil.test/"+split+split+"<script>alert(1)</script>", "")
	}
	// What the page would make of it.
	for _, markup := range []string{`"><svg/onload=alert(1)>`, `'><script>alert(1)</script>`, `" autofocus onfocus=alert(1) x="`, "`-alert(1)-`", `{{1}}`, `</title><script>alert(1)</script>`} {
		add("/"+markup, "")
		add("//evil.test/"+markup, "")
	}
	// The sign-in pages themselves, which would lead round in circles, or on.
	for _, own := range []string{
		"/doorward/login", "/doorward/login?return=//evil.test", "/doorward/login?fresh=1&return=/doorward/login", "/doorward/logout", "/doorward",
		"/%64oorward/login?return=/", "/doorward%2flogin", "/doorward/login/offer?return=//evil.test", "/doorward/%61ccount", "/x/../doorward/login", "/doorward/./login",
	} {
		add(own, "")
	}
	all = append(all, "", "?", "#", "?return=//evil.test", "#//evil.test", ";//evil.test", "/"+strings.Repeat("a", 3000), "/"+strings.Repeat("/", 3000)+"evil.test")
	slices.Sort(all)
	return slices.Compact(all)
}

// ownPlaces are targets that have to be kept as they are.
var ownPlaces = []string{
	"/", "/wiki", "/wiki/?page=1&next=https://evil.test//", "/wiki#part-2", "/a//b", "/a/.hidden", "/%E2%82%AC", "/a%20b", "/@alice", "/a:b;c=d",
	"/projects/group%2Fname", "/doorward/account", "/doorwardx", "/index.php?q=..%2f..%2f&x=%0d%0a",
}

// landing is where a URL leads from a page of the site, as Go reads it; browsers
// are asked in a test of their own.
func landing(origin, target string) (string, error) {
	base, err := url.Parse(origin + "/doorward/login")
	if err != nil {
		return "", err
	}
	u, err := base.Parse(target)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s://%s", u.Scheme, u.Host), nil
}
