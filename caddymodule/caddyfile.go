package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("doorward", parseApp)
	httpcaddyfile.RegisterDirective("doorward", parseDirective)
	httpcaddyfile.RegisterDirective("doorward_api", parseAPIDirective)
	httpcaddyfile.RegisterDirective("doorward_well_known", parseWellKnownDirective)
	// Rewrites come first, so that the door judges the path that the app will
	// see; what answers with the app's content comes after.
	httpcaddyfile.RegisterDirectiveOrder("doorward_api", httpcaddyfile.Before, "basic_auth")
	httpcaddyfile.RegisterDirectiveOrder("doorward", httpcaddyfile.Before, "basic_auth")
	// Who asks for the well-known files of a domain follows no redirect, and the
	// site of a bare domain often is one to www.
	httpcaddyfile.RegisterDirectiveOrder("doorward_well_known", httpcaddyfile.Before, "redir")
}

// parseApp parses the global option:
//
//	doorward {
//		secret    <secret...>
//		store     embedded[:<path>] | <redis-url> {
//			user              <name>
//			password          <password>
//			prefix            <prefix>
//			sentinel_user     <name>
//			sentinel_password <password>
//			tls {
//				ca          <pem-file>
//				certificate <pem-file> <key-file>
//				server_name <name>
//			}
//			pool_size    <number>
//			dial_timeout <duration>
//			timeout      <duration>
//			pool_timeout <duration>
//			wait         <replicas> [<duration>]
//		}
//		directory embedded[:<path>] | <postgres-url> {
//			user            <name>
//			password        <password>
//			max_connections <number>
//		}
//		mail      log | <smtp-url> {
//			from     <sender>
//			user     <name>
//			password <password>
//			ca       <pem-file>
//		}
//		relying_party <domain> {
//			name    <name>
//			origins <origin...>
//		}
//		session {
//			lifetime           <duration>
//			idle               <duration>
//			fresh              <duration>
//			check_interval     <duration>
//			assertion_lifetime <duration>
//			cookie             <name>
//			algorithm          ES256 | EdDSA | RS256
//			rotate_keys        <duration>
//		}
//		passcode {
//			digits   <number>
//			lifetime <duration>
//			attempts <number>
//		}
//		passkey {
//			user_verification preferred | required | discouraged
//		}
//		limits {
//			letters         <times> <duration>
//			passcodes       <times> <duration>
//			tries           <times> <duration>
//			wrong_passcodes <times> <duration>
//			network_tries   <times> <duration>
//			lookups         <times> <duration>
//			signups         <times> <duration>
//			new_addresses   <times> <duration>
//			address_changes <times> <duration>
//			passkey_logins  <times> <duration>
//			new_passkeys    <times> <duration>
//		}
//		pages {
//			name   <name>
//			logo   <path-or-url>
//			accent "#rrggbb"
//		}
//		path <path>
//		api {
//			cors           <origin...>
//			token_header   on | off
//			sites          <origin...>
//			signup         open | closed
//			account_lookup on | off
//		}
//		account {
//			deletion      on | off
//			max_addresses <number>
//		}
//		apps {
//			android <package> <sha256-fingerprint...>
//			ios     <team-id>.<bundle-id>...
//		}
//	}
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // doorward
	if existing != nil {
		return nil, d.Err("the global option doorward is given twice")
	}
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	a := new(App)
	err := options{
		"secret":        texts(&a.Secrets),
		"store":         {parse: a.parseStore},
		"directory":     {parse: a.parseDirectory},
		"mail":          {parse: a.parseMail},
		"relying_party": {parse: a.parseRelyingParty, repeats: true},
		"session": options{"session": block(options{
			"lifetime":           duration(&a.Session.Lifetime),
			"idle":               duration(&a.Session.Idle),
			"fresh":              duration(&a.Session.Fresh),
			"check_interval":     duration(&a.Session.CheckInterval),
			"assertion_lifetime": duration(&a.Session.AssertionLifetime),
			"cookie":             text(&a.Session.Cookie),
			"algorithm":          choice(&a.Session.Algorithm, "ES256", "EdDSA", "RS256"),
			"rotate_keys":        duration(&a.Session.RotateKeys),
			"token_header":       moved("api { token_header on }"),
		}.checked(a.validate))}.checked(a.validateSession)["session"],
		"passcode": block(options{
			"digits":   number(&a.Passcode.Digits),
			"lifetime": duration(&a.Passcode.Lifetime),
			"attempts": number(&a.Passcode.Attempts),
		}.checked(a.validate)),
		"passkey": block(options{
			"user_verification": choice(&a.Passkey.UserVerification, "preferred", "required", "discouraged"),
		}),
		"limits": a.parseLimits(),
		"pages": block(options{
			"name":   text(&a.Pages.Name),
			"logo":   text(&a.Pages.Logo),
			"accent": color(&a.Pages.Accent),
		}.checked(a.checkPages)),
		"token_header": moved("api { token_header on }"),
		"path":         options{"path": text(&a.Path)}.checked(a.checkPages)["path"],
		"api":          a.parseAPI(),
		"account":      a.parseAccount(),
		"apps":         a.parseApps(),
	}.parse(d)
	if err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "doorward", Value: caddyconfig.JSON(a, nil)}, nil
}

func (a *App) parseStore(d *caddyfile.Dispenser) error {
	s := new(Store)
	a.Store = s
	if err := text(&s.URL).parse(d); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return d.WrapErr(err)
	}
	err := options{
		"user":              text(&s.User),
		"password":          text(&s.Password),
		"prefix":            text(&s.Prefix),
		"sentinel_user":     text(&s.SentinelUser),
		"sentinel_password": text(&s.SentinelPassword),
		"tls":               {parse: s.parseTLS},
		"pool_size":         number(&s.PoolSize),
		"dial_timeout":      duration(&s.DialTimeout),
		"timeout":           duration(&s.Timeout),
		"pool_timeout":      duration(&s.PoolTimeout),
		"wait":              {parse: s.parseWait},
	}.checked(s.validate).parse(d)
	if err != nil {
		return err
	}
	if err := s.whole(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (s *Store) parseTLS(d *caddyfile.Dispenser) error {
	s.TLS = new(TLS)
	return block(options{
		"ca":          text(&s.TLS.CA),
		"certificate": {parse: s.TLS.parseCertificate},
		"server_name": text(&s.TLS.ServerName),
	}).parse(d)
}

func (t *TLS) parseCertificate(d *caddyfile.Dispenser) error {
	if !d.Args(&t.Certificate, &t.Key) {
		return d.Err("certificate wants two files: the certificate and its private key")
	}
	return noMore(d)
}

func (s *Store) parseWait(d *caddyfile.Dispenser) error {
	s.Wait = new(Wait)
	if err := readNumber(d, &s.Wait.Replicas); err != nil || d.CountRemainingArgs() == 0 {
		return err
	}
	return duration(&s.Wait.Timeout).parse(d)
}

func (a *App) parseDirectory(d *caddyfile.Dispenser) error {
	to := new(Directory)
	a.Directory = to
	if err := text(&to.URL).parse(d); err != nil {
		return err
	}
	if err := to.validate(); err != nil {
		return d.WrapErr(err)
	}
	return options{
		"user":            text(&to.User),
		"password":        text(&to.Password),
		"max_connections": number(&to.MaxConnections),
	}.checked(to.validate).parse(d)
}

func (a *App) parseMail(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	a.Mail = &Mail{}
	if d.Val() == "log" {
		a.Mail.Log = true
	} else {
		a.Mail.URL = d.Val()
	}
	if err := noMore(d); err != nil {
		return err
	}
	err := options{
		"from":     text(&a.Mail.From),
		"user":     text(&a.Mail.User),
		"password": text(&a.Mail.Password),
		"ca":       text(&a.Mail.CA),
	}.parse(d)
	if err != nil {
		return err
	}
	if err := a.Mail.validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *App) parseRelyingParty(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	rp := RelyingParty{ID: d.Val()}
	for _, other := range a.RelyingParties {
		if other.ID == rp.ID {
			return d.Errf("relying_party %s is given twice", rp.ID)
		}
	}
	if err := noMore(d); err != nil {
		return err
	}
	err := options{"name": text(&rp.Name), "origins": texts(&rp.Origins)}.parse(d)
	if err != nil {
		return err
	}
	if err := rp.validate(); err != nil {
		return d.WrapErr(err)
	}
	a.RelyingParties = append(a.RelyingParties, rp)
	return nil
}

// parseDirective parses the directive:
//
//	doorward [<matcher>] {
//		allow  <address> | *@<domain> | group:<name> | *   ...
//		bypass <path> | <path>/*                           ...
//		headers {
//			token | user | email | name | groups  <header> | off
//		}
//	}
//
// The matcher becomes part of the handler rather than of its route: the sign-in
// pages have to be there whatever it says, and a client's identity headers are
// removed from the requests that it leaves open, too.
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matchers, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, h.WrapErr(err)
	}
	handler := new(Handler)
	if len(matchers) > 0 {
		handler.MatchRaw = caddyhttp.RawMatcherSets{matchers}
	}
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return h.NewRoute(nil, handler), nil
}

// UnmarshalCaddyfile implements caddyfile.Unmarshaler; parseDirective has the
// grammar.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // doorward
	if d.NextArg() {
		return d.Errf("%q: a path or named matcher stands first, and whom to allow stands in the block: doorward { allow %s }", d.Val(), d.Val())
	}
	h.Headers = new(Headers)
	err := options{
		"allow":  texts(&h.Allow),
		"bypass": texts(&h.Bypass),
		"api":    moved("the global option doorward { api }"),
		"headers": block(options{
			"token":  text(&h.Headers.Token),
			"user":   text(&h.Headers.User),
			"email":  text(&h.Headers.Email),
			"name":   text(&h.Headers.Name),
			"groups": text(&h.Headers.Groups),
		}.checked(h.checkRules)),
	}.checked(h.checkRules).parse(d)
	if *h.Headers == (Headers{}) {
		h.Headers = nil
	}
	return err
}

// Interface guards.
var (
	_ caddyfile.Unmarshaler = (*Handler)(nil)
	_ caddy.Module          = (*Handler)(nil)
)
