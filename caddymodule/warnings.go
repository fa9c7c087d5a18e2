package caddymodule

import (
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// warnOfTrust tells of what is valid and gives away more than it seems to. a.mu must
// be held.
func (a *App) warnOfTrust() {
	if a.Mail != nil && a.Mail.Log {
		a.logger.Warn("passcodes are written to this log: whoever reads it can sign in as anybody; for trying out only")
	}
	seen := make(map[*caddyhttp.Server]bool)
	for _, d := range a.doors {
		server := d.site.server
		if seen[server] {
			continue
		}
		seen[server] = true
		listen := strings.Join(server.Listen, ", ")
		if trustsProxies(server) && server.TrustedProxiesStrict == 0 {
			a.logger.Warn("trusted_proxies without trusted_proxies_strict: where the proxy appends to X-Forwarded-For, strangers choose their address, and with it their budgets",
				"listen", listen)
		}
		if server.Logs != nil && server.Logs.ShouldLogCredentials {
			a.logger.Warn("log_credentials puts cookies, and with them sessions, into the access log", "listen", listen)
		}
	}
}

// trustsProxies reports whether a server believes somebody about the address of a
// client. Before any door is provisioned, Caddy turns TrustedProxiesRaw into what it
// keeps to itself: there is no other way to see that it is there.
func trustsProxies(server *caddyhttp.Server) bool {
	if server.TrustedProxiesUnix || server.TrustedProxiesRaw != nil {
		return true
	}
	loaded := reflect.ValueOf(server).Elem().FieldByName("trustedProxies")
	return loaded.Kind() == reflect.Interface && !loaded.IsNil()
}
