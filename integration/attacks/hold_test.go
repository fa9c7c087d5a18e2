package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// noted is a reporter that keeps what it is told.
type noted []string

func (n *noted) Errorf(format string, args ...any) { *n = append(*n, fmt.Sprintf(format, args...)) }

// A test that holds nothing proves nothing: each invariant is broken once, and
// its breach has to be reported.
func TestBrokenInvariantsAreNoticed(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	if a := s.Get(A, "/", alice.Cookie); a.Status != http.StatusOK {
		t.Fatal(a)
	}
	good, keys := s.One(), s.keys(t)
	forged := strings.Replace(good.Values("X-Auth-Token")[0], ".", ".e30", 1)

	requests := []struct {
		name  string
		b     Bytes
		wants string
	}{
		{"as it should be", good, ""},
		{"open", Bytes{Method: "GET", Target: "/static/app.css", Head: "GET /static/app.css HTTP/1.1"}, ""},
		{"without an identity", Bytes{Method: "GET", Target: "/", Head: "GET / HTTP/1.1"}, "without an identity"},
		{"open in one reading", Bytes{Method: "GET", Target: "/static/..%2fadmin", Head: "GET /static/..%2fadmin HTTP/1.1"}, "without an identity"},
		{"another spelling beside ours", with(good, "x_auth.token: evil"), `with "x_auth.token"`},
		{"ours twice", with(good, "Remote-User: "+alice.Address), `with "Remote-User"`},
		{"in a trailer", Bytes{Head: "POST /healthz HTTP/1.1", Target: "/healthz", Trailer: "Remote-User: evil\r\n"}, "no assertion"},
		{"a forged assertion", Bytes{Head: strings.Replace(good.Head, good.Values("X-Auth-Token")[0], forged, 1)}, "not ours"},
		{"somebody else's name", Bytes{Head: strings.Replace(good.Head, "Remote-User: ", "Remote-User: x", 1)}, "the assertion says"},
		{"another app", Bytes{Head: strings.Replace(good.Head, "Host: "+A, "Host: "+B, 1)}, "an assertion for"},
		{"the session token", with(good, "Cookie: a=b; __Host-doorward="+alice.Token), "the session token"},
	}
	for _, tt := range requests {
		var got noted
		s.holdRequest(&got, keys, tt.b)
		if tt.wants == "" && len(got) > 0 || tt.wants != "" && !strings.Contains(strings.Join(got, "\n"), tt.wants) {
			t.Errorf("a request %s: reported %q, want %q", tt.name, got, tt.wants)
		}
	}

	stored := http.Header{"Cache-Control": {"no-store"}}
	location := func(to string) http.Header {
		return http.Header{"Cache-Control": {"no-store"}, "Location": {to}}
	}
	answers := []struct {
		a     Answer
		wants string
	}{
		{Answer{Site: A, Target: "/doorward/me", Status: 200, Header: stored}, ""},
		{Answer{Site: A, Target: "/doorward/me", Status: 200, Header: http.Header{}}, "cache"},
		{Answer{Site: A, Target: "/", Status: 401, Header: http.Header{}}, "cache"},
		{Answer{Site: A, Target: "/", Status: 500, Header: stored}, "5xx"},
		{Answer{Site: A, Target: "/", Status: 303, Header: location("/doorward/login")}, ""},
		{Answer{Site: A, Target: "/", Status: 303, Header: location(s.Origin(A) + "/")}, ""},
		{Answer{Site: A, Target: "/", Status: 303, Header: location("//evil.test/")}, "sent to"},
		{Answer{Site: A, Target: "/", Status: 303, Header: location(`/\evil.test/`)}, "sent to"},
		{Answer{Site: A, Target: "/", Status: 303, Header: location(s.Origin(A) + ".evil.test/")}, "sent to"},
		{Answer{Site: A, Target: "/", Status: 303, Header: location("javascript:alert(1)")}, "sent to"},
	}
	for _, tt := range answers {
		var got noted
		s.holdAnswer(&got, tt.a)
		if tt.wants == "" && len(got) > 0 || tt.wants != "" && !strings.Contains(strings.Join(got, "\n"), tt.wants) {
			t.Errorf("%v: reported %q, want %q", tt.a, got, tt.wants)
		}
	}
}

func with(b Bytes, field string) Bytes {
	b.Head += "\r\n" + field
	return b
}
