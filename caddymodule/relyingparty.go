package caddymodule

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/ceremony"
)

// makeParties notes the configured relying parties with all origins that passkeys
// may be used from: a site on a wildcard asks for its own at each request.
func (a *App) makeParties() {
	a.parties = nil
	for _, rp := range a.RelyingParties {
		a.parties = append(a.parties, ceremony.RelyingParty{
			ID: rp.ID, Name: firstNonEmpty(rp.Name, a.Pages.Name, rp.ID), Origins: a.origins(rp.ID, rp.Origins),
		})
	}
}

// relyingParty returns whom the passkeys of a host are made for: the configured
// relying party with the longest ID that the host is under, or the host.
func (a *App) relyingParty(host string) ceremony.RelyingParty {
	var best *ceremony.RelyingParty
	for i, rp := range a.parties {
		if inDomain(host, rp.ID) && (best == nil || len(rp.ID) > len(best.ID)) {
			best = &a.parties[i]
		}
	}
	if best == nil {
		return ceremony.RelyingParty{ID: host, Name: firstNonEmpty(a.Pages.Name, host), Origins: a.origins(host, nil)}
	}
	return *best
}

// origins returns the origins, beside a site's own, from which the passkeys of a
// relying party may be used: those that are listed, web clients elsewhere in its
// domain, and native apps. An app of Android is known by its certificate; what an
// app of Apple's systems says for an origin is the relying party's own.
func (a *App) origins(id string, listed []string) []string {
	origins := slices.Clone(listed)
	add := func(origin string) {
		if !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	for _, o := range a.API.CORS {
		if inDomain(hostOf(o), id) {
			add(o)
		}
	}
	for _, app := range a.Apps.Android {
		for _, f := range app.fingerprints() {
			add(f.origin())
		}
	}
	if len(a.Apps.IOS) > 0 {
		add("https://" + id)
	}
	return origins
}

// inDomain reports whether host is domain or below it.
func inDomain(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}
