package caddymodule

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// prepared returns a request as Caddy hands it to a door.
func prepared(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
}

// What opens a path opens it for requests that end with their answer. A handshake
// is judged there as anywhere; so is what would lead past the door to the app.
func TestBypassOpensNoTunnel(t *testing.T) {
	dataHome(t)
	app := provisionCaddyfile(t, "http://localhost:8080 {\n\t@admin path /admin /admin/*\n\tdoorward @admin {\n\t\tbypass /admin/health\n\t}\n\treverse_proxy localhost:8081\n}\n")
	door := app.doors[0]
	for _, tt := range []struct {
		method, path, upgrade string
		want                  bool
	}{
		{"GET", "/admin/health", "", true},
		{"POST", "/admin/health", "", true},
		{"GET", "/admin/health", "h2c", true}, // which is not passed on
		{"GET", "/admin/health", "websocket", false},
		{"GET", "/socket", "websocket", true}, // the matcher's to say
		{"CONNECT", "/admin/health", "", false},
		{"CONNECT", "/admin/health", "websocket", false},
		{"CONNECT", "/socket", "", false},
		{"connect", "/socket", "", false},
		{"TRACE", "/admin/health", "", false},
		{"TRACE", "/wiki", "", false},
		{"TRACK", "/wiki", "", false},
		{"PATCH", "/wiki", "", true},
	} {
		r := prepared(tt.method, "http://localhost:8080"+tt.path)
		if tt.upgrade != "" {
			r.Header.Set("Upgrade", tt.upgrade)
		}
		socket := stripUpgrade(r)
		if got := door.opens(r, socket); got != tt.want {
			t.Errorf("%s %s to %q: open %v, want %v", tt.method, tt.path, tt.upgrade, got, tt.want)
		}
	}
}

func TestEarlyDataThatMayDoSomethingIsAskedForAgain(t *testing.T) {
	early, late := &tls.ConnectionState{}, &tls.ConnectionState{HandshakeComplete: true}
	for _, tt := range []struct {
		method, told string
		state        *tls.ConnectionState
		want         bool
	}{
		{"POST", "", early, true},
		{"DELETE", "", early, true},
		{"CONNECT", "", early, true},
		{"GET", "", early, false},
		{"HEAD", "", early, false},
		{"OPTIONS", "", early, false},
		{"POST", "", late, false},
		{"POST", "", nil, false},
		{"POST", "1", nil, true},
		{"POST", "1", late, true},
		{"POST", "0", late, true}, // which hides nothing
		{"GET", "1", late, false},
	} {
		r := httptest.NewRequest(tt.method, "http://localhost/doorward/login", nil)
		r.TLS = tt.state
		if tt.told != "" {
			r.Header.Set("Early-Data", tt.told)
		}
		w := httptest.NewRecorder()
		got := tooEarly(w, r)
		if got != tt.want || got && (w.Code != http.StatusTooEarly || w.Header().Get("Cache-Control") != "no-store") {
			t.Errorf("%s, Early-Data %q, %+v: refused %v with %d, want %v with 425", tt.method, tt.told, tt.state != nil, got, w.Code, tt.want)
		}
	}
}
