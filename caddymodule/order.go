package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// content are the handlers that answer with what a door stands in front of.
// Others that answer (a redirect, a text that stands in the configuration, an
// error) show nothing that the operator has not written there, and may come
// first.
var content = []string{"reverse_proxy", "file_server", "metrics", "php", "cgi", "webdav"}

// constant are the handlers that answer every request that reaches them, with
// nothing of the app.
var constant = []string{"static_response", "error"}

// An opening is a way to an app that leads past every door.
type opening struct {
	handler string
	routes  []string // the matchers on the way there
}

// A course follows the requests to one site through the routes of its server, as
// they are configured.
type course struct {
	site     *site
	openings []*opening
	depth    int
}

// A stretch is what is known of the requests at one point of a course.
type stretch struct {
	guarded   bool     // they have passed a door
	answered  *opening // some requests were answered before this point, without a door
	ended     string   // the handler that answers all of them: none gets here
	templated bool     // what answers them will be run as a template
}

// checkOrder returns the ways to the site's apps that lead past its doors, where
// the configuration says so in words that can hardly be misread: by routes that
// exclude each other, as handle blocks do. It refuses what looks like a slip: an
// app before the door in one sequence. There is always another way to say that,
// with the door's matcher or bypass, and then a client's identity headers are
// kept from the app, too.
//
// It sees what stands in the configuration, and no more: not what a handler does
// that it does not know.
func (s *site) checkOrder() ([]*opening, error) {
	c := &course{site: s}
	if _, err := c.followRoutes(s.server.Routes, stretch{}, nil); err != nil {
		return nil, fmt.Errorf("the site %s: %w", strings.Join(s.hosts, ", "), err)
	}
	return append(c.openings, s.errorRoutes()...), nil
}

// errorRoutes returns the ways to an app through handle_errors, where no door can
// stand: a client can cause an error before any door is asked (with a method that
// Caddy refuses, say), and then its request goes there as it came.
func (s *site) errorRoutes() []*opening {
	if s.server.Errors == nil {
		return nil
	}
	var ways []*opening
	for _, route := range s.server.Errors.Routes {
		if !s.hears(route) {
			continue
		}
		for _, raw := range route.HandlersRaw {
			if has(raw, "reverse_proxy") {
				ways = append(ways, &opening{handler: "reverse_proxy", routes: []string{"handle_errors"}})
			}
		}
	}
	return ways
}

// hears reports whether an error route, whose matchers have not been loaded yet,
// may be for one of the site's hosts.
func (s *site) hears(route caddyhttp.Route) bool {
	for _, set := range route.MatcherSetsRaw {
		var hosts []string
		if raw, ok := set["host"]; !ok || json.Unmarshal(raw, &hosts) != nil {
			return true
		}
		if len(s.patterns) == 0 || slices.ContainsFunc(hosts, func(h string) bool { return slices.Contains(s.patterns, strings.ToLower(h)) }) {
			return true
		}
	}
	return len(route.MatcherSetsRaw) == 0
}

// A group is routes of which each request takes one at most.
type group struct {
	answered       *opening
	guarded, ended bool // by all so far
}

// followRoutes follows requests through a list of routes, to its end.
func (c *course) followRoutes(routes caddyhttp.RouteList, in stretch, path []string) (stretch, error) {
	top := c.depth == 0
	groups := make(map[string]*group)
	for _, route := range routes {
		if top && !c.site.covered(route) {
			continue // another site
		}
		matches := describeMatchers(route, top)
		entering := in
		for name, g := range groups {
			if name != route.Group && entering.answered == nil {
				entering.answered = g.answered
			}
		}
		out, err := c.followHandlers(steps(route), entering, append(slices.Clone(path), matches...))
		if err != nil {
			return out, err
		}
		if out.answered == entering.answered {
			out.answered = in.answered
		}
		conditional := len(matches) > 0
		if route.Group == "" {
			in = in.after(out, conditional, route.Terminal)
		} else {
			in = in.afterGrouped(out, conditional, route.Terminal, groups, route.Group)
		}
		if top && route.Terminal && !conditional {
			break // what follows is for other sites
		}
	}
	for _, g := range groups {
		if in.answered == nil {
			in.answered = g.answered
		}
	}
	return in, nil
}

// after returns what is known after a route: of the requests that left it (out),
// and, if it is conditional, of those that went past it.
func (s stretch) after(out stretch, conditional, terminal bool) stretch {
	if !conditional {
		if terminal && out.ended == "" {
			out.ended = "a terminal route"
		}
		return out
	}
	s.templated = s.templated || out.templated
	if !terminal && s.answered == nil {
		s.answered = out.answered
	}
	return s
}

// afterGrouped is after for a route of a group.
func (s stretch) afterGrouped(out stretch, conditional, terminal bool, groups map[string]*group, name string) stretch {
	g := groups[name]
	if g == nil {
		g = &group{guarded: true, ended: true}
		groups[name] = g
	}
	if g.answered == nil {
		g.answered = out.answered
	}
	g.guarded = g.guarded && out.guarded
	g.ended = g.ended && (out.ended != "" || terminal)
	s.templated = s.templated || out.templated
	if !conditional { // each request has taken a route of the group by now
		s.guarded = s.guarded || g.guarded
		if g.ended && s.ended == "" {
			s.ended = "a group of routes"
		}
	}
	return s
}

// followHandlers follows requests through the handlers of a route.
func (c *course) followHandlers(list []step, s stretch, path []string) (stretch, error) {
	for _, h := range list {
		switch {
		case h.late:
			return s, fmt.Errorf("a doorward stands inside %s, where it is asked too late or not at all: put it into the site block", h.name)
		case h.name == "doorward":
			if err := s.refusal(); err != nil {
				return s, err
			}
			s.guarded = true
		case h.name == "doorward_api":
			if err := s.refusalOfAPI(); err != nil {
				return s, err
			}
			s.guarded, s.ended = true, h.name
		case s.ended == "doorward_api" && slices.Contains(content, h.name):
			return s, fmt.Errorf("doorward_api answers every request, so %s behind it is never reached: give the API a host of its own, and put doorward in front of the app", h.name)
		case s.ended != "":
			// Nothing gets here; only a door would be a slip.
		case h.name == "templates":
			s.templated = true
		case slices.Contains(constant, h.name):
			s.ended = h.name
		case slices.Contains(content, h.name):
			if !s.guarded {
				s.answered = &opening{h.name, path}
				c.openings = append(c.openings, s.answered)
			}
			s.ended = h.name
		}
		if routes := c.inside(h); len(routes) > 0 && c.depth < maxDepth {
			var err error
			c.depth++
			s, err = c.followRoutes(routes, s, path)
			c.depth--
			if err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// maxDepth bounds named routes that invoke each other.
const maxDepth = 50

// inside returns the routes that a handler sends requests through.
func (c *course) inside(h step) caddyhttp.RouteList {
	if named := c.site.server.NamedRoutes[h.invokes]; named != nil {
		return caddyhttp.RouteList{*named}
	}
	return h.routes
}

// refusal says why no door can stand at this point, or returns nil.
func (s stretch) refusal() error {
	const hint = "put the doorward directive first (inside route { } directives run in the order written), and say with bypass or with its matcher what is open to everybody"
	switch {
	case s.ended == "doorward_api":
		return errors.New("doorward_api answers every request, so doorward behind it is never asked: give the API a host of its own")
	case s.guarded: // a second door
		return nil
	case s.answered != nil:
		return fmt.Errorf("%s answers before doorward is asked, so nobody would have to sign in: %s", s.answered.handler, hint)
	case s.ended != "":
		return fmt.Errorf("%s answers every request, so doorward behind it is never asked: %s", s.ended, hint)
	case s.templated:
		return fmt.Errorf("templates stands before doorward, and would run what people write into its pages (the name of a passkey) as a template: %s", hint)
	}
	return nil
}

// refusalOfAPI says why a whole site cannot be the API at this point, or returns nil.
func (s stretch) refusalOfAPI() error {
	if s.ended == "" && s.guarded {
		return errors.New("doorward stands before doorward_api, so nobody who is not signed in could sign in by it: give the API a host of its own")
	}
	return s.refusal()
}

// String describes an opening for the operator who has to judge it.
func (o *opening) String() string {
	if len(o.routes) == 0 {
		return o.handler
	}
	return o.handler + " for " + strings.Join(o.routes, ", ")
}
