package handlers_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/handlers"
)

const nothing = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"

var apps = handlers.Apps{
	Android: []handlers.AndroidApp{
		{Package: "com.example.app", Fingerprints: []string{"AB:CD", "EF:01"}},
		{Package: "com.example.beta", Fingerprints: []string{"23:45"}},
	},
	IOS: []string{"A1B2C3D4E5.com.example.app", "A1B2C3D4E5.com.example.beta"},
}

// withOrigins is findSite with more origins of the relying party.
func withOrigins(origins ...string) func(*http.Request) (ceremony.Site, bool) {
	return func(r *http.Request) (ceremony.Site, bool) {
		site, ok := findSite(r)
		site.RelyingParty.Origins = origins
		return site, ok
	}
}

// Each file as its readers want it; their fields are spelled out here, since a
// reader that finds another name says nothing and does nothing.
func TestWellKnownFilesSayWhatBelongsToTheSite(t *testing.T) {
	r := newRig(t, setup{apps: apps, site: withOrigins(shop, "android:apk-key-hash:AAAA", origin, "http://localhost:8080")})
	for path, want := range map[string]string{
		"/.well-known/assetlinks.json": `[
			{"relation": ["delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"],
			 "target": {"namespace": "android_app", "package_name": "com.example.app", "sha256_cert_fingerprints": ["AB:CD", "EF:01"]}},
			{"relation": ["delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"],
			 "target": {"namespace": "android_app", "package_name": "com.example.beta", "sha256_cert_fingerprints": ["23:45"]}}]`,
		"/.well-known/apple-app-site-association": `{"webcredentials": {"apps": ["A1B2C3D4E5.com.example.app", "A1B2C3D4E5.com.example.beta"]}}`,
		"/.well-known/webauthn":                   `{"origins": ["https://app.example.com", "https://shop.example.com", "http://localhost:8080"]}`,
		"/.well-known/passkey-endpoints":          `{"enroll": "https://app.example.com/doorward/account", "manage": "https://app.example.com/doorward/account"}`,
	} {
		var compact bytes.Buffer
		must(t, json.Compact(&compact, []byte(want)))
		for _, header := range [][]string{nil, navigates, {"Origin", "https://evil.test"}, {"Origin", shop}} {
			a := r.wellKnown("GET", path, header...)
			if a.status != http.StatusOK || a.body != compact.String() {
				t.Errorf("%s: %d %s, want 200 %s", path, a.status, a.body, compact.String())
			}
			for name, value := range map[string]string{
				"Content-Type":                     "application/json",
				"Cache-Control":                    "public, max-age=3600",
				"X-Content-Type-Options":           "nosniff",
				"Access-Control-Allow-Origin":      "*",
				"Access-Control-Allow-Credentials": "",
				"Cross-Origin-Resource-Policy":     "cross-origin",
				"Set-Cookie":                       "",
			} {
				if got := strings.Join(a.header.Values(name), "|"); got != value {
					t.Errorf("%s: %s %q, want %q", path, name, got, value)
				}
			}
		}
		if head := r.wellKnown("HEAD", path); head.status != http.StatusOK {
			t.Errorf("HEAD %s: status %d, want 200", path, head.status)
		}
	}
}

// wellKnown asks for a file that the door owns.
func (r *rig) wellKnown(method, path string, header ...string) answer {
	r.t.Helper()
	if !r.OwnsWellKnown(httptest.NewRequest(method, origin+path, nil)) {
		r.t.Errorf("%s %s is left to the app", method, path)
	}
	return r.client().do(method, path, "", header...)
}

// Password managers send whoever wants to change a password to this URL, if the
// other one shows them that the status means something.
func TestPasswordManagersFindTheAccountPage(t *testing.T) {
	r := newRig(t, setup{})
	r.wantRedirect("change-password", r.wellKnown("GET", "/.well-known/change-password", navigates...), origin+"/doorward/account")
	r.wantProblem("what should not exist", r.wellKnown("GET", nothing), 404, "not_found")
}

func TestSiteWithoutRelatedOriginsHasNoFileOfThem(t *testing.T) {
	for name, origins := range map[string][]string{
		"none": nil, "the site's own": {origin}, "native apps": {"android:apk-key-hash:AAAA", "ios:bundle-id:com.example"},
	} {
		r := newRig(t, setup{site: withOrigins(origins...)})
		r.wantProblem(name, r.wellKnown("GET", "/.well-known/webauthn"), 404, "not_found")
	}
}

// Whatever the door does not keep is the app's, to which only visitors pass.
func TestOtherFilesAreLeftToTheApp(t *testing.T) {
	with, without := newRig(t, setup{apps: apps}), newRig(t, setup{})
	for _, tt := range []struct {
		name string
		r    *rig
		url  string
		how  string
	}{
		{"no Android app", without, origin + "/.well-known/assetlinks.json", "GET"},
		{"no iOS app", without, origin + "/.well-known/apple-app-site-association", "GET"},
		{"another file", with, origin + "/.well-known/security.txt", "GET"},
		{"the folder", with, origin + "/.well-known/", "GET"},
		{"another place", with, origin + "/app/.well-known/assetlinks.json", "GET"},
		{"below our path", with, origin + "/doorward/.well-known/assetlinks.json", "GET"},
		{"a longer name", with, origin + "/.well-known/assetlinks.json.bak", "GET"},
		{"a folder of that name", with, origin + "/.well-known/assetlinks.json/", "GET"},
		{"two slashes", with, origin + "//.well-known/assetlinks.json", "GET"},
		{"another case", with, origin + "/.well-known/AssetLinks.json", "GET"},
		{"a write", with, origin + "/.well-known/assetlinks.json", "POST"},
		{"a write of related origins", with, origin + "/.well-known/webauthn", "PUT"},
		{"another host", with, "https://evil.test/.well-known/assetlinks.json", "GET"},
	} {
		if tt.r.OwnsWellKnown(httptest.NewRequest(tt.how, tt.url, nil)) {
			t.Errorf("%s: %s %s is not the app's any more", tt.name, tt.how, tt.url)
		}
	}
}

// The relying party's own domain may have no door, nor any pages of ours: then it
// says what it can, and leaves alone the files of whatever stands behind it.
func TestHostWithoutADoorSaysWhatItCan(t *testing.T) {
	bare := func(origins []string, account string) func(*http.Request) (ceremony.Site, bool) {
		return func(r *http.Request) (ceremony.Site, bool) {
			return ceremony.Site{
				Origin: "https://example.com", AccountURL: account, RelyingParty: ceremony.RelyingParty{ID: "example.com", Origins: origins},
			}, r.Host == "example.com"
		}
	}
	const account = origin + "/doorward/account"
	all := handlers.NewWellKnown(bare([]string{shop}, account), apps)
	none := handlers.NewWellKnown(bare(nil, ""), handlers.Apps{})
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/.well-known/assetlinks.json":            {200, "com.example.app"},
		"/.well-known/apple-app-site-association": {200, "A1B2C3D4E5.com.example.app"},
		"/.well-known/webauthn":                   {200, `{"origins":["https://example.com","https://shop.example.com"]}`},
		"/.well-known/passkey-endpoints":          {200, `"manage":"` + account + `"`},
		"/.well-known/change-password":            {303, ""},
		nothing:                                   {404, `"code":404`},
	} {
		request := httptest.NewRequest("GET", "https://example.com"+path, nil)
		if !all.Owns(request) {
			t.Errorf("%s is passed on", path)
			continue
		}
		w := httptest.NewRecorder()
		all.ServeHTTP(w, request)
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("%s: %d %s, want %d with %s", path, w.Code, w.Body, want.status, want.body)
		}
		if id := w.Header().Get("X-Request-Id"); len(id) != 32 {
			t.Errorf("%s: X-Request-Id %q, want 32 characters", path, id)
		}
		if location := w.Header().Get("Location"); want.status == 303 && location != account {
			t.Errorf("%s: to %q, want %q", path, location, account)
		}
		if none.Owns(request) {
			t.Errorf("%s is taken from the site, with nothing to say", path)
		}
		if elsewhere := httptest.NewRequest("GET", "https://evil.test"+path, nil); all.Owns(elsewhere) {
			t.Errorf("%s of another host is ours", path)
		}
	}
}
