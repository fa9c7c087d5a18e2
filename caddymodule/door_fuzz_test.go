package caddymodule

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"
)

// Whatever bytes a client sends for a request, the app behind the door is reached
// only if its visitor is signed in, or if the path is open however it is read. It is
// told of that visitor and of nobody else, under every name that folds to one of
// ours, and sees no credential of ours where we take one.
func FuzzDoor(f *testing.F) {
	dataHome(f)
	host := fmt.Sprintf("localhost:%d", freePort(f))
	err := load(f, "{"+quiet+"}\nhttp://"+host+` {
	@guarded not path /open/*
	doorward @guarded {
		allow *@example.com
		bypass /healthz /static/*
	}
	respond "the app"
}
`)
	if err != nil {
		f.Fatal(err)
	}
	a := running(f)
	door, token := a.doors[0], signIn(f, a, "ann@example.com", "http://"+host)
	spell := strings.NewReplacer("TOKEN", token, "HOST", host).Replace

	const head = " HTTP/1.1\nHost: HOST\n"
	for _, target := range []string{
		"/", "/admin", "/healthz", "/static/a.css", "/static/../admin", "/static/..%2fadmin", "/static/%2e%2e/admin", "/static/%252e%252e/admin", "//static/a",
		"/open/x", "/OPEN/x", "/open/../admin", "/open/..;/admin", "/open/%2e%2e/admin", "/healthz?x=/", "/admin?/static/", "/healthz%23", "/healthz/", "/static/%5c..%5cadmin", "http://evil.test/static/x", "*", "/static/\xff",
	} {
		f.Add([]byte("GET " + target + head + "\n"))
		f.Add([]byte("GET " + target + head + "Cookie: a=1; doorward=TOKEN; b=2\nX-Auth-Token: evil\nRemote_User: evil\nremote.groups: admins\nConnection: close, X-Auth-Token\n\n"))
		f.Add([]byte("POST " + target + head + "Authorization: Bearer TOKEN\nTransfer-Encoding: chunked\nTrailer: Remote-User\n\n1\nx\n0\nRemote-User: evil\nX_Auth_Token: evil\n\n"))
		f.Add([]byte("GET " + target + head + "Upgrade: h2c\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AAAA\nX-Original-URL: /admin\n\n"))
	}
	for _, header := range []string{
		"X-Original-URL: /healthz", "X-Rewrite-URL: /healthz", "X-Forwarded-Uri: /healthz", "X-HTTP-Method-Override: OPTIONS", "User-Agent: kube-probe/1.29",
		"Authorization: Bearer TOKEN\nAuthorization: Basic YTpi", "Cookie: doorward=x; doorward=TOKEN", "Cookie: hanko=%7B%22t%22%3A%22TOKEN%22%7D; doorward=TOKEN", "X-Auth-Token: TOKEN",
		"Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: AAAA\nSec-WebSocket-Version: 13\nOrigin: https://evil.test\nCookie: doorward=TOKEN", "Accept: text/event-stream\nCookie: doorward=TOKEN", "Early-Data: 1\nCookie: doorward=TOKEN",
		"Content-Type: application/grpc\nTE: trailers",
	} {
		f.Add([]byte("GET /admin" + head + header + "\n\n"))
		f.Add([]byte("OPTIONS /static/x" + head + header + "\n\n"))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(spell(string(raw)))))
		if err != nil || !servable(r) || strings.HasPrefix(r.URL.Path, "/doorward") && strings.Contains(string(raw), "TOKEN") {
			return // of our own paths, one signs ann out
		}
		asked, decoded := fmt.Sprintf("%s %s", r.Method, r.RequestURI), r.URL.Path
		r.RemoteAddr = "192.0.2.1:50000"
		w := httptest.NewRecorder()
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, &caddyhttp.Server{})
		var seen *http.Request
		err = door.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			_, _ = io.Copy(io.Discard, r.Body) // brings the trailers
			seen = r
			return nil
		}))
		if err != nil {
			t.Fatalf("%s: %v", asked, err)
		}
		if seen == nil {
			// A call of gRPC is refused in its own way, with a 200.
			answered := door.own.Owns(decoded) || door.own.OwnsWellKnown(r) || w.Header().Get("Grpc-Status") != ""
			if w.Code >= 500 || w.Code < 300 && !answered {
				t.Errorf("%s: the app is not reached, and the answer is %d %s", asked, w.Code, w.Body)
			}
			return
		}
		visitor := seen.Header.Get("Remote-User")
		if visitor != "" && visitor != "ann@example.com" {
			t.Errorf("%s: the app is told of %q", asked, visitor)
		}
		if visitor == "" && !openHoweverRead(decoded) {
			t.Errorf("%s: the app is reached by nobody:\n%s", asked, raw)
		}
		if visitor != "" && !strings.Contains(string(raw), "TOKEN") {
			t.Errorf("%s: the app is told of %q, who did not ask:\n%s", asked, visitor, raw)
		}
		read := make(map[string][]string)
		for _, h := range []http.Header{seen.Header, seen.Trailer} {
			for name, values := range h {
				read[foldHeader(name)] = append(read[foldHeader(name)], values...)
			}
		}
		// Where a client may sign in with it: what else it tells the app is its own affair.
		for _, name := range []string{"cookie", "authorization"} {
			if strings.Contains(strings.Join(read[name], "\n"), token) {
				t.Errorf("%s: the app sees our credential in %s", asked, name)
			}
		}
		for _, name := range []string{"x-auth-token", "remote-user", "remote-email", "remote-name", "remote-groups"} {
			want := 0
			if visitor != "" && name != "remote-groups" { // ann is in none
				want = 1
			}
			if got := read[name]; len(got) != want || want == 1 && name != "x-auth-token" && got[0] != "ann@example.com" {
				t.Errorf("%s: the app reads %q in %s, want %d value of ours:\n%s", asked, got, name, want, raw)
			}
		}
		for _, line := range read["connection"] {
			for option := range strings.SplitSeq(line, ",") {
				if folded := foldHeader(strings.TrimSpace(option)); folded == "x-auth-token" || strings.HasPrefix(folded, "remote-") && len(read[folded]) > 0 {
					t.Errorf("%s: the next proxy is told to drop %s", asked, option)
				}
			}
		}
		for _, to := range read["upgrade"] {
			if !strings.EqualFold(to, "websocket") || visitor == "" {
				t.Errorf("%s: the connection may become %q, with visitor %q", asked, to, visitor)
			}
		}
	})
}

// servable reports whether net/http's server hands a request on that ReadRequest
// has read.
func servable(r *http.Request) bool {
	if r.ProtoMajor != 1 || !httpguts.ValidHostHeader(r.Host) || r.Host == "" || r.ContentLength > 0 {
		return false
	}
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return false
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return false
			}
		}
	}
	return true
}

// openHoweverRead reports whether a path is one of those that the site leaves open,
// to readers of all kinds.
func openHoweverRead(decoded string) bool {
	readings := []string{decoded}
	if again, err := url.PathUnescape(decoded); err == nil {
		readings = append(readings, again)
	}
	for _, p := range readings {
		var segments []string
		for segment := range strings.SplitSeq(strings.ReplaceAll(p, `\`, "/"), "/") {
			segment, _, _ = strings.Cut(segment, ";")
			segments = append(segments, segment)
		}
		readings = append(readings, strings.Join(segments, "/"))
	}
	for _, p := range readings {
		for _, p := range []string{p, path.Clean(p)} {
			lower := strings.ToLower(p) // Caddy's matcher of paths ignores the case
			if p != "/healthz" && p != "/static" && !strings.HasPrefix(p, "/static/") && lower != "/open" && !strings.HasPrefix(lower, "/open/") {
				return false
			}
		}
	}
	return true
}

// foldHeader is what the least careful of app servers does to a header's name.
func foldHeader(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
}
