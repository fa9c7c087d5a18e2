package caddymodule

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A path that Caddy's matcher does not take for /admin, and that some app servers
// do, would go past a door that guards /admin.
func TestMatcherOpensNoPathThatCouldBeReadAsAnother(t *testing.T) {
	dataHome(t)
	app := provisionCaddyfile(t, "http://localhost:8080 {\n\t@admin path /admin /admin/*\n\tdoorward @admin\n\treverse_proxy localhost:8081\n}\n")
	door := app.doors[0]
	for target, want := range map[string]bool{
		"/":                true,
		"/wiki/page%20one": true,
		"/wiki/a%2Fb":      true,
		"/admin":           false,
		"/admin/users":     false,
		"/admin%2Fusers":   false,
		"/admin;/users":    false,
		"/x/..;/admin":     false,
		"/admin%5Cusers":   false,
		"/x/../admin":      false,
		"/x/%2e%2e/admin":  false,
		"//admin":          false,
		"/%2561dmin":       false,
		"/x/%c0%ae%c0%ae/": false,
	} {
		r := httptest.NewRequest("GET", "http://localhost:8080"+target, nil)
		r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
		if got := door.opens(r, false); got != want {
			t.Errorf("opens(%s) = %v, want %v", target, got, want)
		}
	}
}

// A client can cause an error before any door is asked; what handle_errors then
// passes to an app has been seen by no door.
func TestErrorRoutesThatLeadToAnAppAreNamed(t *testing.T) {
	route := func(host, handler string) caddyhttp.Route {
		r := caddyhttp.Route{HandlersRaw: []json.RawMessage{json.RawMessage(`{"handler":"subroute","routes":[{"handle":[{"handler":"` + handler + `"}]}]}`)}}
		if host != "" {
			r.MatcherSetsRaw = caddyhttp.RawMatcherSets{{"host": json.RawMessage(`["` + host + `"]`)}}
		}
		return r
	}
	tests := []struct {
		name   string
		routes caddyhttp.RouteList
		want   []string
	}{
		{"an app", caddyhttp.RouteList{route("", "reverse_proxy")}, []string{"reverse_proxy for handle_errors"}},
		{"an app of this site", caddyhttp.RouteList{route("App.example.com", "reverse_proxy")}, []string{"reverse_proxy for handle_errors"}},
		{"an app of another site", caddyhttp.RouteList{route("other.example.com", "reverse_proxy")}, nil},
		{"a page", caddyhttp.RouteList{route("", "static_response")}, nil},
	}
	for _, tt := range tests {
		s := &site{patterns: []string{"app.example.com"}, server: &caddyhttp.Server{Errors: &caddyhttp.HTTPErrorConfig{Routes: tt.routes}}}
		var got []string
		for _, o := range s.errorRoutes() {
			got = append(got, o.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
