package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// judgesMethods reports whether a door's matchers may go by the method of a request:
// one that is for all requests that write must not be passed by one that says GET and
// tells the app, in a header, that it means DELETE. Matchers that we do not know may.
func judgesMethods(sets caddyhttp.MatcherSets) bool {
	return slices.ContainsFunc(sets, func(set caddyhttp.MatcherSet) bool {
		return slices.ContainsFunc(set, judgesMethod)
	})
}

func judgesMethod(matcher any) bool {
	switch m := matcher.(type) {
	case *caddyhttp.MatchNot:
		return judgesMethods(m.MatcherSets)
	case *caddyhttp.MatchPath, *caddyhttp.MatchPathRE, *caddyhttp.MatchHost, *caddyhttp.MatchQuery,
		*caddyhttp.MatchHeader, *caddyhttp.MatchHeaderRE, *caddyhttp.MatchProtocol, *caddyhttp.MatchTLS,
		*caddyhttp.MatchClientIP, *caddyhttp.MatchRemoteIP:
		return false
	}
	return true
}
