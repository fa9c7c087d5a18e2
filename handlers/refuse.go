package handlers

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/doorward/doorward/session"
)

// Refuse answers a request that the door does not let through to the app. uri is
// what the client asked for, before any rewriting. err says why: one that
// [session.Refused] knows, [NotAdmitted], or a failure.
//
// A person's browser is sent to sign in; everything else (a fetch, a WebSocket
// handshake, an event stream, a manifest) gets a problem document, and a gRPC call
// a status of its own kind.
func (h *Handlers) Refuse(w http.ResponseWriter, r *http.Request, uri string, err error) {
	r = identified(w, r)
	if kind := callKind(r); kind != "" {
		h.refuseCall(w, r, kind, err)
		return
	}
	h.protect(w)
	if !session.Refused(err) {
		h.fail(w, r, err)
		return
	}
	// The token is no good any more: the browser need not send it again. Where we
	// failed to find out, it keeps it; and it keeps one that was no good from the
	// beginning until the sign-in page has said what is wrong with it.
	_, fromCookie := h.o.Cookie.Tokens(r.Header)
	explained := Navigation(r) && h.o.Cookie.Beside(r, cookieBegan) != "" && !errors.Is(err, session.ErrEnded)
	if fromCookie != "" && !explained {
		h.forget(w)
	}
	if !Navigation(r) {
		h.fail(w, r, err)
		return
	}
	h.log(r, problemOf(err), err)
	_ = redirect(w, h.loginURL(h.returnTarget(h.wanted(r, uri))))
}

// wanted returns where a visitor wants to be after signing in: where they were
// going, or, if they were sending a form, where they came from.
func (h *Handlers) wanted(r *http.Request, uri string) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return uri
	}
	from, err := url.Parse(r.Referer())
	if err != nil || from.Host != r.Host {
		return "/"
	}
	return from.RequestURI()
}

// NotAdmitted is why somebody who is signed in is not let through.
var NotAdmitted = errNotAdmitted

// CrossOrigin is why a WebSocket handshake is refused that another site's page
// made.
var CrossOrigin = errCrossOrigin

// Misdirected is why a request is refused that came under a host that is not
// configured.
var Misdirected = errMisdirected

// NotForwarded is why a request is refused whose method no app behind a door is asked
// with.
var NotForwarded = errNoRoute

// Unready is why a request is refused that came before Doorward was ready.
var Unready = errUnready
