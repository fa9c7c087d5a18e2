package caddymodule

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A step is a handler, as much as its order matters.
type step struct {
	name    string
	routes  caddyhttp.RouteList
	invokes string // a named route
	late    bool   // has a door in it where none can be
}

// steps returns the handlers of a route. Some routes are provisioned already and
// some are not: each has its handlers in one of two places.
func steps(route caddyhttp.Route) []step {
	var list []step
	for _, raw := range route.HandlersRaw {
		list = append(list, rawStep(raw))
	}
	for _, h := range route.Handlers {
		switch h := h.(type) {
		case *caddyhttp.Subroute:
			list = append(list, step{name: "subroute", routes: h.Routes})
		case *caddyhttp.Invoke:
			list = append(list, step{name: "invoke", invokes: h.Name})
		case *Handler:
			list = append(list, step{name: doorName(h.API, h.WellKnown)})
		default:
			list = append(list, step{name: caddy.GetModuleName(h)})
		}
	}
	return list
}

// rawStep reads a handler's configuration. What it cannot read, Caddy will
// refuse.
func rawStep(raw json.RawMessage) step {
	var h struct {
		Handler   string `json:"handler"`
		API       bool   `json:"api"`
		WellKnown bool   `json:"well_known"`
	}
	_ = json.Unmarshal(raw, &h)
	s := step{name: h.Handler}
	switch h.Handler {
	case "doorward":
		s.name = doorName(h.API, h.WellKnown)
	case "subroute":
		var sub struct {
			Routes caddyhttp.RouteList `json:"routes"`
			Errors json.RawMessage     `json:"errors"`
		}
		_ = json.Unmarshal(raw, &sub)
		s.routes, s.late = sub.Routes, hasDoor(sub.Errors)
		if s.late {
			s.name = "handle_errors"
		}
	case "invoke":
		var invoke caddyhttp.Invoke
		_ = json.Unmarshal(raw, &invoke)
		s.invokes = invoke.Name
	case "reverse_proxy", "intercept":
		s.late = hasDoor(raw)
	}
	return s
}

// doorName returns what the directive of a handler of ours is called, as they differ
// in what may stand where.
func doorName(api, wellKnown bool) string {
	switch {
	case api:
		return "doorward_api"
	case wellKnown:
		return "doorward_well_known"
	}
	return "doorward"
}

// hasDoor reports whether a doorward handler stands anywhere in raw.
func hasDoor(raw json.RawMessage) bool { return has(raw, "doorward") }

// has reports whether a handler of a name stands anywhere in raw.
func has(raw json.RawMessage, handler string) bool {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return false
	}
	var find func(v any) bool
	find = func(v any) bool {
		switch v := v.(type) {
		case []any:
			return slices.ContainsFunc(v, find)
		case map[string]any:
			if v["handler"] == handler {
				return true
			}
			for _, inner := range v {
				if find(inner) {
					return true
				}
			}
		}
		return false
	}
	return find(value)
}

// describeMatchers returns in words what a route matches; nothing for one that
// matches all requests. The hosts of a top-level route are known.
func describeMatchers(route caddyhttp.Route, top bool) []string {
	var sets []string
	for _, set := range route.MatcherSetsRaw {
		sets = append(sets, describeSet(set, top))
	}
	for _, set := range route.MatcherSets {
		raw := make(caddy.ModuleMap)
		for _, m := range set {
			if module, ok := m.(caddy.Module); ok {
				raw[caddy.GetModuleName(module)], _ = json.Marshal(m)
			}
		}
		sets = append(sets, describeSet(raw, top))
	}
	if len(sets) == 0 || slices.Contains(sets, "") {
		return nil
	}
	return []string{strings.Join(sets, " or ")}
}

func describeSet(set caddy.ModuleMap, top bool) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if top && name == "host" {
			continue
		}
		var list []string
		if json.Unmarshal(set[name], &list) == nil {
			parts = append(parts, name+" "+strings.Join(list, " "))
		} else {
			parts = append(parts, name)
		}
	}
	return strings.Join(parts, " and ")
}
