package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// tooEarly answers a request that came as early data and may do something, and
// reports whether it has: with 425, upon which clients send it again once the
// handshake is over (RFC 8470, section 5.2). Whoever recorded early data can send
// it again themselves, from an address that nothing has proved to be theirs.
// Over HTTP/3, Caddy takes early data unless it is told otherwise; a proxy in front
// tells of it by Early-Data, which means the same whatever it says (section 5.1).
func tooEarly(w http.ResponseWriter, r *http.Request) bool {
	_, told := r.Header["Early-Data"]
	if !told && (r.TLS == nil || r.TLS.HandshakeComplete) {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusTooEarly)
	return true
}

// fromProxy reports whether a request comes from one of Caddy's trusted proxies.
func fromProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}
