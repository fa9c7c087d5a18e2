// Package caddymodule makes Doorward a part of Caddy. It is all that knows
// Caddy: the app (what is shared between sites), the directive (the door of one
// site, and the hot path), their Caddyfile grammar, the admin API, and the
// sub-commands. It translates; what a sign-in is, and who may pass, the other
// packages know.
//
// Four facts of Caddy's life cycle shape it. A new configuration is provisioned
// and started before the old one is stopped, so nothing here is exclusive, and
// connections live in a pool. Cleanup runs also after a failed Provision, so each
// acquisition notes its undo at once. caddy validate provisions, so Provision
// writes nothing. And apps start in no order that one could rely on, so a request
// may come before Start: it waits until the app is ready.
package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/web"
)

func init() { caddy.RegisterModule(new(App)) }

// App is what Doorward shares between the sites that it guards: the store, the
// directory of users, the mail queue, and how people sign in. Everything is
// optional: without configuration all state lives in Caddy's data directory.
type App struct {
	// Secrets from which all keys are derived, each of 32 bytes or more, newest
	// first: the first seals, all open. Placeholders such as
	// {env.DOORWARD_SECRET} and {file./run/secrets/doorward} are replaced.
	// Default: one that is made at the first start and kept in the data
	// directory. All nodes that share a store or a directory share the secret.
	Secrets []string `json:"secrets,omitempty"`

	// Store says where what expires is kept: challenges, passcodes, counters,
	// sessions. Default: embedded.
	Store *Store `json:"store,omitempty"`

	// Directory says where what lasts is kept: users, passkeys, signing keys.
	// Default: embedded.
	Directory *Directory `json:"directory,omitempty"`

	// Mail says how letters are sent.
	Mail *Mail `json:"mail,omitempty"`

	// RelyingParties that sites share. Default: each site is one by itself.
	RelyingParties []RelyingParty `json:"relying_parties,omitempty"`

	// Session says how long people stay signed in.
	Session Session `json:"session,omitzero"`

	// Passcode says what passcodes are like.
	Passcode Passcode `json:"passcode,omitzero"`

	// Passkey says what is asked of passkeys.
	Passkey Passkey `json:"passkey,omitzero"`

	// Limits bound what strangers, and people, can do within a time.
	Limits Limits `json:"limits,omitzero"`

	// API says how programs, native apps and scripts of other sites are served.
	API API `json:"api,omitzero"`

	// Account says what people may do to their own accounts.
	Account Account `json:"account,omitzero"`

	// Apps are the native apps that belong to the sites.
	Apps Apps `json:"apps,omitzero"`

	// Pages says what the pages look like.
	Pages Pages `json:"pages,omitzero"`

	// Path is where Doorward's own pages and endpoints live on every site.
	// Default: /doorward.
	Path string `json:"path,omitempty"`

	logger *slog.Logger
	undo   []func() error

	parties []ceremony.RelyingParty // those that are configured

	store     *pooledStore
	streams   *pooledStreams
	directory *pooledDirectory
	outbox    ceremony.Outbox
	mailLog   *currentLog  // of the outbox, if there is one
	ring      *secret.Ring // nil until Start if the secret is in the data directory
	pages     *web.Pages
	letters   *mail.Letters

	core  *core
	ready chan struct{} // closed when requests can be served
	gone  chan struct{} // closed by giveUp, when they never will be

	giveUp func()

	mu    sync.Mutex
	doors []*Handler
	names []session.Headers // of the doors' headers, each set once
}

// core is what Start makes: all that needs the secret or an open database.
type core struct {
	sessions  *session.Sessions
	keys      *session.KeySet
	passcodes *ceremony.Passcodes
	passkeys  *ceremony.Passkeys
	accounts  *ceremony.Accounts
}

// CaddyModule implements caddy.Module.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "doorward", New: func() caddy.Module { return new(App) }}
}

// Provision fills in defaults and takes connections from the pool. It opens none
// and writes nothing.
func (a *App) Provision(ctx caddy.Context) error {
	a.logger = ctx.Slogger()
	a.ready, a.gone = make(chan struct{}), make(chan struct{})
	a.giveUp = sync.OnceFunc(func() { close(a.gone) })
	if a.Path == "" {
		a.Path = "/doorward"
	}
	if err := errors.Join(a.validate(), a.validateSession()); err != nil {
		return err
	}
	a.makeParties()
	for _, step := range []func() error{a.provisionSecret, a.provisionStore, a.provisionStreams, a.provisionDirectory, a.provisionMail, a.provisionPages} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// startTimeout bounds how long the backends may take to answer at the start.
const startTimeout = 30 * time.Second

// letterSpread is how long a letter with a passcode may wait for its turn: nothing to
// its reader, and long enough that what sending it costs does not show in the time of
// the answer that follows.
const letterSpread = 500 * time.Millisecond

// Start opens the backends, makes what is missing (tables, the secret, the first
// key) and lets requests in. If it fails, the requests that wait for it are
// refused at once: the server that holds them is stopped next, and would wait
// for them.
func (a *App) Start() error {
	err := a.start()
	if err != nil {
		a.giveUp()
	}
	return err
}

// start opens the directory first: which secret is the right one can be seen from
// the keys in there, before anything is made or sealed with another.
func (a *App) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := a.directory.Open(ctx); err != nil {
		return err // it says what it was doing
	}
	if a.ring == nil {
		if err := a.loadSecret(ctx); err != nil {
			return err
		}
	}
	if err := a.makeCore(); err != nil {
		return err
	}
	if err := a.openKeys(ctx); err != nil {
		return err
	}
	if err := a.store.open(ctx); err != nil {
		return fmt.Errorf("opening store: %w", err)
	}
	if err := a.listen(); err != nil {
		return err
	}
	if a.mailLog != nil {
		undo := a.mailLog.follow(a.logger)
		a.undo = append(a.undo, func() error { undo(); return nil })
	}
	a.judgeStreams()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.doors {
		d.open(a.siblings(d))
	}
	close(a.ready)
	if a.Mail == nil {
		a.logger.Warn("no mail is configured: nobody can be sent a passcode; add mail to the doorward global option")
	}
	a.warnOfSites()
	a.warnOfTrust()
	return nil
}

// warnOfSites tells of what is configured for sites that are not there: it is
// valid, since another Caddy may have them, and mostly a slip. a.mu must be held.
func (a *App) warnOfSites() {
	if len(a.API.Sites) > 0 && !slices.ContainsFunc(a.doors, func(d *Handler) bool { return d.API }) {
		a.logger.Warn("api sites does nothing here: it is for sessions that begin at a doorward_api host, and this configuration has none",
			"sites", strings.Join(a.API.Sites, ", "))
	}
	for _, origin := range a.API.Sites {
		_, authority, _ := strings.Cut(origin, "://")
		asked := &http.Request{Host: authority}
		if !slices.ContainsFunc(a.doors, func(d *Handler) bool {
			site, ok := d.site.find(asked)
			return ok && site.Origin == origin && !d.API
		}) {
			a.logger.Warn("no door here stands at a site of api sites: look at its scheme and port, unless another Caddy serves it", "site", origin)
		}
	}
	for _, rp := range a.RelyingParties {
		if len(a.doors) > 0 && !slices.ContainsFunc(a.doors, func(d *Handler) bool {
			return slices.ContainsFunc(d.site.hosts, func(host string) bool { return inDomain(strings.TrimPrefix(host, "*."), rp.ID) })
		}) {
			a.logger.Warn("no site here is in the domain of a relying party: each has passkeys of its own", "relying_party", rp.ID)
		}
	}
}

// listen hears what other nodes end and change, until Cleanup.
func (a *App) listen() error {
	running, stop := context.WithCancel(context.Background())
	a.undo = append(a.undo, func() error { stop(); return nil })
	if err := a.core.sessions.Listen(running); err != nil {
		return err
	}
	written := a.core.sessions.Follow(running, func(err error) {
		if err != nil {
			a.logger.Error("sessions cannot be kept up: until they can be, the store is asked for each", "error", err.Error())
			return
		}
		a.logger.Info("sessions are kept up again")
	})
	a.undo = append(a.undo, func() error { stop(); written(); return nil })
	return a.core.keys.Follow(running, func(err error) {
		if err != nil {
			a.logger.Error("signing keys cannot be read: those that are known go on", "error", err.Error())
			return
		}
		a.logger.Info("signing keys can be read again")
	})
}

// makeCore makes what signs people in.
func (a *App) makeCore() error {
	kept := store.Sealed(a.store, a.ring.Sealer("store"))
	lifetime := orDefault(a.Session.Lifetime, 12*time.Hour)
	keys, err := session.NewKeySet(session.KeyOptions{
		Storage:       keyStorage{a.directory.Directory},
		Sealer:        a.ring.Sealer("signing keys"),
		Store:         kept,
		Algorithm:     a.Session.Algorithm,
		RotateEvery:   time.Duration(a.Session.RotateKeys),
		TokenLifetime: lifetime,
		Now:           now,
	})
	if err != nil {
		return err
	}
	a.core = &core{
		keys: keys,
		sessions: session.New(session.Options{
			Store:             kept,
			Keys:              keys,
			Identities:        handlers.Identities{Directory: a.directory.Directory, Now: now},
			Lifetime:          lifetime,
			Idle:              time.Duration(a.Session.Idle),
			CheckInterval:     time.Duration(a.Session.CheckInterval),
			AssertionLifetime: time.Duration(a.Session.AssertionLifetime),
			Streams:           a.streams.Streams,
			Now:               now,
		}),
		passcodes: ceremony.NewPasscodes(ceremony.PasscodeOptions{
			Store: kept, Directory: a.directory.Directory, Letters: a.letters, Outbox: a.outbox,
			MAC: a.ring.MAC("passcode"), Browsers: a.ring.MAC("known browser"),
			Lookup: a.API.AccountLookup, Budgets: a.Limits.ofPasscodes(),
			Digits: a.Passcode.Digits, Lifetime: time.Duration(a.Passcode.Lifetime), Attempts: a.Passcode.Attempts, Spread: letterSpread,
			Now: now,
		}),
		passkeys: ceremony.NewPasskeys(ceremony.PasskeyOptions{
			Store: kept, Directory: a.directory.Directory, Letters: a.letters, Outbox: a.outbox,
			UserVerification: a.Passkey.UserVerification,
			Begun:            a.Limits.PasskeyLogins.budget(), Registrations: a.Limits.NewPasskeys.budget(),
			Now: now,
		}),
		accounts: ceremony.NewAccounts(ceremony.AccountOptions{
			Store: kept, Directory: a.directory.Directory, Letters: a.letters, Outbox: a.outbox,
			Lookup: a.API.AccountLookup, Closed: a.API.Signup == signupClosed, MaxAddresses: a.Account.MaxAddresses,
			Lookups: a.Limits.Lookups.budget(), SignUps: a.Limits.Signups.budget(),
			Additions: a.Limits.NewAddresses.budget(), Changes: a.Limits.AddressChanges.budget(),
			Now: now,
		}),
	}
	return nil
}

func orDefault(d caddy.Duration, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return time.Duration(d)
}

// Stop has nothing to do. Requests that are being served go on, on the way out for
// as long as the grace period is, and so does what ends an open stream among them
// when its session ends: all of it is Cleanup's, which comes after every Stop.
func (a *App) Stop() error { return nil }

// Cleanup undoes what Provision did, backwards, as far as it came.
func (a *App) Cleanup() error {
	if a.giveUp != nil {
		a.giveUp()
	}
	var failures []error
	for _, undo := range slices.Backward(a.undo) {
		failures = append(failures, undo())
	}
	a.undo = nil
	return errors.Join(failures...)
}

// awaitReady waits until requests can be served, and reports whether they can.
// Once they can, it costs next to nothing.
func (a *App) awaitReady(ctx context.Context) bool {
	select {
	case <-a.ready:
		return true
	default:
		return a.wait(ctx)
	}
}

func (a *App) wait(ctx context.Context) bool {
	select {
	case <-a.ready:
		return true
	case <-a.gone:
	case <-ctx.Done():
	case <-time.After(startTimeout):
	}
	return false
}

// register adds the door of a site, which opens when the app starts, and reports
// whether it is the first there.
func (a *App) register(h *Handler) (first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first = len(a.siblings(h)) == 0
	if !slices.ContainsFunc(a.doors, func(d *Handler) bool { return d.site.server == h.site.server }) {
		noteConnections(h.site.server)
	}
	a.doors = append(a.doors, h)
	a.shareNames(h)
	return first
}

// shareNames has each door remove the identity headers of all: two may lead to
// one app. It is done as long as no request can have come, which is before any
// app starts. a.mu must be held.
func (a *App) shareNames(h *Handler) {
	own := h.headers.Names()
	if !slices.Contains(a.names, own) {
		a.names = append(a.names, own)
		for _, d := range a.doors {
			d.headers.Take(own)
		}
	}
	for _, names := range a.names {
		if names != own {
			h.headers.Take(names)
		}
	}
}

// siblings returns the registered doors that stand on the same site as h. a.mu
// must be held.
func (a *App) siblings(h *Handler) []*Handler {
	var same []*Handler
	for _, d := range a.doors {
		if d.site.same(h.site) {
			same = append(same, d)
		}
	}
	return same
}

func firstNonEmpty(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
	_ session.KeyStorage = keyStorage{}
	_ ceremony.Outbox    = (*pooledOutbox)(nil)
)
