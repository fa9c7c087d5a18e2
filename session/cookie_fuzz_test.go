package session_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/session"
)

// FuzzCut: whatever reads the cookies behind us, it finds none of ours, and all
// others as they were.
func FuzzCut(f *testing.F) {
	for _, line := range []string{
		"__Host-doorward=t", "a=1; __Host-doorward=t; b=2", "a=1;__Host-doorward-begun=x;;", `a="1; __Host-doorward=t; b=2"`,
		"__Host-doorward", " __Host-doorward =t", "\v__Host-doorward=t", "__Host-doorwardish=1", "=; =;=", "a=\u00a0; \u0085__Host-doorward=1",
		"a=1, __Host-doorward=t", "__Host-doorward=__Host-doorward=; __Host-doorward;=",
		"a=1; __Host-doorward -x=1", "a=1; __Host-doorward\u00a0-x=1", "__Host-doorward; a=1;", "a=1;__Host-doorward;;__Host-doorward;b=2;",
	} {
		f.Add(line, "a=1; __Host-doorward=t")
		f.Add("x=y", line)
	}
	c := session.NewCookie("", true)
	ours := func(name string) bool {
		name = strings.TrimSpace(name)
		return name == c.Name || strings.HasPrefix(name, c.Name+"-")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		if !canStandInAHeader(first) || !canStandInAHeader(second) {
			return
		}
		before := http.Header{"Cookie": {first, second}}
		after := before.Clone()
		c.Cut(after)
		for parser, read := range map[string]func(http.Header) [][2]string{"net/http": readAsGo, "PHP": readAsPHP} {
			want := slices.DeleteFunc(read(before), func(pair [2]string) bool { return ours(pair[0]) })
			got := read(after)
			if i := slices.IndexFunc(got, func(pair [2]string) bool { return ours(pair[0]) }); i >= 0 {
				t.Errorf("%s finds our cookie %q in %q, cut from %q", parser, got[i], after["Cookie"], before["Cookie"])
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s finds %q in %q, want %q as in %q", parser, got, after["Cookie"], want, before["Cookie"])
			}
		}
		if _, cookie := c.Tokens(after); cookie != "" {
			t.Errorf("Tokens finds %q in %q", cookie, after["Cookie"])
		}
	})
}

// FuzzCookieValue: what is taken for our cookie is what net/http takes for it,
// wherever net/http takes anything for it.
func FuzzCookieValue(f *testing.F) {
	for _, line := range []string{
		"__Host-doorward=t", "a=1; __Host-doorward=t ; b=2", "__Host-doorward=; __Host-doorward=t", "__Host-doorward;__Host-doorward=t",
		"__Host-doorward =t", "a=__Host-doorward=t", "__Host-doorward-=t;\t__Host-doorward=u\t", "__Host-doorward==;=",
	} {
		f.Add(line)
	}
	c := session.NewCookie("", true)
	f.Fuzz(func(t *testing.T, line string) {
		if !canStandInAHeader(line) {
			return
		}
		h := http.Header{"Cookie": {line}}
		_, got := c.Tokens(h)
		var values []string
		for _, cookie := range (&http.Request{Header: h}).CookiesNamed(c.Name) {
			values = append(values, cookie.Value)
		}
		isToken := got != "" && strings.Trim(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
		if isToken && !slices.Contains(values, got) {
			t.Errorf("the cookie in %q is %q, want one of net/http's %q", line, got, values)
		}
		if strings.Contains(got, ";") {
			t.Errorf("the cookie in %q is %q, which is more than one", line, got)
		}
		first := strings.TrimLeft(line, " \t")
		if value, ok := strings.CutPrefix(first, c.Name+"="); ok {
			want, _, _ := strings.Cut(value, ";")
			if want = strings.TrimRight(want, " \t"); got != want {
				t.Errorf("the cookie in %q is %q, want the first, %q", line, got, want)
			}
		}
	})
}

// canStandInAHeader reports whether a server would accept a value (RFC 9110,
// section 5.5), which it gets without surrounding space.
func canStandInAHeader(value string) bool {
	return value == strings.Trim(value, " \t") &&
		!strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func readAsGo(h http.Header) [][2]string {
	var pairs [][2]string
	for _, cookie := range (&http.Request{Header: h}).Cookies() {
		value := cookie.Value
		if cookie.Quoted {
			value = `"` + value + `"`
		}
		pairs = append(pairs, [2]string{cookie.Name, value})
	}
	return pairs
}

// readAsPHP reads cookies as PHP does, which knows no quotes and takes names as
// they come, and gets several lines joined as a CGI variable.
func readAsPHP(h http.Header) [][2]string {
	var pairs [][2]string
	for pair := range strings.SplitSeq(strings.Join(h["Cookie"], "; "), ";") {
		pair = strings.TrimLeft(pair, " \t\n\v\f\r")
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			pairs = append(pairs, [2]string{name, value})
		}
	}
	return pairs
}
