package caddymodule

import (
	"errors"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// parseAPIDirective parses the directive of a site that is the API and nothing
// else:
//
//	doorward_api {
//		allow <address> | *@<domain> | group:<name> | *   ...
//	}
//
// It takes no matcher: nothing stands behind it that a request could go on to.
func parseAPIDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // doorward_api
	if h.NextArg() {
		return nil, h.Errf("%q: doorward_api answers every request to its site, and takes no matcher; whom to allow stands in the block: doorward_api { allow *@example.com }", h.Val())
	}
	handler := &Handler{API: true}
	err := options{"allow": texts(&handler.Allow)}.checked(handler.checkRules).parse(h.Dispenser)
	if err != nil {
		return nil, err
	}
	return h.NewRoute(nil, handler), nil
}

// checkKind returns what makes no sense for the kind of handler that h is.
func (h *Handler) checkKind() error {
	switch guards := len(h.Bypass) > 0 || len(h.MatchRaw) > 0 || h.Headers != nil; {
	case h.API && h.WellKnown:
		return errors.New("api and well_known are two handlers: an API host serves the well-known files already")
	case h.API && guards:
		return errors.New("doorward_api has no app behind it: it takes allow, and no bypass, match or headers")
	case h.WellKnown && (guards || len(h.Allow) > 0):
		return errors.New("doorward_well_known keeps nobody out, and so takes no allow, bypass, match or headers")
	}
	return nil
}
