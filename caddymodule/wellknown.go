package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/doorward/doorward/ceremony"
)

// parseWellKnownDirective parses the directive of a site that has no door, and whose
// host is one that native apps and passkeys ask about:
//
//	doorward_well_known
func parseWellKnownDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // doorward_well_known
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.Errf("%q: doorward_well_known has no options: what it says follows from apps, api and relying_party in the global option doorward", h.Val())
	}
	return h.NewRoute(nil, &Handler{WellKnown: true}), nil
}

// serveWellKnown answers requests for the well-known files, and passes everything
// else on as it came: this is no door. It waits for nothing that starts, so that a
// site without a door does not depend on the store and the directory.
func (h *Handler) serveWellKnown(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.wellKnown.Owns(r) {
		h.wellKnown.ServeHTTP(w, r)
		return nil
	}
	if asked, ok := asAsked(r, isWellKnown); ok && h.wellKnown.Owns(asked) {
		h.wellKnown.ServeHTTP(w, asked)
		return nil
	}
	return next.ServeHTTP(w, r)
}

// signpost returns the site that the well-known files of a host without a door
// speak of. Its account page is elsewhere.
func (h *Handler) signpost(r *http.Request) (ceremony.Site, bool) {
	site, ok := h.site.find(r)
	site.AccountURL = h.app.accountURL(site.RelyingParty.ID)
	return site, ok
}

// accountURL returns where users of a relying party see to their passkeys: at its
// API host, or else at its site, if there is one such host. Of several, none is the
// right one for everybody.
func (a *App) accountURL(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, api := range []bool{true, false} {
		urls := make(map[string]bool)
		for _, d := range a.doors {
			for _, known := range d.site.exact {
				if d.API == api && known.RelyingParty.ID == id {
					urls[known.AccountURL] = true
				}
			}
		}
		for url := range urls {
			if len(urls) == 1 {
				return url
			}
		}
	}
	return ""
}

// isWellKnown reports whether a path is where well-known files are (RFC 8615).
func isWellKnown(path string) bool { return strings.HasPrefix(path, "/.well-known/") }
