package caddymodule

import (
	"net/http"
	"strings"
)

// stripUpgrade leaves WebSocket as the only protocol that a client may switch to,
// and reports whether a request is the handshake of one (RFC 6455; RFC 8441 over
// HTTP/2). Caddy passes any Upgrade on, and tunnels if the app agrees: over h2c a
// client could then send the app requests that no door has seen, with whatever
// identity headers it likes.
func stripUpgrade(r *http.Request) (socket bool) {
	upgrade, ok := r.Header["Upgrade"]
	if !ok {
		return r.Method == http.MethodConnect
	}
	if len(upgrade) == 1 && strings.EqualFold(strings.TrimSpace(upgrade[0]), "websocket") {
		return true
	}
	delete(r.Header, "Upgrade")
	delete(r.Header, "Http2-Settings")
	return r.Method == http.MethodConnect
}

// elsewhere reports whether a request is made by a page of another site than
// origin. Browsers let any site open a WebSocket with a visitor's cookies, and
// apps often do not look at where it comes from (RFC 6455, section 10.2).
func elsewhere(r *http.Request, origin string) bool {
	from := r.Header["Origin"]
	return len(from) > 0 && (len(from) > 1 || from[0] != origin)
}
