// Package handlers serves Doorward's own pages and endpoints, and tells the
// visitors whom the door refuses why and what to do about it. Each handler
// decodes a request, asks a ceremony, the sessions or the directory, and encodes
// the answer; no rule about who may do what lives here but one: what changes an
// account wants a recent sign-in.
//
// All routes stand in [Handlers.routes], the files at the root of a host in
// [WellKnown], and every error becomes an answer in problemOf.
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

// Options is what [New] makes Handlers from. All fields but MayDelete, API and
// Apps are required.
type Options struct {
	Path      string // where the endpoints live: "/doorward"
	Passcodes *ceremony.Passcodes
	Passkeys  *ceremony.Passkeys
	Accounts  *ceremony.Accounts
	Sessions  *session.Sessions
	Keys      *session.KeySet
	Directory *directory.Directory
	Pages     *web.Pages
	Policy    policy.Union
	Cookie    session.Cookie
	Fresh     time.Duration // how long a sign-in is recent enough to change the account

	// MayDelete lets people delete their accounts.
	MayDelete bool

	// API says how programs, and scripts from other origins, are served.
	API API

	// Apps are the native apps that belong to the site.
	Apps Apps

	// Site returns the site that a request is for, and false for a request under
	// a host that is not configured.
	Site func(r *http.Request) (ceremony.Site, bool)

	// ClientAddress returns the address that a request comes from.
	ClientAddress func(r *http.Request) string

	Logger *slog.Logger
	Now    func() time.Time
}

// API is how programs, and scripts from other origins, are served.
type API struct {
	// Root has the endpoints at the root of the host, too, and answers every other
	// request to the host: nothing stands behind it.
	Root bool

	// Origins of web clients elsewhere, which may use the endpoints (CORS), as
	// browsers write them: "https://shop.example.com". They are as good as pages of
	// the site, so that each has to be trusted with its visitors' accounts.
	Origins []string

	// TokenHeader delivers the session token to programs, and to scripts that do not
	// ask for a cookie, in X-Auth-Token instead of a cookie.
	TokenHeader bool

	// Sites are the origins of other sites for which the sessions are good that
	// begin where Root is set.
	Sites []string
}

// Apps are the native apps that belong to a site.
type Apps struct {
	Android []AndroidApp
	IOS     []string // "TEAMID.bundle.id"
}

// An AndroidApp is an app and the certificates that it may be signed with. Those
// of Google Play and of the developer differ.
type AndroidApp struct {
	Package      string
	Fingerprints []string // SHA-256, as "AB:CD:..."
}

// Handlers serves everything under Path, and what belongs at the root of the
// host. It is safe for concurrent use.
type Handlers struct {
	o         Options
	mux       *http.ServeMux
	pages     map[string]bool // the patterns of mux that are for people
	wellKnown *WellKnown
}

// New returns the Handlers of one door, or of one API host.
func New(o Options) *Handlers {
	h := &Handlers{o: o, mux: http.NewServeMux(), pages: make(map[string]bool), wellKnown: NewWellKnown(o.Site, o.Apps)}
	h.mount()
	return h
}

// An endpoint answers a request, or says what went wrong and leaves it to fail
// to say so to the visitor.
type endpoint func(w http.ResponseWriter, r *request) error

// request is a request to us: where it goes to and who makes it.
type request struct {
	*http.Request
	site   ceremony.Site
	kind   kind
	bearer string // the session token of the visitor, where they presented it as such
}

// Owns reports whether a path is one of ours, and so never the app's.
func (h *Handlers) Owns(path string) bool {
	rest, ok := strings.CutPrefix(path, h.o.Path)
	return ok && (rest == "" || rest[0] == '/')
}

// ServeHTTP answers a request to one of our paths. A panic is an answer of 500
// and a line in the log, never a request that goes on.
func (h *Handlers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = identified(w, r)
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
	if h.wellKnown.Owns(r) {
		h.wellKnown.serve(w, r)
		return
	}
	if h.preflight(w, r) {
		return
	}
	// Unknown paths and methods are not found, as for clients of the Hanko API,
	// and a path that is spelled oddly is not redirected to another one.
	if _, pattern := h.mux.Handler(r); pattern == "" || path.Clean(r.URL.Path) != r.URL.Path {
		h.share(w, r) // clients ask for endpoints that we do not have
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
	v, bearer, err := Visitor(r.Request, h.o.Sessions, h.o.Cookie, r.site.Origin)
	if err == nil && bearer {
		r.bearer = session.Bearer(r.Header)
	}
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
