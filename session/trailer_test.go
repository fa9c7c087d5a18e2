package session_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/session"
)

// A gateway strips a request and reads its body to the end, and tells which
// trailers are there then. copies is how a server hands requests on: Caddy gives
// its handlers a copy.
func newGateway(t *testing.T, copies bool) (server *httptest.Server, trailers chan []string) {
	t.Helper()
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	trailers = make(chan []string, 1)
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if copies {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, nil))
		}
		ih.Strip(r)
		if names := announced(r); slices.ContainsFunc(names, isIdentity) {
			t.Errorf("announced trailers after Strip = %q, want none of ours", names)
		}
		if r.Header.Get("Discard") != "" {
			r.Body.Close() // reads the rest of the body, and the trailers
		} else if body, err := io.ReadAll(r.Body); err != nil || string(body) != "hello" {
			t.Errorf("body = %q, %v, want hello", body, err)
		}
		trailers <- announced(r)
	}))
	server.EnableHTTP2 = true
	t.Cleanup(server.Close)
	return server, trailers
}

func announced(r *http.Request) []string {
	var names []string
	for name := range r.Trailer {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func isIdentity(name string) bool {
	return slices.Contains([]string{"x-auth-token", "remote-user"}, strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name)))
}

func TestIdentityTrailersAreStripped(t *testing.T) {
	const request = "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n%s\r\n5\r\nhello\r\n0\r\n%s\r\n"
	for name, test := range map[string]struct{ header, trailer string }{
		"announced":            {"Trailer: X-Auth-Token, X-Sum\r\n", "X-Auth-Token: evil\r\nX-Sum: 1\r\n"},
		"in small letters":     {"Trailer: x-auth-token, x-sum\r\n", "x-auth-token: evil\r\nx-sum: 1\r\n"},
		"an alias":             {"Trailer: X_Auth.Token, X-Sum\r\n", "X_Auth.Token: evil\r\nX-Sum: 1\r\n"},
		"announced as another": {"Trailer: X-Sum\r\n", "Remote_User: evil\r\nX-Auth-Token: evil\r\nX-Sum: 1\r\n"},
		"not announced":        {"", "X-Auth-Token: evil\r\nREMOTE_USER: evil\r\nX-Sum: 1\r\n"},
		"body not read":        {"Trailer: X-Sum\r\nDiscard: 1\r\n", "X-Auth-Token: evil\r\nX-Sum: 1\r\n"},
	} {
		for _, copies := range []bool{false, true} {
			server, trailers := newGateway(t, copies)
			server.Start()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			must(t, err)
			defer conn.Close()
			_, err = fmt.Fprintf(conn, request, test.header, test.trailer)
			must(t, err)
			line, err := textproto.NewReader(bufio.NewReader(conn)).ReadLine()
			if err != nil || !strings.HasPrefix(line, "HTTP/1.1 200") {
				t.Fatalf("%s: answer = %q, %v, want 200", name, line, err)
			}
			got := <-trailers
			if slices.ContainsFunc(got, isIdentity) {
				t.Errorf("%s, copied %v: trailers = %q, want none of ours", name, copies, got)
			}
			// The app's own comes through, where the server has a place for it.
			if place := test.header != "" || !copies; place != slices.Contains(got, "X-Sum") {
				t.Errorf("%s, copied %v: trailers = %q, X-Sum among them: want %v", name, copies, got, place)
			}
		}
	}
}

func TestIdentityTrailersOfHTTP2AreStripped(t *testing.T) {
	server, trailers := newGateway(t, true)
	server.StartTLS()
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, io.NopCloser(strings.NewReader("hello")))
	must(t, err)
	r.Trailer = http.Header{"X-Auth-Token": {"evil"}, "Remote_user": {"evil"}, "X-Sum": {"1"}}
	answer, err := server.Client().Do(r)
	must(t, err)
	defer answer.Body.Close()
	if answer.ProtoMajor != 2 {
		t.Fatalf("protocol = %s, want HTTP/2", answer.Proto)
	}
	if got, want := <-trailers, []string{"X-Sum"}; !slices.Equal(got, want) {
		t.Errorf("trailers = %q, want %q", got, want)
	}
}
