package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/mail/mailtest"
)

// An upstream answers with the identity headers that it was sent.
func startUpstream(t *testing.T) (address string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		fmt.Fprintf(w, "%s|%s|%s|%d", r.Header.Get("Remote-User"), r.Header.Get("X-User"), r.Header.Get("Cookie"), len(r.Header["X-Auth-Token"]))
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), requests
}

// The doors of one site are asked one after the other, and each takes our
// credentials out of the request.
func TestRequestPassesAllDoorsOfItsSite(t *testing.T) {
	dataHome(t)
	app, requests := startUpstream(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	err := load(t, "{"+quiet+"}\n"+base+` {
	route {
		doorward /admin/* {
			allow group:admins
		}
		doorward {
			allow *@example.com
			bypass /open
		}
		doorward /late/* {
			allow group:admins
			headers {
				user X-User
			}
		}
		reverse_proxy `+app+`
	}
}
`)
	if err != nil {
		t.Fatal(err)
	}
	a := running(t)
	ann, bob := signIn(t, a, "ann@example.com", base), signIn(t, a, "bob@example.com", base)
	operator := a.operator()
	if _, err := operator.setGroups(context.Background(), "ann@example.com", []string{"admins"}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		who, token, path string
		status           int
		want             string // what the app is told: the last door says what the headers are called
	}{
		{"an administrator", ann, "/", 200, "|ann@example.com|theme=dark|1"},
		{"an administrator", ann, "/admin/", 200, "|ann@example.com|theme=dark|1"},
		{"an administrator", ann, "/late/", 200, "|ann@example.com|theme=dark|1"},
		{"a user", bob, "/", 200, "|bob@example.com|theme=dark|1"},
		{"a user", bob, "/admin/", 403, ""},
		{"a user", bob, "/late/", 403, ""},
		{"a stranger", "", "/", 401, ""},
		{"a stranger", "", "/admin/", 401, ""},
		{"a stranger", "", "/late/", 401, ""},
		{"a stranger", "", "/open", 200, "||theme=dark|0"},
	}
	for _, tt := range tests {
		t.Run(tt.who+" at "+tt.path, func(t *testing.T) {
			before := requests.Load()
			header := []string{"Cookie", "theme=dark", "Remote-User", "evil", "X-User", "evil", "X-Auth-Token", "evil"}
			if tt.token != "" {
				header[1] = "theme=dark; doorward=" + tt.token
			}
			got := send(t, client(t), "GET", base+tt.path, "", header...)
			if got.status != tt.status || got.status == 200 && got.body != tt.want {
				t.Errorf("status %d and %q, want %d and %q", got.status, got.body, tt.status, tt.want)
			}
			if reached := requests.Load() > before; reached != (tt.status == 200) {
				t.Errorf("the app was reached: %v", reached)
			}
		})
	}
}

// Whoever one door of a site admits may sign in at any: which of them serves the
// sign-in pages is chance. The doors of another site admit nobody here.
func TestDoorsOfOneSiteSignInForEachOther(t *testing.T) {
	dataHome(t)
	box, port, c := mailtest.Start(t, mailtest.Options{}), freePort(t), client(t)
	for _, tt := range []struct{ name, site, other string }{
		{"a site with a host", fmt.Sprintf("http://localhost:%d", port), fmt.Sprintf("http://other.localhost:%d", port)},
		{"a catch-all site", fmt.Sprintf("http://:%d", port), fmt.Sprintf("http://other.localhost:%d", port)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := load(t, "{"+quiet+`
	doorward {
		mail `+box.URL()+` {
			from door@example.com
		}
		relying_party localhost {
			origins http://localhost:`+fmt.Sprint(port)+`
		}
	}
}
`+tt.site+` {
	handle /admin/* {
		doorward {
			allow ann@example.com
		}
	}
	handle {
		doorward {
			allow bob@example.com
		}
	}
}
`+tt.other+` {
	doorward {
		allow carl@example.com
	}
}
`)
			if err != nil {
				t.Fatal(err)
			}
			c.CloseIdleConnections()
			base := fmt.Sprintf("http://localhost:%d", port)
			// Nobody is told that they may not come in; they get no passcode.
			initialize(t, c, base, "carl@example.com")
			for _, address := range []string{"ann@example.com", "bob@example.com"} {
				id := initialize(t, c, base, address)
				letter := next(t, box)
				if got := strings.Join(letter.To, " "); got != address {
					t.Fatalf("a letter to %s, want one to %s", got, address)
				}
				if got := finalize(t, c, base, id, letter.Passcode()); got.status != 200 {
					t.Errorf("%s signs in: status %d: %s", address, got.status, got.body)
				}
			}
		})
	}
}

// T143: what one site allows, asks and calls its headers is nothing to another.
// What a client calls so is removed at both, though: they lead to one app here.
func TestSitesDoNotShareTheirSettings(t *testing.T) {
	dataHome(t)
	app, _ := startUpstream(t)
	port := freePort(t)
	one, two := fmt.Sprintf("http://one.localhost:%d", port), fmt.Sprintf("http://two.localhost:%d", port)
	err := load(t, "{"+quiet+"}\n"+one+` {
	doorward {
		allow ann@example.com
		bypass /one
	}
	reverse_proxy `+app+`
}
`+two+` {
	doorward {
		allow bob@example.com
		bypass /two
		headers {
			user X-User
		}
	}
	reverse_proxy `+app+`
}
`)
	if err != nil {
		t.Fatal(err)
	}
	a := running(t)
	loopback := fmt.Sprintf("http://127.0.0.1:%d", port)
	c := client(t)
	get := func(site, path, token string) answer {
		t.Helper()
		header := []string{"Host", strings.TrimPrefix(site, "http://"), "X-User", "evil", "Remote-User", "evil"}
		if token != "" {
			header = append(header, "Authorization", "Bearer "+token)
		}
		return send(t, c, "GET", loopback+path, "", header...)
	}
	tests := []struct {
		name, site, path, token string
		status                  int
		want                    string
	}{
		{"ann at one", one, "/", signIn(t, a, "ann@example.com", one), 200, "ann@example.com|||1"},
		{"bob at one", one, "/", signIn(t, a, "bob@example.com", one), 403, ""},
		{"bob at two", two, "/", signIn(t, a, "bob@example.com", two), 200, "|bob@example.com||1"},
		{"ann at two", two, "/", signIn(t, a, "ann@example.com", two), 403, ""},
		{"bob's session of one at two", two, "/", signIn(t, a, "bob@example.com", one), 401, ""},
		{"ann's session of two at one", one, "/", signIn(t, a, "ann@example.com", two), 401, ""},
		{"open at one", one, "/one", "", 200, "|||0"},
		{"open at two, asked of one", one, "/two", "", 401, ""},
		{"open at two", two, "/two", "", 200, "|||0"},
		{"open at one, asked of two", two, "/one", "", 401, ""},
	}
	for _, tt := range tests {
		if got := get(tt.site, tt.path, tt.token); got.status != tt.status || got.status == 200 && got.body != tt.want {
			t.Errorf("%s: status %d and %q, want %d and %q", tt.name, got.status, got.body, tt.status, tt.want)
		}
	}
}

// try_files sends every path that is no file to one page, /doorward/login too.
func TestRewritesDoNotTakeTheSignInPages(t *testing.T) {
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	err := load(t, "{"+quiet+"}\n"+base+` {
	rewrite * /index.html
	doorward
	respond "the app's {path}"
}
`)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t)
	navigation := []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate"}
	if got := send(t, c, "GET", base+"/doorward/login", "", navigation...); got.status != 200 || !strings.Contains(got.body, "<form") {
		t.Errorf("the sign-in page: status %d, %s to %s", got.status, got.body, got.header.Get("Location"))
	}
	got := send(t, c, "GET", base+"/wiki?page=1", "", navigation...)
	if location, want := got.header.Get("Location"), "/doorward/login?return=%2Fwiki%3Fpage%3D1"; location != want {
		t.Errorf("another page: sent to %q, want %q", location, want)
	}
	bearer := "Bearer " + signIn(t, running(t), "ann@example.com", base)
	if got := send(t, c, "GET", base+"/wiki", "", "Authorization", bearer); got.body != "the app's /index.html" {
		t.Errorf("signed in: %d and %q", got.status, got.body)
	}
	if got := send(t, c, "GET", base+"/doorward/me", "", "Authorization", bearer); got.status != 200 || strings.Contains(got.body, "the app") {
		t.Errorf("an endpoint of ours: %d and %q", got.status, got.body)
	}
}

// What a visitor is told does not depend on the order in which apps start.
func TestPlaceholdersTellWhoTheVisitorIs(t *testing.T) {
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	err := load(t, "{"+quiet+"}\n"+base+` {
	doorward {
		bypass /open
	}
	respond "{http.auth.user.email}|{http.auth.user.groups}|{http.auth.user.methods}"
}
`)
	if err != nil {
		t.Fatal(err)
	}
	a := running(t)
	token := signIn(t, a, "ann@example.com", base)
	operator := a.operator()
	if _, err := operator.setGroups(context.Background(), "ann@example.com", []string{"staff", "admins"}); err != nil {
		t.Fatal(err)
	}
	c := client(t)
	if got, want := send(t, c, "GET", base+"/", "", "Authorization", "Bearer "+token).body, "ann@example.com|admins,staff|otp"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := send(t, c, "GET", base+"/open", "", "Authorization", "Bearer "+token).body; strings.Contains(got, "ann") {
		t.Errorf("an open path: got %q, want nobody", got)
	}
}
