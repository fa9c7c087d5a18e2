package caddymodule

import (
	"net/http"
	"strings"
)

// stripUpgrade leaves WebSocket as the only protocol that a client may switch to.
// Caddy passes any Upgrade on, and tunnels if the app agrees: over h2c a client
// could then send the app requests that no door has seen, with whatever identity
// headers it likes.
func stripUpgrade(h http.Header) {
	upgrade, ok := h["Upgrade"]
	if !ok || len(upgrade) == 1 && strings.EqualFold(strings.TrimSpace(upgrade[0]), "websocket") {
		return
	}
	delete(h, "Upgrade")
	delete(h, "Http2-Settings")
}

// hijacks reports whether a request is a WebSocket handshake that another site's
// page makes with a visitor's cookies. Browsers let any site open one, and apps
// often do not look at where it comes from (RFC 6455, section 10.2).
func hijacks(r *http.Request, origin string) bool {
	if _, ok := r.Header["Upgrade"]; !ok && r.Method != http.MethodConnect { // RFC 8441
		return false
	}
	from := r.Header["Origin"]
	return len(from) > 0 && (len(from) > 1 || from[0] != origin)
}
