package caddymodule

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/doorward/doorward/ceremony"
)

// site is where a door stands: the hosts of the route that it is in, and how
// they are served. It is what a request's host is held against, so that nothing
// (no link, no token's audience, no passkey's origin) is ever taken from a Host
// header that is not configured.
type site struct {
	server   *caddyhttp.Server
	patterns []string // the hosts of the route that the door is in; none for a catch-all
	hosts    []string // exact, or with a wildcard as the first label
	secure   bool
	ports    []string // as browsers see them

	exact    map[string]ceremony.Site // by what Host may say
	issuers  map[string]string        // by origin, see issuer
	app      *App
	doorless bool // there are the well-known files, and nobody signs in
}

// findSite returns the site of the door that is being provisioned in ctx, or of
// what answers for the well-known files in place of a door.
//
// Caddy provisions the matchers of all top-level routes first, and then the
// handlers, route by route; a route's raw handlers are dropped once they are
// provisioned. So the route that we are in is the first that still has them.
func findSite(ctx caddy.Context, app *App, doorless bool) (*site, error) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil, errors.New("the doorward handler works only in the routes of an HTTP server")
	}
	s := &site{server: server, app: app, doorless: doorless, exact: make(map[string]ceremony.Site), issuers: make(map[string]string)}
	i := slices.IndexFunc(server.Routes, func(r caddyhttp.Route) bool { return r.HandlersRaw != nil && len(r.Handlers) == 0 })
	if i < 0 {
		return nil, errors.New("the doorward handler cannot stand in error routes or named routes: put it into the site block")
	}
	web := &caddyhttp.App{}
	for _, m := range ctx.Modules() {
		if app, ok := m.(*caddyhttp.App); ok {
			web = app
		}
	}
	if err := s.readServer(orPort(web.HTTPPort, caddyhttp.DefaultHTTPPort), orPort(web.HTTPSPort, caddyhttp.DefaultHTTPSPort)); err != nil {
		return nil, err
	}
	if err := s.readHosts(server.Routes[i]); err != nil {
		return nil, err
	}
	return s, s.readOrigins()
}

func orPort(port, def int) int {
	if port == 0 {
		return def
	}
	return port
}

// same reports whether two doors stand on the same site.
func (s *site) same(other *site) bool {
	return s.server == other.server && slices.Equal(s.patterns, other.patterns)
}

// covered reports whether a top-level route of the server gets all requests to
// the site, as far as their host goes.
func (s *site) covered(route caddyhttp.Route) bool {
	patterns := hostPatterns(route)
	if len(patterns) == 0 {
		return true
	}
	if len(s.patterns) == 0 {
		return false
	}
	return !slices.ContainsFunc(s.patterns, func(host string) bool {
		_, parent, _ := strings.Cut(host, ".")
		return !slices.Contains(patterns, host) && !slices.Contains(patterns, "*."+parent)
	})
}

// hostPatterns returns the hosts that a route is for, or none if it is for all.
func hostPatterns(route caddyhttp.Route) []string {
	var patterns []string
	for _, set := range route.MatcherSets {
		before := len(patterns)
		for _, matcher := range set {
			if hosts, ok := matcher.(*caddyhttp.MatchHost); ok {
				for _, host := range *hosts {
					patterns = append(patterns, strings.ToLower(host))
				}
			}
		}
		if len(patterns) == before {
			return nil
		}
	}
	return patterns
}

// readServer notes the ports under which browsers see the server, and whether
// with TLS. The ports of the options http_port and https_port are seen as 80 and
// 443: somebody forwards these.
func (s *site) readServer(httpPort, httpsPort int) error {
	var plain, secure []string
	for _, listen := range s.server.Listen {
		address, err := caddy.ParseNetworkAddress(listen)
		if err != nil {
			return err
		}
		if address.IsUnixNetwork() || address.IsFdNetwork() {
			continue // whoever connects there knows which port browsers see
		}
		for port := address.StartPort; port <= address.EndPort; port++ {
			switch name := strconv.Itoa(int(port)); {
			case len(s.server.TLSConnPolicies) == 0 || int(port) == httpPort:
				if plain = append(plain, name); int(port) == httpPort && name != "80" {
					plain = append(plain, "80")
				}
			default:
				if secure = append(secure, name); int(port) == httpsPort && name != "443" {
					secure = append(secure, "443")
				}
			}
		}
	}
	if s.ports, s.secure = plain, len(secure) > 0; s.secure {
		s.ports = secure
	}
	return nil
}

// readHosts notes the hosts that the route serves.
func (s *site) readHosts(route caddyhttp.Route) error {
	s.patterns = hostPatterns(route)
	for _, pattern := range s.patterns {
		host, err := replace("host", pattern)
		if err != nil {
			return err
		}
		s.hosts = append(s.hosts, host)
	}
	if len(s.hosts) == 0 {
		// A catch-all site: it answers for the hosts whose origins are configured.
		for _, rp := range s.app.RelyingParties {
			for _, o := range rp.Origins {
				if u, err := url.Parse(o); err == nil && u.Host != "" {
					s.hosts = append(s.hosts, u.Hostname())
				}
			}
		}
	}
	if len(s.hosts) == 0 {
		return errors.New("doorward cannot tell the host of this site: name it in the site address, as in http://localhost:8080, or list its origin in relying_party (links, tokens and passkeys must not follow whatever Host a client sends)")
	}
	return nil
}

// readOrigins works out the origins of the hosts, and refuses what cannot work.
func (s *site) readOrigins() error {
	for _, host := range s.hosts {
		if strings.Contains(host, "*") {
			if err := s.readWildcard(host); err != nil {
				return err
			}
			continue
		}
		if net.ParseIP(host) != nil {
			return fmt.Errorf("the site %s has an IP address for a host, for which no passkey can be made: use a domain, or localhost", host)
		}
		listed := s.addListed(func(listed string) bool { return listed == host })
		if len(s.ports) == 0 && !listed {
			return fmt.Errorf("the site %s listens on no port, so its origin has to be said: relying_party %s { origins https://%s }", host, s.app.relyingParty(host).ID, host)
		}
		if s.secure || isLoopback(host) {
			for _, port := range s.ports {
				s.add(host, port, s.app.relyingParty(host))
			}
		} else if !listed {
			return s.plainError(host, host)
		}
	}
	for name, found := range s.exact {
		if err := ceremony.CheckRelyingParty(found); err != nil {
			return fmt.Errorf("the site %s: %w", name, err)
		}
	}
	return nil
}

// readWildcard is readOrigins for a wildcard: find works out the origins of its
// hosts, but for those that are listed.
func (s *site) readWildcard(pattern string) error {
	parent := strings.TrimLeft(pattern, "*.")
	if pattern != "*."+parent || strings.Contains(parent, "*") || !s.configured(s.app.relyingParty(parent).ID) {
		return fmt.Errorf("the site %s has no single host that passkeys could be made for: add relying_party %s to the doorward global option", pattern, parent)
	}
	listed := s.addListed(func(host string) bool { return under(host, parent) })
	if !s.secure && !isLoopback(parent) && !listed {
		return s.plainError(pattern, "app."+parent)
	}
	return nil
}

// plainError refuses a site that is served without TLS.
func (s *site) plainError(host, example string) error {
	reason := "so everybody on the way could take a session"
	if s.doorless {
		reason = "and the well-known files are fetched over https alone, by Android as by Apple's systems"
	}
	return fmt.Errorf("the site http://%s is served without TLS, %s: use https, or, if a proxy in front of Caddy has the TLS, name the public origin in the global option: relying_party %s with origins https://%s",
		host, reason, s.app.relyingParty(strings.TrimPrefix(host, "*.")).ID, example)
}

// under reports whether host is one label below parent, as a wildcard means it.
func under(host, parent string) bool {
	label, ok := strings.CutSuffix(host, "."+parent)
	return ok && label != "" && !strings.Contains(label, ".")
}

// addListed makes the site known under the origins that relying parties list for
// its hosts, and reports whether there are any.
func (s *site) addListed(own func(host string) bool) (listed bool) {
	for _, rp := range s.app.RelyingParties {
		for _, o := range rp.Origins {
			if u, err := url.Parse(o); err == nil && u.Host != "" && own(u.Hostname()) {
				s.addOrigin(o, u.Hostname(), s.app.relyingParty(u.Hostname()))
				listed = true
			}
		}
	}
	return listed
}

// configured reports whether id is one of the configured relying parties.
func (s *site) configured(id string) bool {
	return slices.ContainsFunc(s.app.RelyingParties, func(rp RelyingParty) bool { return rp.ID == id })
}

func (s *site) scheme() (scheme, defaultPort string) {
	if s.secure {
		return "https", "443"
	}
	return "http", "80"
}

// add makes the site known under host and port.
func (s *site) add(host, port string, rp ceremony.RelyingParty) {
	scheme, defaultPort := s.scheme()
	origin := scheme + "://" + host
	if port != defaultPort {
		origin += ":" + port
	}
	s.addOrigin(origin, host, rp)
	if port == defaultPort {
		s.exact[net.JoinHostPort(host, port)] = s.exact[host]
	}
}

func (s *site) addOrigin(origin, host string, rp ceremony.RelyingParty) {
	_, authority, _ := strings.Cut(origin, "://")
	s.exact[authority] = ceremony.Site{
		Origin: origin, Host: host, AccountURL: origin + s.app.Path + "/account", RelyingParty: rp,
	}
	s.issuers[origin] = origin + s.app.Path
}

// issuer returns the issuer of the assertions at an origin of the site: where our
// endpoints are. It is in the hot path, and so does not put it together anew.
func (s *site) issuer(origin string) string {
	if issuer, ok := s.issuers[origin]; ok {
		return issuer
	}
	return origin + s.app.Path
}

// plainHTTP reports whether browsers see the site without TLS, and so keep no
// Secure cookies of it.
func (s *site) plainHTTP() bool {
	for _, known := range s.exact {
		if strings.HasPrefix(known.Origin, "https://") {
			return false
		}
	}
	return !s.secure
}

// find returns the site that a request is for, by its Host header, and false for
// one that is not configured.
func (s *site) find(r *http.Request) (ceremony.Site, bool) {
	if found, ok := s.exact[r.Host]; ok {
		return found, true
	}
	host := strings.ToLower(r.Host)
	if found, ok := s.exact[host]; ok {
		return found, true
	}
	return s.findWildcard(host)
}

// findWildcard is find for the hosts of a wildcard site.
func (s *site) findWildcard(authority string) (ceremony.Site, bool) {
	scheme, defaultPort := s.scheme()
	host, port, err := net.SplitHostPort(authority)
	if err != nil {
		host, port = authority, defaultPort
	}
	if !slices.Contains(s.ports, port) || !isHostname(host) {
		return ceremony.Site{}, false
	}
	for _, pattern := range s.hosts {
		parent, ok := strings.CutPrefix(pattern, "*.")
		if !ok || !under(host, parent) || !s.secure && !isLoopback(parent) {
			continue
		}
		origin := scheme + "://" + host
		if port != defaultPort {
			origin += ":" + port
		}
		return ceremony.Site{
			Origin: origin, Host: host, AccountURL: origin + s.app.Path + "/account", RelyingParty: s.app.relyingParty(host),
		}, true
	}
	return ceremony.Site{}, false
}

// isHostname reports whether s is made of letters, digits, hyphens and dots.
func isHostname(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return s != ""
}
