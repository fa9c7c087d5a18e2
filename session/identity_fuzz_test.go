package session_test

import (
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/doorward/doorward/session"
)

// What an app that folds the names of headers is told of its visitor is what we
// said, whatever headers, trailers and connection options the client sent along,
// and whatever the operator calls the headers.
func FuzzStripAndSetLeaveOneVisitor(f *testing.F) {
	for _, sent := range []string{
		"X-Auth-Token: evil\nx_auth.token: evil\nAccept: */*", "Remote-User: evil\nRemote_User: evil\nREMOTE.USER: evil",
		"Connection: close, X-Auth-Token, remote-user", "Connection: x-user\nConnection: Remote_Groups\nX-User: evil", "Connection:\n: evil\n-: evil",
		"X-User: evil\nX~User: evil\nxXuser: app", "Remote-Groups: admins\nConnection: keep-alive",
	} {
		f.Add(sent, "X-Auth-Token: evil\nremote.user: evil", "X-User", true)
		f.Add(sent, "", "", false)
	}
	f.Add("Content-Type: text/plain", "", "Content-Type", true)
	f.Fuzz(func(t *testing.T, sent, trailers, user string, groups bool) {
		names := session.DefaultHeaders
		names.User, names.Name = user, ""
		if folded := naiveFold(user); strings.Trim(folded, "-") == "" && user != "" || folded == "connection" ||
			strings.HasPrefix(folded, "remote-") || folded == "x-auth-token" {
			return // no name, or another's: refused where it is configured
		}
		v := visitor()
		if !groups {
			v.Identity.Groups = nil
		}
		ih := session.NewIdentityHeaders(names)
		r := &http.Request{Header: readHeader(sent), Trailer: http.Header{}, ContentLength: -1, Body: nil}
		r.Body = io.NopCloser(&trailing{r, readHeader(trailers)})
		ih.Strip(r)
		ih.Set(r.Header, v, "assertion")
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"x-auth-token": "assertion", "remote-email": "ann@example.com", "remote-name": "", "remote-groups": "admins,staff", "remote-user": "",
			"x-original-url": "", "x-rewrite-url": "",
		}
		if !groups {
			want["remote-groups"] = ""
		}
		if user != "" {
			want[naiveFold(user)] = "ann@example.com"
		}
		got := readAsCGI(dropHopByHop(r.Header))
		trailed := readAsCGI(r.Trailer)
		for name, value := range want {
			if got[name] != value {
				t.Errorf("the app reads %q in %s, want %q; the client sent %q, and the user is in %q", got[name], name, value, sent, user)
			}
			if trailed[name] != "" {
				t.Errorf("the app reads %q in the trailer %s, want none of %q", trailed[name], name, trailers)
			}
		}
	})
}

// A trailing body is empty, and its end brings trailers, as that of a request does.
type trailing struct {
	r        *http.Request
	trailers http.Header
}

func (b *trailing) Read([]byte) (int, error) {
	b.r.Trailer = b.trailers
	return 0, io.EOF
}

// readHeader reads lines as a server does, which knows a name by one spelling of
// upper and lower case.
func readHeader(lines string) http.Header {
	h := http.Header{}
	for line := range strings.SplitSeq(lines, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			name = textproto.CanonicalMIMEHeaderKey(name)
			h[name] = append(h[name], strings.TrimSpace(value))
		}
	}
	return h
}

// dropHopByHop does what a proxy does with the headers that Connection names
// (RFC 9110, section 7.6.1).
func dropHopByHop(h http.Header) http.Header {
	h = h.Clone()
	for _, line := range h["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(option))
		}
	}
	return h
}

// readAsCGI is the least careful of app servers: what it takes for one header, it
// puts together.
func readAsCGI(h http.Header) map[string]string {
	read := make(map[string]string)
	for name, values := range h {
		folded := naiveFold(name)
		read[folded] += strings.Join(values, ",")
	}
	return read
}

// What is said of a client is one of a few words of ours: nothing of what it sent
// comes back, of any length and with any sign in it.
func FuzzDescribeAgent(f *testing.F) {
	for _, agent := range []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "curl/8.5.0", "<script>Edg", "okhttp/\r\nX: y Android", "",
	} {
		f.Add(agent)
	}
	const words = " Edge Opera Firefox Chrome Safari curl Android app Apple iPhone iPad ChromeOS Windows macOS Linux on "
	f.Fuzz(func(t *testing.T, agent string) {
		got := session.DescribeAgent(agent)
		if len(got) > 32 {
			t.Errorf("%q is %q, which is long", agent, got)
		}
		for word := range strings.SplitSeq(got, " ") {
			if !strings.Contains(words, " "+word+" ") && word != "" {
				t.Errorf("%q is %q: %q is not a word of ours", agent, got, word)
			}
		}
	})
}
