package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/doorward/doorward/session"
)

// Mail says how letters are sent. Exactly one of URL and Log is wanted; without
// either nobody can be sent a passcode.
type Mail struct {
	// URL of the SMTP server:
	//
	//	smtp://user:password@host:587    STARTTLS, required
	//	smtps://user:password@host:465   TLS from the start
	//	smtp://localhost:25?starttls=off a relay on this machine
	//
	// Placeholders such as {env.SMTP_PASSWORD} are replaced.
	URL string `json:"url,omitempty"`

	// From is the sender: "Example <no-reply@example.com>". Required with URL.
	From string `json:"from,omitempty"`

	// User stands in for the one in the URL, where it would have to be
	// percent-encoded. Placeholders are replaced.
	User string `json:"user,omitempty"`

	// Password stands in for the one in the URL, as User does.
	Password string `json:"password,omitempty"`

	// CA is the path of a PEM file with the authorities to trust instead of the
	// system's.
	CA string `json:"ca,omitempty"`

	// Log writes letters into the log instead, passcodes and all: to try Doorward
	// out on one's own machine. Whoever reads the log can sign in as anybody.
	Log bool `json:"log,omitempty"`
}

// RelyingParty names whom passkeys are made for (WebAuthn L3, section 4). Sites
// under its domain share passkeys. A site under none of the configured relying
// parties is one by itself, under its own host.
type RelyingParty struct {
	// ID is a domain: the host of the sites, or one above it. It can never
	// change without losing all passkeys.
	ID string `json:"id,omitempty"`

	// Name is what people see when they make a passkey. Default: the name of the
	// pages, or the ID.
	Name string `json:"name,omitempty"`

	// Origins beside the sites' own from which passkeys may be used: web origins
	// such as https://www.example.org, which the browser must find listed as
	// related origins, and native apps as android:apk-key-hash:... It is also
	// where the public origin of a site is said that Caddy serves without TLS,
	// behind a proxy that has it.
	Origins []string `json:"origins,omitempty"`
}

// Session says how long people stay signed in, and what their tokens are like.
type Session struct {
	// Lifetime is after how long everybody has to sign in again. Default: 12h.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// Idle is after how long without a request a session ends. Default: 1h.
	Idle caddy.Duration `json:"idle,omitempty"`

	// Fresh is how long a sign-in is recent enough to change passkeys. Default:
	// 15m.
	Fresh caddy.Duration `json:"fresh,omitempty"`

	// CheckInterval is how long a node goes on with the sessions that it knows when it
	// cannot read in the store what was ended, and so the longest that an ended one
	// passes on a node that could not be told. Default: 5s.
	CheckInterval caddy.Duration `json:"check_interval,omitempty"`

	// AssertionLifetime is how long the app may rely on an X-Auth-Token. Default:
	// 5m.
	AssertionLifetime caddy.Duration `json:"assertion_lifetime,omitempty"`

	// Cookie is the name of the session cookie. Default: __Host-doorward, and
	// doorward for plain http on localhost.
	Cookie string `json:"cookie,omitempty"`

	// Algorithm signs the tokens: ES256 (default), EdDSA or RS256.
	Algorithm string `json:"algorithm,omitempty"`

	// RotateKeys is how long a signing key signs. Default: 2160h (90 days).
	RotateKeys caddy.Duration `json:"rotate_keys,omitempty"`
}

// Passcode says what passcodes are like.
type Passcode struct {
	// Digits of a passcode, 6 to 10. Default: 6.
	Digits int `json:"digits,omitempty"`

	// Lifetime is how long a passcode is good, at most 10m. Default: 5m.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// Attempts at one passcode, at most 5. Default: 3.
	Attempts int64 `json:"attempts,omitempty"`
}

// Passkey says what is asked of passkeys.
type Passkey struct {
	// UserVerification is preferred (default), required or discouraged.
	UserVerification string `json:"user_verification,omitempty"`
}

// Pages says what the pages look like that people see.
type Pages struct {
	// Name of the site or company.
	Name string `json:"name,omitempty"`

	// Logo is a path that is open to everybody, or an https URL.
	Logo string `json:"logo,omitempty"`

	// Accent is the color of buttons and links, as #rrggbb. (In a Caddyfile in
	// quotes: there, # begins a comment.)
	Accent string `json:"accent,omitempty"`
}

// Headers names the headers that tell the app who a request comes from. An empty
// name is the default one; "off" leaves the header out.
type Headers struct {
	// Token has the assertion. Default: X-Auth-Token.
	Token string `json:"token,omitempty"`

	// User has the e-mail address, as the login name. Default: Remote-User.
	User string `json:"user,omitempty"`

	// Email has the e-mail address. Default: Remote-Email.
	Email string `json:"email,omitempty"`

	// Name has the display name. Default: Remote-Name.
	Name string `json:"name,omitempty"`

	// Groups has the groups, separated by commas. Default: Remote-Groups.
	Groups string `json:"groups,omitempty"`
}

// headerOff leaves an identity header out.
const headerOff = "off"

// names returns the header names with defaults filled in.
func (h *Headers) names() (session.Headers, error) {
	names := session.DefaultHeaders
	if h == nil {
		return names, nil
	}
	taken := make(map[string]bool)
	for _, f := range []struct {
		configured string
		name       *string
	}{{h.Token, &names.Token}, {h.User, &names.User}, {h.Email, &names.Email}, {h.Name, &names.Name}, {h.Groups, &names.Groups}} {
		if f.configured != "" {
			*f.name = f.configured
		}
		if *f.name == headerOff {
			*f.name = ""
			continue
		}
		canonical := http.CanonicalHeaderKey(*f.name)
		switch {
		case !isToken(*f.name):
			return session.Headers{}, fmt.Errorf("%q is not a header name", *f.name)
		case slices.Contains(reserved, canonical):
			return session.Headers{}, fmt.Errorf("%s has a meaning of its own and cannot carry an identity", canonical)
		case taken[canonical]:
			return session.Headers{}, fmt.Errorf("%s is wanted for two things", canonical)
		}
		taken[canonical] = true
	}
	return names, nil
}

// reserved are headers that requests need: clients' own are removed.
var reserved = []string{"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Host", "Origin", "Transfer-Encoding", "Upgrade"}

// isToken reports whether s is a token as header names are (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// validateSession returns what is wrong with the settings of sessions together.
func (a *App) validateSession() error {
	if lifetime := orDefault(a.Session.Lifetime, 12*time.Hour); time.Duration(a.Session.Idle) > lifetime {
		return fmt.Errorf("session idle (%v) is longer than session lifetime (%v)", time.Duration(a.Session.Idle), lifetime)
	}
	return nil
}

// validate returns what is wrong with the settings that have bounds, each by
// itself.
func (a *App) validate() error {
	for _, d := range []struct {
		name     string
		value    caddy.Duration
		min, max time.Duration
	}{
		{"session lifetime", a.Session.Lifetime, time.Minute, 90 * 24 * time.Hour},
		{"session idle", a.Session.Idle, time.Minute, 90 * 24 * time.Hour},
		{"session fresh", a.Session.Fresh, time.Minute, 24 * time.Hour},
		{"session check_interval", a.Session.CheckInterval, 100 * time.Millisecond, time.Minute},
		{"session assertion_lifetime", a.Session.AssertionLifetime, 30 * time.Second, time.Hour},
		{"session rotate_keys", a.Session.RotateKeys, 48 * time.Hour, 2 * 365 * 24 * time.Hour},
		{"passcode lifetime", a.Passcode.Lifetime, 30 * time.Second, 10 * time.Minute},
	} {
		if v := time.Duration(d.value); v != 0 && (v < d.min || v > d.max) {
			return fmt.Errorf("%s must be between %v and %v, not %v", d.name, d.min, d.max, v)
		}
	}
	if n := a.Passcode.Digits; n != 0 && (n < 6 || n > 10) {
		return fmt.Errorf("passcode digits must be between 6 and 10, not %d", n)
	}
	if n := a.Passcode.Attempts; n < 0 || n > 5 {
		return fmt.Errorf("passcode attempts must be between 1 and 5, not %d", n)
	}
	switch uv := a.Passkey.UserVerification; uv {
	case "", "preferred", "required", "discouraged":
	default:
		return fmt.Errorf("passkey user_verification must be preferred, required or discouraged, not %q", uv)
	}
	if c := a.Session.Cookie; c != "" && !isToken(c) {
		return fmt.Errorf("session cookie %q is not a cookie name", c)
	}
	for _, rp := range a.RelyingParties {
		if err := rp.validate(); err != nil {
			return err
		}
	}
	for _, check := range []func() error{a.Limits.validate, a.API.validate, a.Account.validate, a.Apps.validate} {
		if err := check(); err != nil {
			return err
		}
	}
	if a.Store != nil {
		if err := a.Store.validate(); err != nil {
			return err
		}
	}
	if a.Directory != nil {
		if err := a.Directory.validate(); err != nil {
			return err
		}
	}
	if a.Mail != nil {
		return a.Mail.validate()
	}
	return nil
}

func (m *Mail) validate() error {
	switch {
	case m.Log && m.URL != "":
		return fmt.Errorf("mail goes either to the log or to a server, not both")
	case m.Log && *m != Mail{Log: true}:
		return fmt.Errorf("mail log sends nothing: from, user, password and ca go with the URL of a server")
	case !m.Log && m.URL == "":
		return fmt.Errorf("mail wants the URL of a server, as smtp://user:password@host:587, or log")
	case !m.Log && !slices.Contains([]string{"", "smtp", "smtps"}, schemeOf(m.URL)):
		return fmt.Errorf("mail wants log, or the URL of a server that begins with smtp:// or smtps://")
	case m.URL != "" && m.From == "":
		return fmt.Errorf(`mail wants a sender: from "Example <no-reply@example.com>"`)
	}
	return nil
}

func (rp *RelyingParty) validate() error {
	switch {
	case net.ParseIP(rp.ID) != nil:
		return fmt.Errorf("relying party %s: passkeys need a domain, not an IP address", rp.ID)
	case !isHostname(rp.ID) || strings.Trim(rp.ID, ".-") != rp.ID:
		return fmt.Errorf("relying party %q: want a domain such as example.com, in lower case and ASCII, without wildcard, scheme or port", rp.ID)
	}
	for _, o := range rp.Origins {
		if strings.HasPrefix(o, "android:apk-key-hash:") || strings.HasPrefix(o, "ios:bundle-id:") {
			continue
		}
		if !isOrigin(o) {
			return fmt.Errorf("relying party %s: origin %q: want https:// and a host in lower case, without a path, or android:apk-key-hash: and a hash", rp.ID, o)
		}
	}
	return nil
}

// isLoopback reports whether browsers take plain http from a host for secure
// (W3C Secure Contexts, section 3.1).
func isLoopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
