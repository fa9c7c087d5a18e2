package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/session"
)

func init() { caddy.RegisterModule(new(Handler)) }

// Handler is the door of one site: nobody passes to the handlers after it who
// has not signed in and is not allowed. It serves the sign-in pages itself,
// tells the app who a request comes from, and lets no client do so.
//
// With API it is a host for clients of Doorward's API, behind which there is no app;
// with WellKnown it is no door at all.
type Handler struct {
	// Allow says who may pass, and make an account: ann@example.com,
	// *@example.com (whoever has an address at that domain), group:admins, or *
	// (whoever has an e-mail address). Default: the users that an operator added,
	// and nobody else.
	Allow []string `json:"allow,omitempty"`

	// Bypass lists paths that are open to everybody: /healthz, which stands for
	// itself alone, or /static/*, which stands for all below it.
	Bypass []string `json:"bypass,omitempty"`

	// MatchRaw restricts the door to the requests that match; the others are open
	// to everybody. Identity headers of clients are removed from all of them.
	// Default: all requests.
	MatchRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// Headers names the headers that tell the app who a request comes from.
	Headers *Headers `json:"headers,omitempty"`

	// API makes the whole site Doorward's own: its endpoints at the root, as clients
	// of the Hanko API expect them, and the pages below the path. Allow says who may
	// sign in here, and nothing else goes with it. (In a Caddyfile: doorward_api.)
	API bool `json:"api,omitempty"`

	// WellKnown only answers what native apps and passkeys ask of the host of a
	// relying party (/.well-known/assetlinks.json and the like), and passes
	// everything else on to whoever asks. Nothing goes with it. (In a Caddyfile:
	// doorward_well_known.)
	WellKnown bool `json:"well_known,omitempty"`

	app      *App
	site     *site
	policy   policy.Policy
	match    caddyhttp.MatcherSets
	headers  *session.IdentityHeaders
	asserts  bool // whether the app gets an assertion
	shares   bool // whether another door stands on the same site
	cookie   session.Cookie
	sessions *session.Sessions  // set by open
	own      *handlers.Handlers // set by open

	wellKnown *handlers.WellKnown // instead of all that, of what is no door
}

// CaddyModule implements caddy.Module.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.doorward", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds out where the door stands and reads who may pass.
func (h *Handler) Provision(ctx caddy.Context) error {
	if err := h.checkKind(); err != nil {
		return err
	}
	app, err := ctx.App("doorward")
	if err != nil {
		return err
	}
	h.app = app.(*App)
	if h.site, err = findSite(ctx, h.app, h.WellKnown); err != nil {
		return err
	}
	if h.WellKnown {
		h.wellKnown = handlers.NewWellKnown(h.signpost, h.app.Apps.served())
		return nil
	}
	openings, err := h.site.checkOrder()
	if err != nil {
		return err
	}
	if err := h.checkRules(); err != nil {
		return err
	}
	matchers, err := ctx.LoadModule(h, "MatchRaw")
	if err != nil {
		return fmt.Errorf("loading matchers: %w", err)
	}
	if err := h.match.FromInterface(matchers); err != nil {
		return err
	}
	if judgesMethods(h.match) {
		h.headers.TakeMethodOverrides()
	}
	h.policy.Closed = h.app.API.Signup == signupClosed
	h.cookie = session.NewCookie(h.app.Session.Cookie, !h.site.plainHTTP())
	if h.app.register(h) {
		for _, o := range openings {
			ctx.Slogger().Warn("part of a site is open to everybody: no doorward is asked there, and clients may send identity headers",
				"site", strings.Join(h.site.hosts, ", "), "open", o.String())
		}
	}
	return nil
}

// checkRules reads who may pass, what is open and how headers are called.
func (h *Handler) checkRules() (err error) {
	if h.policy.Allow, err = policy.ParseAllow(h.Allow, canonical); err != nil {
		return fmt.Errorf("allow: %w", err)
	}
	if h.policy.Bypass, err = policy.ParseBypass(h.Bypass); err != nil {
		return err
	}
	names, err := h.Headers.names()
	if err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	h.headers, h.asserts = session.NewIdentityHeaders(names), names.Token != ""
	h.headers.FromProxy = fromProxy
	return nil
}

// canonical implements policy.Canonical with the directory's rules.
func canonical(address string) (string, string, error) {
	a, err := directory.ParseAddress(address)
	if err != nil {
		return "", "", err
	}
	return string(a), a.Domain(), nil
}

// open makes the door ready for requests. The doors of one site sign in for each
// other: whoever one of them admits may sign in at any.
func (h *Handler) open(same []*Handler) {
	var policies policy.Union
	for _, d := range same {
		policies = append(policies, &d.policy)
	}
	h.shares = len(same) > 1
	h.sessions = h.app.core.sessions
	h.own = handlers.New(handlers.Options{
		Path:          h.app.Path,
		Passcodes:     h.app.core.passcodes,
		Passkeys:      h.app.core.passkeys,
		Accounts:      h.app.core.accounts,
		Sessions:      h.sessions,
		Keys:          h.app.core.keys,
		Directory:     h.app.directory.Directory,
		Pages:         h.app.pages,
		Policy:        policies,
		Cookie:        h.cookie,
		Fresh:         orDefault(h.app.Session.Fresh, 15*time.Minute),
		MayDelete:     h.app.Account.Deletion,
		API:           h.app.API.served(h.API),
		Apps:          h.app.Apps.served(),
		Site:          h.site.find,
		ClientAddress: clientAddress,
		Logger:        h.app.logger,
		Now:           now,
	})
}

// clientAddress returns the address that a request comes from. It is the only
// place that reads it: Caddy's trusted_proxies decide whether a header counts.
func clientAddress(r *http.Request) string {
	if ip, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok && ip != "" {
		return ip
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
