package integration

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// identityNames are the headers that an app believes.
var identityNames = []string{"X-Auth-Token", "Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups"}

// spellings returns every way to write a header name that some app server takes
// for the name itself.
func spellings(name string) []string {
	all := []string{""}
	for i, word := range strings.Split(name, "-") {
		var longer []string
		for _, begun := range all {
			for _, separator := range []string{"-", "_", "."} {
				if i == 0 {
					separator = ""
				}
				for _, spelt := range []string{word, strings.ToLower(word), strings.ToUpper(word)} {
					longer = append(longer, begun+separator+spelt)
				}
			}
		}
		all = longer
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// asCGI is how app servers that speak CGI see a header name (RFC 3875, 4.1.18).
func asCGI(name string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_", " ", "_").Replace(name))
}

// checkIdentity checks that an app that saw header believes the request to be
// from who, or from nobody if that is empty.
func checkIdentity(t *testing.T, header http.Header, who string) {
	t.Helper()
	told := make(map[string][]string)
	for name, values := range header {
		told[asCGI(name)] = append(told[asCGI(name)], values...)
	}
	for _, name := range identityNames {
		got := told[asCGI(name)]
		switch {
		case who == "" || name == "Remote-Groups":
			if len(got) != 0 {
				t.Errorf("the app was told %s = %q, want nothing", name, got)
			}
		case name == "X-Auth-Token":
			if len(got) != 1 {
				t.Fatalf("the app was told %s = %q, want one assertion", name, got)
			}
			if claims, err := testbed.Claims(got[0]); err != nil || claims["email"] != who {
				t.Errorf("the app was told %s = %q, want an assertion of %s", name, got, who)
			}
		case len(got) != 1 || got[0] != who:
			t.Errorf("the app was told %s = %q, want %s", name, got, who)
		}
	}
}

// raw sends bytes as they are, and returns the status of the answer.
func raw(t *testing.T, g *testbed.Gateway, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("localhost:%d", g.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(strings.ReplaceAll(request, "\n", "\r\n"))); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	response.Body.Close()
	return response.StatusCode
}

// A door that is open must be as strict as one that is shut: the app behind it
// believes the headers on every path.
func TestForgedIdentityReachesTheAppInNoSpelling(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	g := testbed.Start(t, testbed.Options{Caddyfile: strings.Replace(testbed.Caddyfile(app, box, ""),
		"doorward {\n\t\tallow", "@guarded not path /public/*\n\tdoorward @guarded {\n\t\tallow", 1)})
	c := testbed.NewClient(t, g.URL)
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	token := c.Cookie("doorward")

	var forged strings.Builder
	for _, name := range identityNames {
		for _, spelt := range spellings(name) {
			fmt.Fprintf(&forged, "%s: mallory\n%s: mallory\n", spelt, spelt)
		}
	}
	credentials := map[string]string{
		"nobody": "",
		"cookie": "Cookie: doorward=" + token + "\n",
		"bearer": "Authorization: Bearer " + token + "\n",
		"both":   "Cookie: theme=dark; doorward=" + token + "\nAuthorization: Bearer " + token + "\n",
	}
	for path, opened := range map[string]bool{"/": false, "/healthz": true, "/public/x": true} {
		for kind, credential := range credentials {
			for what, forgery := range map[string]string{
				"headers":    forged.String(),
				"connection": "Connection: X-Auth-Token, Remote-User, remote-email, REMOTE-NAME, Remote_User, X-Drop\n",
			} {
				t.Run(kind+path+" "+what, func(t *testing.T) {
					app.Forget()
					status := raw(t, g, fmt.Sprintf("GET %s HTTP/1.1\nHost: localhost:%d\n%s%sX-Drop: 1\nX-Kept: 1\n\n", path, g.Port, credential, forgery))
					requests := app.Requests()
					if !opened && kind == "nobody" {
						if status != http.StatusUnauthorized || len(requests) != 0 {
							t.Fatalf("status %d, %d requests reached the app; want 401 and none", status, len(requests))
						}
						return
					}
					if status != http.StatusOK || len(requests) != 1 {
						t.Fatalf("status %d, %d requests reached the app; want 200 and one", status, len(requests))
					}
					header := requests[0].Header
					who := ""
					if !opened {
						who = "ann@example.com"
					}
					checkIdentity(t, header, who)
					if header.Get("X-Kept") != "1" || (header.Get("X-Drop") == "1") != (what == "headers") {
						t.Errorf("the app saw %v: other headers are not as the client meant them", header)
					}
					if got := header["Cookie"]; kind == "both" && !slices.Equal(got, []string{"theme=dark"}) || kind != "both" && got != nil {
						t.Errorf("the app saw Cookie: %q", got)
					}
					if got := header["Authorization"]; got != nil {
						t.Errorf("the app saw Authorization: %q", got)
					}
				})
			}
		}
	}
}

func TestForgedTrailersReachTheAppInNoSpelling(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	g := testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(app, box, "")})
	c := testbed.NewClient(t, g.URL)
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, path, announced, trailers string) {
		t.Helper()
		app.Forget()
		status := raw(t, g, fmt.Sprintf("POST %s HTTP/1.1\nHost: localhost:%d\nCookie: doorward=%s\nTE: trailers\nTrailer: X-Kept%s\nTransfer-Encoding: chunked\n\n5\nhello\n0\nX-Kept: 1\n%s\n",
			path, g.Port, c.Cookie("doorward"), announced, trailers))
		requests := app.Requests()
		if status != http.StatusOK || len(requests) != 1 {
			t.Fatalf("status %d, %d requests reached the app; want 200 and one", status, len(requests))
		}
		if got := requests[0].Trailer.Get("X-Kept"); got != "1" {
			t.Fatalf("the app saw the trailers %v: the client's own did not come through, so this proves nothing", requests[0].Trailer)
		}
		checkIdentity(t, requests[0].Trailer, "")
	}
	for _, path := range []string{"/", "/healthz"} {
		for _, name := range identityNames {
			t.Run(name+path, func(t *testing.T) {
				// A trailer section may be as long as a page of memory.
				for few := range slices.Chunk(spellings(name), 40) {
					trailers := strings.Join(few, ": mallory\n") + ": mallory\n"
					check(t, path, ", "+strings.Join(few, ", "), trailers)
					check(t, path, "", trailers)
				}
			})
		}
	}
}
