// Package handlers serves Doorward's own pages and endpoints, and tells the
// visitors whom the door refuses why and what to do about it. Each handler
// decodes a request, asks a ceremony, the sessions or the directory, and encodes
// the answer; no rule about who may do what lives here but one: what changes an
// account wants a recent sign-in.
//
// All routes stand in [Handlers.routes], and every error becomes an answer in
// problemOf.
package handlers

import (
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/web"
)

// Options is what [New] makes Handlers from. All fields but TokenHeader are
// required.
type Options struct {
	Path      string // where the endpoints live: "/doorward"
	Passcodes *ceremony.Passcodes
	Passkeys  *ceremony.Passkeys
	Sessions  *session.Sessions
	Keys      *session.KeySet
	Directory *directory.Directory
	Pages     *web.Pages
	Policy    policy.Union
	Cookie    session.Cookie
	Fresh     time.Duration // how long a sign-in is recent enough to change the account

	// TokenHeader delivers the session token to API clients in X-Auth-Token
	// instead of a cookie.
	TokenHeader bool

	// Site returns the site that a request is for, and false for a request under
	// a host that is not configured.
	Site func(r *http.Request) (ceremony.Site, bool)

	// ClientAddress returns the address that a request comes from.
	ClientAddress func(r *http.Request) string

	Logger *slog.Logger
	Now    func() time.Time
}

// Handlers serves everything under Path. It is safe for concurrent use.
type Handlers struct {
	o   Options
	mux *http.ServeMux
}

// New returns the Handlers of one door.
func New(o Options) *Handlers {
	h := &Handlers{o: o, mux: http.NewServeMux()}
	h.routes()
	return h
}

// routes is all that Doorward answers itself.
func (h *Handlers) routes() {
	h.handle("GET", "/login", h.loginPage)
	h.handle("POST", "/login", h.loginForm)
	h.handle("GET", "/login/passcode", h.passcodePage)
	h.handle("POST", "/login/passcode", h.passcodeForm)
	h.handle("POST", "/login/passcode/again", h.passcodeAgainForm)
	h.handle("GET", "/login/offer", h.offerPage)
	h.handle("POST", "/login/offer/later", h.offerLaterForm)
	h.handle("GET", "/signed-out", h.signedOutPage)

	h.handle("GET", "/account", h.accountPage)
	h.handle("POST", "/account/passkeys/rename", h.renamePasskeyForm)
	h.handle("POST", "/account/passkeys/remove", h.removePasskeyForm)
	h.handle("POST", "/account/sessions/end", h.endSessionForm)
	h.handle("POST", "/account/sessions/end-others", h.endOtherSessionsForm)

	h.handle("POST", "/passcode/login/initialize", h.passcodeInitialize)
	h.handle("POST", "/passcode/login/finalize", h.passcodeFinalize)
	h.handle("POST", "/webauthn/login/initialize", h.loginInitialize)
	h.handle("POST", "/webauthn/login/finalize", h.loginFinalize)
	h.handle("POST", "/webauthn/registration/initialize", h.registrationInitialize)
	h.handle("POST", "/webauthn/registration/finalize", h.registrationFinalize)
	h.handle("GET", "/webauthn/credentials", h.credentials)
	h.handle("PATCH", "/webauthn/credentials/{id}", h.renameCredential)
	h.handle("DELETE", "/webauthn/credentials/{id}", h.removeCredential)
	h.handle("GET", "/me", h.me)
	h.handle("GET", "/sessions", h.sessions)
	h.handle("DELETE", "/sessions/{id}", h.endSession)
	h.handle("POST", "/sessions/end-others", h.endOtherSessions)
	h.handle("POST", "/logout", h.logout)
	h.handle("GET", "/.well-known/jwks.json", h.jwks)
	h.handle("GET", "/health/alive", h.alive)
	h.handle("GET", "/health/ready", h.ready)
}

// An endpoint answers a request, or says what went wrong and leaves it to fail
// to say so to the visitor.
type endpoint func(w http.ResponseWriter, r *request) error

// request is a request to us: where it goes to and who makes it.
type request struct {
	*http.Request
	site ceremony.Site
}

func (h *Handlers) handle(method, path string, e endpoint) {
	h.mux.HandleFunc(method+" "+h.o.Path+path, func(w http.ResponseWriter, r *http.Request) {
		site, ok := h.o.Site(r)
		if !ok {
			h.fail(w, r, errMisdirected)
			return
		}
		if err := guard(r, site); err != nil {
			h.fail(w, r, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := e(w, &request{r, site}); err != nil {
			h.fail(w, r, err)
		}
	})
}

// Owns reports whether a path is one of ours, and so never the app's.
func (h *Handlers) Owns(path string) bool {
	rest, ok := strings.CutPrefix(path, h.o.Path)
	return ok && (rest == "" || rest[0] == '/')
}

// ServeHTTP answers a request to one of our paths. A panic is an answer of 500
// and a line in the log, never a request that goes on.
func (h *Handlers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, h.o.Path+"/static/") {
		h.o.Pages.Static().ServeHTTP(w, r)
		return
	}
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			h.o.Logger.Error("panic in a handler", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			h.fail(w, r, errPanic)
		} else if p != nil {
			panic(p)
		}
	}()
	h.protect(w)
	// Unknown paths and methods are not found, as for clients of the Hanko API,
	// and a path that is spelled oddly is not redirected to another one.
	if _, pattern := h.mux.Handler(r); pattern == "" || path.Clean(r.URL.Path) != r.URL.Path {
		h.fail(w, r, errNoRoute)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// visitor returns who makes a request, of those who are signed in. It returns an
// error that [session.Refused] knows for everybody else.
//
// The bearer token is tried first and then the cookie, each on its own: their
// claims are never mixed.
func (h *Handlers) visitor(r *request) (*session.Visitor, error) {
	v, _, err := Visitor(r.Request, h.o.Sessions, h.o.Cookie, r.site.Origin)
	return v, err
}

// Visitor returns who makes a request to the site at origin, and whether that is
// known from a bearer token.
func Visitor(r *http.Request, sessions *session.Sessions, cookie session.Cookie, origin string) (v *session.Visitor, bearer bool, err error) {
	fromBearer, fromCookie := cookie.Tokens(r.Header)
	if fromBearer != "" {
		v, err = sessions.Check(r.Context(), fromBearer, origin)
		if err == nil || !session.Refused(err) || fromCookie == "" {
			return v, true, err
		}
	}
	v, err = sessions.Check(r.Context(), fromCookie, origin)
	return v, false, err
}

// fresh returns the visitor if they signed in recently enough to change their
// account, and errNotFresh if they did not.
func (h *Handlers) fresh(r *request) (*session.Visitor, error) {
	v, err := h.visitor(r)
	if err != nil {
		return nil, err
	}
	if !v.Fresh(h.o.Now(), h.o.Fresh) {
		return nil, errNotFresh
	}
	return v, nil
}

// user returns the visitor's user.
func (h *Handlers) user(r *request, v *session.Visitor) (directory.User, error) {
	u, err := h.o.Directory.User(r.Context(), v.Subject)
	if err != nil {
		return directory.User{}, fmt.Errorf("looking up user: %w", err)
	}
	return u, nil
}

// logger returns where a request's events are logged to.
func (h *Handlers) logger() *slog.Logger { return h.o.Logger }
