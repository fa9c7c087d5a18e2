package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/handlers"
)

// apps is a block with one app of each kind.
const apps = `
		apps {
			android com.example.app ` + knownFingerprint + `
			ios A1B2C3D4E5.com.example.app
		}`

// The system that asks has no account, and follows no redirect.
func TestDoorServesTheWellKnownFilesToStrangers(t *testing.T) {
	dataHome(t)
	upstream, requests := startUpstream(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(apps string) string {
		return "{" + quiet + "\n\tdoorward {" + apps + "\n\t}\n}\n" + base + " {\n\trewrite /spa/* /index.html\n\tdoorward\n\treverse_proxy " + upstream + "\n}\n"
	}
	if err := load(t, site(apps)); err != nil {
		t.Fatal(err)
	}
	c := client(t)
	tests := []struct {
		name, method, path string
		status             int
		want               string // in the body, or Location
	}{
		{"Android's", "GET", "/.well-known/assetlinks.json", 200, `"` + knownFingerprint + `"`},
		{"Apple's", "GET", "/.well-known/apple-app-site-association", 200, `"A1B2C3D4E5.com.example.app"`},
		{"related origins", "GET", "/.well-known/webauthn", 200, base},
		{"where passkeys are looked after", "GET", "/.well-known/passkey-endpoints", 200, base + "/doorward/account"},
		{"where a password would be changed", "GET", "/.well-known/change-password", 303, base + "/doorward/account"},
		{"the app's own", "GET", "/.well-known/security.txt", 401, ""},
		{"a longer path", "GET", "/.well-known/assetlinks.json/x", 401, ""},
		{"a path that is read in two ways", "GET", "/.well-known/x/../assetlinks.json", 401, ""},
		{"another method", "POST", "/.well-known/assetlinks.json", 401, ""},
	}
	for _, tt := range tests {
		got := send(t, c, tt.method, base+tt.path, "", "Accept", "*/*")
		if got.status != tt.status || !strings.Contains(got.body+got.header.Get("Location"), tt.want) {
			t.Errorf("%s: status %d, %s%s; want %d and %q", tt.name, got.status, got.header.Get("Location"), got.body, tt.status, tt.want)
		}
	}
	if n := requests.Load(); n > 0 {
		t.Errorf("%d requests of strangers reached the app", n)
	}
	// Without apps, the files about them are whoever's they were.
	if err := load(t, site("")); err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + signIn(t, running(t), "ann@example.com", base)
	if got := send(t, c, "GET", base+"/.well-known/assetlinks.json", "", "Authorization", bearer); got.status != http.StatusOK || requests.Load() != 1 {
		t.Errorf("without apps: status %d, and %d requests reached the app; want the app's answer", got.status, requests.Load())
	}
}

// What sends all unknown paths to one page would take these with them.
func TestRewritesDoNotTakeTheWellKnownFiles(t *testing.T) {
	dataHome(t)
	port := freePort(t)
	base, bare := fmt.Sprintf("http://app.localhost:%d", port), fmt.Sprintf("http://localhost:%d", port)
	err := load(t, "{"+quiet+"\n\tdoorward {"+apps+"\n\t}\n}\n"+base+` {
	rewrite * /index.html
	doorward
	respond "the app's {path}"
}
`+bare+` {
	route {
		rewrite * /index.html
		doorward_well_known
		respond "the page {path}"
	}
}
`)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t)
	for _, origin := range []string{base, bare} {
		_, host, _ := strings.Cut(origin, "://")
		got := send(t, c, "GET", bare+"/.well-known/assetlinks.json", "", "Host", host)
		if got.status != http.StatusOK || !strings.Contains(got.body, "com.example.app") {
			t.Errorf("%s: status %d: %s", origin, got.status, got.body)
		}
	}
}

// A site that only says which apps belong to it stays as open as it was, and knows
// nothing of identities.
func TestWellKnownFilesMakeNoDoor(t *testing.T) {
	dataHome(t)
	mirror, port := startMirror(t), freePort(t)
	bare, app := fmt.Sprintf("http://localhost:%d", port), fmt.Sprintf("http://app.localhost:%d", port)
	err := load(t, "{"+quiet+"\n\tdoorward {\n\t\trelying_party localhost {\n\t\t\torigins https://example.org\n\t\t}"+apps+"\n\t}\n}\n"+bare+` {
	redir /old `+app+`{uri}
	redir /.well-known/assetlinks.json `+app+`{uri}
	doorward_well_known
	reverse_proxy `+mirror+`
}
`+app+` {
	doorward
	reverse_proxy `+mirror+`
}
`)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t)
	var links []struct {
		Target struct {
			Package string `json:"package_name"`
		}
	}
	got := send(t, c, "GET", bare+"/.well-known/assetlinks.json", "")
	if err := json.Unmarshal([]byte(got.body), &links); err != nil || got.status != http.StatusOK || len(links) != 1 || links[0].Target.Package != "com.example.app" {
		t.Errorf("assetlinks.json: status %d, %v: %s", got.status, err, got.body)
	}
	if got := send(t, c, "GET", bare+"/.well-known/webauthn", ""); !strings.Contains(got.body, `"https://example.org"`) {
		t.Errorf("related origins: status %d: %s", got.status, got.body)
	}
	if got := send(t, c, "GET", bare+"/.well-known/passkey-endpoints", ""); !strings.Contains(got.body, app+"/doorward/account") {
		t.Errorf("where passkeys are looked after: status %d: %s; want the site of the same relying party", got.status, got.body)
	}
	var header http.Header
	page := send(t, c, "GET", bare+"/", "", "Remote-User", "guest", "X-Auth-Token", "theirs", "Cookie", "doorward=theirs")
	if err := json.Unmarshal([]byte(page.body), &header); err != nil || page.status != http.StatusOK {
		t.Fatalf("a page: status %d, %v: %s", page.status, err, page.body)
	}
	for name, want := range map[string]string{"Remote-User": "guest", "X-Auth-Token": "theirs", "Cookie": "doorward=theirs"} {
		if got := header.Get(name); got != want {
			t.Errorf("the site sees %s %q, want %q as it was sent", name, got, want)
		}
	}
	if got := send(t, c, "GET", bare+"/doorward/login", ""); !strings.Contains(got.body, "Accept-Encoding") {
		t.Errorf("the sign-in page of a site without a door: status %d: %s", got.status, got.body)
	}
	if got := send(t, c, "GET", bare+"/old", ""); got.status != http.StatusFound {
		t.Errorf("another directive of the site: status %d, want 302", got.status)
	}
}

// The page is elsewhere, and a wrong one is worse than none.
func TestWellKnownFilesNameTheOneAccountPageThereIs(t *testing.T) {
	const global = "{\n\tdoorward {\n\t\trelying_party example.com\n\t}\n}\nexample.com {\n\tdoorward_well_known\n}\n"
	site := func(host, directive string) string { return host + " {\n\t" + directive + "\n}\n" }
	for _, tt := range []struct{ name, sites, want string }{
		{"one site", site("app.example.com", "doorward"), "https://app.example.com/doorward/account"},
		{"two doors of one site", site("app.example.com", "doorward /a\n\tdoorward"), "https://app.example.com/doorward/account"},
		{"two sites", site("app.example.com", "doorward") + site("wiki.example.com", "doorward"), ""},
		{"two sites and an API host", site("app.example.com", "doorward") + site("wiki.example.com", "doorward") + site("auth.example.com", "doorward_api"), "https://auth.example.com/doorward/account"},
		{"a site of another relying party", site("app.example.org", "doorward"), ""},
		{"a wildcard", site("*.example.com", "doorward"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dataHome(t)
			app := provisionCaddyfile(t, global+tt.sites)
			if got := app.accountURL("example.com"); got != tt.want {
				t.Errorf("the account page is at %q, want %q", got, tt.want)
			}
		})
	}
}

// A site without a door goes on when the store and the directory do not.
func TestWellKnownFilesWaitForNothing(t *testing.T) {
	dataHome(t)
	app := provisionCaddyfile(t, "{\n\tdoorward {"+apps+"\n\t}\n}\nexample.com {\n\tdoorward\n}\n") // and not started
	h := &Handler{WellKnown: true, app: app, site: app.doors[0].site}
	h.wellKnown = handlers.NewWellKnown(h.signpost, app.Apps.served())
	for path, want := range map[string]string{"/.well-known/assetlinks.json": "com.example.app", "/": "the site"} {
		recorder := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "https://example.com"+path, nil)
		began := time.Now()
		err := h.ServeHTTP(recorder, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			_, err := w.Write([]byte("the site"))
			return err
		}))
		if err != nil || recorder.Code != http.StatusOK || !strings.Contains(recorder.Body.String(), want) {
			t.Errorf("%s: %v, status %d: %s; want %q", path, err, recorder.Code, recorder.Body, want)
		}
		if took := time.Since(began); took > startTimeout/2 {
			t.Errorf("%s: answered after %v", path, took)
		}
	}
}

// A host without a door may have all the traffic there is.
func TestWellKnownFilesCopyNoRequestForAnotherPath(t *testing.T) {
	h := &Handler{WellKnown: true, wellKnown: handlers.NewWellKnown(func(*http.Request) (ceremony.Site, bool) {
		t.Error("the site is looked for")
		return ceremony.Site{}, false
	}, handlers.Apps{})}
	original := httptest.NewRequest("GET", "https://example.com/about", nil)
	r := original.WithContext(context.WithValue(t.Context(), caddyhttp.OriginalRequestCtxKey, *original))
	recorder, passed := httptest.NewRecorder(), 0
	next := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) error {
		if got == r {
			passed++
		}
		return nil
	})
	const runs = 100
	allocations := math.Inf(1)
	for range 5 { // all that the program allocates meanwhile counts
		allocations = min(allocations, testing.AllocsPerRun(runs, func() {
			if err := h.ServeHTTP(recorder, r, next); err != nil {
				t.Error(err)
			}
		}))
	}
	if allocations > 0 || passed < 5*runs {
		t.Errorf("%v allocations for each request, and %d requests were passed on as they came; want none, and all", allocations, passed)
	}
}
