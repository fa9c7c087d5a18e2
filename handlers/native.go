package handlers

import (
	"net/http"
	"strings"

	"github.com/doorward/doorward/ceremony"
)

// The files at the root of a host (RFC 8615) in which browsers, password managers
// and operating systems look up what belongs to a site.
const (
	wellKnownPrefix = "/.well-known/"

	pathAssetLinks       = wellKnownPrefix + "assetlinks.json"            // Digital Asset Links
	pathAppleAssociation = wellKnownPrefix + "apple-app-site-association" // Apple, Supporting associated domains
	pathRelatedOrigins   = wellKnownPrefix + "webauthn"                   // WebAuthn Level 3, section 5.11
	pathPasskeyEndpoints = wellKnownPrefix + "passkey-endpoints"          // W3C, Passkey Endpoints, section 3
	pathChangePassword   = wellKnownPrefix + "change-password"            // W3C, Change Password URL
	pathNothing          = wellKnownPrefix + "resource-that-should-not-exist-whose-status-code-should-not-be-200"
)

// A WellKnown serves the files that say which native apps and which other origins
// belong to a site, and where its visitors see to their passkeys. They are for
// everybody. It is safe for concurrent use.
type WellKnown struct {
	site func(*http.Request) (ceremony.Site, bool)
	apps Apps
}

// NewWellKnown returns the files for native apps and for the sites that site
// finds, which need not have a door: the host that the relying party is named
// after often has none. A site without AccountURL says nothing about accounts.
// The Handlers of a door have a WellKnown of their own.
func NewWellKnown(site func(*http.Request) (ceremony.Site, bool), apps Apps) *WellKnown {
	return &WellKnown{site, apps}
}

// Owns reports whether a request is for one of the files, and there is something
// to say in it. Otherwise it may be for a file that somebody else keeps.
func (k *WellKnown) Owns(r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, wellKnownPrefix) || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	site, ok := k.site(r)
	if !ok {
		return false
	}
	switch r.URL.Path {
	case pathChangePassword, pathNothing:
		return site.AccountURL != ""
	}
	return k.file(r.URL.Path, site) != nil
}

// ServeHTTP answers a request that k owns.
func (k *WellKnown) ServeHTTP(w http.ResponseWriter, r *http.Request) { k.serve(w, identified(w, r)) }

func (k *WellKnown) serve(w http.ResponseWriter, r *http.Request) {
	site, _ := k.site(r)
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	switch r.URL.Path {
	case pathChangePassword:
		_ = redirect(w, site.AccountURL) // there are no passwords: passkeys are changed there
		return
	case pathNothing: // how clients find out whether a 200 for the one above means anything
		writeJSON(w, "application/problem+json", http.StatusNotFound, problemOf(errNoRoute).whole())
		return
	}
	header.Set("Cache-Control", "public, max-age=3600")
	writeJSON(w, "application/json", http.StatusOK, k.file(r.URL.Path, site))
}

// file returns what the file at path says of site, or nil for nothing.
func (k *WellKnown) file(path string, site ceremony.Site) any {
	switch path {
	case pathAssetLinks:
		return k.assetLinks()
	case pathAppleAssociation:
		return k.appleAssociation()
	case pathRelatedOrigins:
		return relatedOrigins(site)
	case pathPasskeyEndpoints:
		return passkeyEndpoints(site)
	}
	return nil
}

// An assetLink is a statement that a site makes about an app.
type assetLink struct {
	Relation []string  `json:"relation"`
	Target   linkedApp `json:"target"`
}

type linkedApp struct {
	Namespace    string   `json:"namespace"`
	Package      string   `json:"package_name"`
	Fingerprints []string `json:"sha256_cert_fingerprints"`
}

// assetLinks lets Android apps use the site's passkeys: Credential Manager wants
// both relations for that, the second one alone being for passwords. That an app
// opens links to the site takes an intent filter of the app as well.
func (k *WellKnown) assetLinks() any {
	if len(k.apps.Android) == 0 {
		return nil
	}
	var links []assetLink
	for _, app := range k.apps.Android {
		links = append(links, assetLink{
			[]string{"delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"},
			linkedApp{"android_app", app.Package, app.Fingerprints},
		})
	}
	return links
}

// appleAssociation lets apps on Apple's systems use the site's passkeys.
func (k *WellKnown) appleAssociation() any {
	if len(k.apps.IOS) == 0 {
		return nil
	}
	return map[string]any{"webcredentials": map[string]any{"apps": k.apps.IOS}}
}

// relatedOrigins lets browsers use passkeys of the site's relying party on other
// origins. Native apps are in files of their own.
func relatedOrigins(site ceremony.Site) any {
	origins := []string{site.Origin}
	for _, origin := range site.RelyingParty.Origins {
		web := strings.HasPrefix(origin, "https://") || strings.HasPrefix(origin, "http://")
		if web && origin != site.Origin {
			origins = append(origins, origin)
		}
	}
	if len(origins) == 1 {
		return nil
	}
	return map[string]any{"origins": origins}
}

// passkeyEndpoints tells password managers where passkeys are added and removed.
func passkeyEndpoints(site ceremony.Site) any {
	if site.AccountURL == "" {
		return nil
	}
	return map[string]string{"enroll": site.AccountURL, "manage": site.AccountURL}
}

// OwnsWellKnown reports whether a request is for one of the files at the root of
// the host that Doorward serves to everybody. ServeHTTP answers it.
//
// Whether there are related origins is the door's to say also where there are
// none: the app has no part in the ceremonies.
func (h *Handlers) OwnsWellKnown(r *http.Request) bool {
	if h.wellKnown.Owns(r) {
		return true
	}
	return r.URL.Path == pathRelatedOrigins && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}
