package caddymodule

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/doorward/doorward/handlers"
)

// API says how clients are served that are none of Doorward's own pages: programs,
// native apps, and scripts of other sites.
type API struct {
	// CORS lists the origins of web clients elsewhere, such as
	// https://shop.example.com, whose scripts may use the endpoints with a visitor's
	// cookies. Those at the domain of a relying party, or below it, may use its
	// passkeys, too.
	CORS []string `json:"cors,omitempty"`

	// TokenHeader hands the session token to clients that are none of our pages in
	// the header X-Auth-Token, instead of a cookie. Caddy's access log has no line of
	// the answers that do, and Doorward's log has one instead; a proxy in front may
	// log the token.
	TokenHeader bool `json:"token_header,omitempty"`

	// Sites lists the origins of sites whose doors let sessions in that began at a
	// doorward_api host: 16 at most, of 1 KiB together, since each is in every session
	// token. Each door still asks its own rules. The list counts where sessions begin,
	// and does nothing without such a host.
	Sites []string `json:"sites,omitempty"`

	// Signup is open (default), so that the rules say who may make an account, or
	// closed: nobody may, whatever they say.
	Signup string `json:"signup,omitempty"`

	// AccountLookup lets strangers find out whether an address has an account, as
	// the Hanko API does.
	AccountLookup bool `json:"account_lookup,omitempty"`
}

// Bounds of API.Sites. A session token that is as long as they, an address and the
// names of hosts can make it still fits into a cookie, of which browsers keep 4 KiB,
// with its name.
const (
	maxSites      = 16
	maxSitesBytes = 1 << 10
)

// The words of API.Signup.
const (
	signupOpen   = "open"
	signupClosed = "closed"
)

// Account says what people may do to their own accounts.
type Account struct {
	// Deletion lets people delete their accounts.
	Deletion bool `json:"deletion,omitempty"`

	// MaxAddresses is how many e-mail addresses a user may have, 1 to 20. Default: 5.
	MaxAddresses int `json:"max_addresses,omitempty"`
}

// parseAPI parses the block api.
func (a *App) parseAPI() option {
	return block(options{
		"cors":           texts(&a.API.CORS),
		"token_header":   toggle(&a.API.TokenHeader),
		"sites":          texts(&a.API.Sites),
		"signup":         choice(&a.API.Signup, signupOpen, signupClosed),
		"account_lookup": toggle(&a.API.AccountLookup),
	}.checked(a.validate))
}

// parseAccount parses the block account.
func (a *App) parseAccount() option {
	return block(options{
		"deletion":      toggle(&a.Account.Deletion),
		"max_addresses": number(&a.Account.MaxAddresses),
	}.checked(a.validate))
}

// moved is an option that is no more where somebody looks for it.
func moved(where string) option {
	return option{hidden: true, parse: func(d *caddyfile.Dispenser) error {
		return d.Errf("the option %s is in another place: %s", d.Val(), where)
	}}
}

func (api *API) validate() error {
	for _, list := range []struct {
		name    string
		origins []string
	}{{"cors", api.CORS}, {"sites", api.Sites}} {
		for i, o := range list.origins {
			switch {
			case o == "*":
				return fmt.Errorf("api %s: * is too wide: list the origins one by one", list.name)
			case !isOrigin(o):
				return fmt.Errorf("api %s: %q is no origin: want https:// and a host in lower case, without a path or the default port, as https://shop.example.com (plain http for localhost alone)", list.name, o)
			case slices.Contains(list.origins[:i], o):
				return fmt.Errorf("api %s: %s is given twice", list.name, o)
			}
		}
	}
	if err := api.checkSites(); err != nil {
		return err
	}
	switch api.Signup {
	case "", signupOpen, signupClosed:
		return nil
	}
	return fmt.Errorf("api signup must be %s or %s, not %q", signupOpen, signupClosed, api.Signup)
}

// checkSites returns an error if sessions for the sites would have tokens that no
// browser keeps, and no door takes.
func (api *API) checkSites() error {
	const reason = "each is in every session token of a doorward_api host, and browsers keep no cookie of more than 4 KiB"
	if n := len(api.Sites); n > maxSites {
		return fmt.Errorf("api sites: %d origins are too many, want %d at most: %s", n, maxSites, reason)
	}
	if n := len(strings.Join(api.Sites, "")); n > maxSitesBytes {
		return fmt.Errorf("api sites: the origins have %d characters together, want %d at most: %s", n, maxSitesBytes, reason)
	}
	return nil
}

// served returns how clients are served by a door, or at an API host.
func (api *API) served(host bool) handlers.API {
	served := handlers.API{Root: host, Origins: api.CORS, TokenHeader: api.TokenHeader}
	if host {
		served.Sites = api.Sites
	}
	return served
}

func (account *Account) validate() error {
	if n := account.MaxAddresses; n < 0 || n > 20 {
		return fmt.Errorf("account max_addresses must be between 1 and 20, not %d", n)
	}
	return nil
}

// isOrigin reports whether o is the origin of pages that browsers take for secure,
// spelled as they spell it: without the scheme's own port.
func isOrigin(o string) bool {
	u, err := url.Parse(o)
	if err != nil || !isHostname(u.Hostname()) {
		return false
	}
	defaultPort := "443"
	switch {
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		defaultPort = "80"
	case u.Scheme != "https":
		return false
	}
	if o == u.Scheme+"://"+u.Hostname() {
		return true
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port != 0 && u.Port() != defaultPort &&
		o == u.Scheme+"://"+net.JoinHostPort(u.Hostname(), strconv.FormatUint(port, 10))
}

// hostOf returns the host of an origin, or "" for what is none, such as the key hash of
// an app.
func hostOf(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
