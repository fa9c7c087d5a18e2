package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// logWithoutToken keeps the session token of an answer of ours out of Caddy's access
// log. Caddy writes the header of an answer there but for cookies and credentials,
// and has no way to leave out one field more, so the whole line is left out, and a
// line of ours stands for it. It can only be called once the answer is written:
// until then nobody knows that it has a token.
func (h *Handler) logWithoutToken(w http.ResponseWriter, r *http.Request) {
	if w.Header().Get("X-Auth-Token") == "" {
		return
	}
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	h.app.logger.Info("session token handed out: the access log leaves this request out",
		"method", r.Method, "host", r.Host, "path", r.URL.Path, "client", clientAddress(r))
}
