package integration

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/fcgi"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// TestFastCGIAppBelievesNoForgery has an app behind php_fastcgi's transport, which
// turns header names into variables in Caddy itself.
func TestFastCGIAppBelievesNoForgery(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		_ = fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{"header": r.Header, "user": fcgi.ProcessEnv(r)["REMOTE_USER"]})
		}))
	}()
	box := mailtest.Start(t, mailtest.Options{})
	addr := listener.Addr().String()
	g := testbed.Start(t, testbed.Options{Caddyfile: strings.Replace(testbed.Caddyfile(&testbed.App{Addr: addr}, box, ""),
		"reverse_proxy "+addr, "reverse_proxy "+addr+" {\n\t\ttransport fastcgi\n\t}", 1)})
	c := testbed.NewClient(t, g.URL)
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	var me struct{ ID string }
	if err := c.Do("GET", "/doorward/me", "").JSON(&me); err != nil {
		t.Fatal(err)
	}
	for path, who := range map[string]string{"/": "ann@example.com", "/healthz": ""} {
		var forged []string
		for _, name := range identityNames {
			for _, spelt := range spellings(name) {
				forged = append(forged, spelt, "mallory")
			}
		}
		a := c.Do("GET", path, "", forged...)
		var seen struct {
			Header http.Header
			User   string
		}
		if err := a.JSON(&seen); err != nil {
			t.Fatalf("%s: status %d: %v\n%s", path, a.Status, err, a.Body)
		}
		checkIdentity(t, seen.Header, who)
		// REMOTE_USER is Caddy's own word for {http.auth.user.id}.
		want := me.ID
		if who == "" {
			want = ""
		}
		if seen.User != want {
			t.Errorf("%s: REMOTE_USER = %q, want %q", path, seen.User, want)
		}
	}
}
