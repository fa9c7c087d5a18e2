package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/session"
)

// ServeHTTP is the hot path: whoever was seen a moment ago and may pass costs a
// hash, a look-up and a few headers, and no I/O. The way to next goes past Strip
// and Cut, so that the app sees no identity that we did not set, and none of our
// credentials.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.WellKnown {
		return h.serveWellKnown(w, r, next)
	}
	h.headers.Strip(r)
	socket := stripUpgrade(r)
	if !h.app.awaitReady(r.Context()) {
		h.cookie.Cut(r.Header) // error routes may lead to an app
		w.Header().Set("Retry-After", "5")
		w.Header().Set("Cache-Control", "no-store")
		return caddyhttp.Error(http.StatusServiceUnavailable, handlers.Unready)
	}
	if tooEarly(w, r) {
		return nil
	}
	if own, ok := h.ours(r); ok {
		h.own.ServeHTTP(w, own)
		h.logWithoutToken(w, r)
		return nil
	}
	p := h.passage(r)
	known := p.known()
	g, err := known, error(nil)
	if !h.opens(r, socket) {
		g, err = h.admit(r, p, socket)
	}
	if err == nil && g.Visitor != nil {
		err = h.introduce(r, g)
	}
	if err != nil {
		h.own.Refuse(w, p.sent(r), requestURI(r), err)
		return nil
	}
	p.note(g)
	h.cookie.Cut(r.Header)
	if g != known && (socket || wantsEvents(r)) { // the door that let them in looks after it
		return h.serveStream(w, r, g, next)
	}
	return next.ServeHTTP(w, r)
}

// ours returns the request if it is for one of our own paths. What is so before
// rewriting is so after it: try_files and the like, which send all unknown paths
// to one page of the app, would take the sign-in pages with them.
func (h *Handler) ours(r *http.Request) (*http.Request, bool) {
	if h.answers(r) {
		return r, true
	}
	asked, ok := asAsked(r, h.mayAnswer)
	return asked, ok && h.answers(asked)
}

// mayAnswer reports whether a path is one that answers asks more about.
func (h *Handler) mayAnswer(path string) bool { return h.own.Owns(path) || isWellKnown(path) }

// asAsked returns a request as the client sent it, before anything was rewritten, if
// its path was one of ours then. All other requests come here, too, and are not copied.
func asAsked(r *http.Request, ours func(path string) bool) (*http.Request, bool) {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || !ours(original.URL.Path) {
		return nil, false
	}
	asked := *r
	asked.URL, asked.RequestURI = original.URL, original.RequestURI
	return &asked, true
}

// answers reports whether a request is answered by us, whoever makes it: all are
// at an API host, which has no app behind it.
func (h *Handler) answers(r *http.Request) bool {
	return h.API || h.own.Owns(r.URL.Path) || h.own.OwnsWellKnown(r)
}

// opens reports whether a request is open to everybody. A matcher that fails
// opens nothing, nor does one that does not match a path that the app may read as
// another: /x/..;/admin is not /admin/* to Caddy, and is to some app servers.
//
// A bypass opens pages and no WebSocket: many apps take a handshake at any path.
func (h *Handler) opens(r *http.Request, socket bool) bool {
	if !socket && unforwardable(r) {
		return false
	}
	if !socket && h.policy.Bypass.Opens(r.URL.Path, r.URL.EscapedPath) {
		return true
	}
	if len(h.match) == 0 || !policy.Plain(r.URL.Path) || r.URL.Opaque != "" {
		return false
	}
	guarded, err := h.match.AnyMatchWithError(r)
	return err == nil && !guarded
}

// admit returns who makes a request, if they may pass.
func (h *Handler) admit(r *http.Request, p *passage, socket bool) (guest, error) {
	site, ok := h.site.find(r)
	if !ok {
		return guest{}, handlers.Misdirected
	}
	g := p.known()
	if g.Visitor == nil {
		v, _, err := handlers.Visitor(p.presented(r), h.sessions, h.cookie, site.Origin)
		if err != nil {
			return guest{}, err
		}
		g = guest{v, site.Origin}
	}
	if !h.policy.Admits(g.Identity) {
		return guest{}, handlers.NotAdmitted
	}
	if !socket && unforwardable(r) {
		return guest{}, handlers.NotForwarded
	}
	if socket && elsewhere(r, site.Origin) {
		return guest{}, handlers.CrossOrigin
	}
	return g, nil
}

// introduce tells the app, and the handlers on the way there, who g is.
func (h *Handler) introduce(r *http.Request, g guest) error {
	var assertion string
	if h.asserts {
		var err error
		if assertion, err = h.sessions.Assertion(g.Visitor, g.origin, h.site.issuer(g.origin)); err != nil {
			return err
		}
	}
	h.headers.Set(r.Header, g.Visitor, assertion)
	place(r, g.Visitor)
	return nil
}

// place makes the visitor known to other handlers and to logs, as placeholders.
func place(r *http.Request, v *session.Visitor) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	repl.Map(func(key string) (any, bool) {
		name, ok := strings.CutPrefix(key, "http.auth.user.")
		if !ok {
			return nil, false
		}
		switch name {
		case "id":
			return v.Subject, true
		case "email":
			return v.Identity.Email, true
		case "groups":
			return strings.Join(v.Identity.Groups, ","), true
		case "session":
			return v.ID, true
		case "methods":
			return strings.Join(v.AMR(), " "), true
		}
		return nil, false
	})
}

// requestURI returns what the client asked for, before anything was rewritten.
func requestURI(r *http.Request) string {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return original.URL.RequestURI()
	}
	return r.URL.RequestURI()
}
