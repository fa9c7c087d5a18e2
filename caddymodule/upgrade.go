package caddymodule

import (
	"net/http"
	"strings"
)

// stripUpgrade leaves WebSocket as the only protocol that a client may switch to,
// and reports whether a request is the handshake of one (RFC 6455; RFC 8441 over
// HTTP/2, RFC 9220 over HTTP/3). Caddy passes any Upgrade on, and tunnels if the
// app agrees: over h2c a client could then send the app requests that no door has
// seen, with whatever identity headers it likes.
func stripUpgrade(r *http.Request) (socket bool) {
	if r.Method == http.MethodConnect {
		delete(r.Header, "Upgrade")
		delete(r.Header, "Http2-Settings")
		return connectsSocket(r)
	}
	upgrade, ok := r.Header["Upgrade"]
	if !ok {
		return false
	}
	if len(upgrade) == 1 && strings.EqualFold(strings.TrimSpace(upgrade[0]), "websocket") {
		return true
	}
	delete(r.Header, "Upgrade")
	delete(r.Header, "Http2-Settings")
	return false
}

// connectsSocket reports whether a CONNECT is one that reverse_proxy turns into the
// handshake of a WebSocket. It has to ask as reverse_proxy does: of every other
// one, the body goes to the app as it comes.
func connectsSocket(r *http.Request) bool {
	switch r.ProtoMajor {
	case 2:
		return r.Header.Get(":protocol") == "websocket"
	case 3:
		return r.Proto == "websocket"
	}
	return false
}

// unforwardable reports whether a request is by a method that never is open to everybody,
// and passes to the app at most as the handshake of a WebSocket. The body of a
// CONNECT goes to the app with no framing, so that a client can write requests
// into it that no door has seen; an app that answers TRACE sends the assertion
// back to the client (RFC 9110, section 9.3.8).
func unforwardable(r *http.Request) bool {
	return strings.EqualFold(r.Method, "TRACE") || strings.EqualFold(r.Method, "TRACK") || strings.EqualFold(r.Method, "CONNECT")
}

// elsewhere reports whether a request is made by a page of another site than
// origin. Browsers let any site open a WebSocket with a visitor's cookies, and
// apps often do not look at where it comes from (RFC 6455, section 10.2).
func elsewhere(r *http.Request, origin string) bool {
	from := r.Header["Origin"]
	return len(from) > 0 && (len(from) > 1 || from[0] != origin)
}
