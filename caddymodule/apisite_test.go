package caddymodule

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/mail/mailtest"
	"github.com/doorward/doorward/session"
)

// A street is an API host and two sites of which one lets its sessions in.
type street struct {
	auth, app, other string // origins
	address          string // where all of them are served
	box              *mailtest.Mailbox
	client           *http.Client
	upstream         string
}

// newStreet makes Caddy serve a street. api stands in the block api beside sites.
func newStreet(t *testing.T, api string) *street {
	t.Helper()
	dataHome(t)
	port := freePort(t)
	host := func(name string) string { return fmt.Sprintf("http://%s.localhost:%d", name, port) }
	s := &street{
		auth: host("auth"), app: host("app"), other: host("other"), address: fmt.Sprintf("http://127.0.0.1:%d", port),
		box: mailtest.Start(t, mailtest.Options{}), client: client(t), upstream: startMirror(t),
	}
	if err := load(t, s.caddyfile(api)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *street) caddyfile(api string) string {
	return `{` + quiet + `
	doorward {
		mail ` + s.box.URL() + ` {
			from door@example.com
		}
		api {
			sites ` + s.app + `
			` + api + `
		}
	}
}
` + s.auth + ` {
	doorward_api {
		allow *@example.com
		allow eve@example.net
	}
}
` + s.app + ` {
	doorward {
		allow *@example.com
		bypass /open
	}
	reverse_proxy ` + s.upstream + `
}
` + s.other + ` {
	doorward {
		allow *@example.com
	}
	reverse_proxy ` + s.upstream + `
}
`
}

// startMirror starts an app that answers with the header of the request that it was
// sent.
func startMirror(t *testing.T) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// ask sends a request to one of the hosts of a street.
func (s *street) ask(t *testing.T, method, origin, path, body string, header ...string) answer {
	t.Helper()
	_, host, _ := strings.Cut(origin, "://")
	header = append([]string{"Host", host}, header...)
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	return send(t, s.client, method, s.address+path, body, header...)
}

// signIn signs a user in by a passcode, with the endpoints below a path, and returns
// the answer to the last request.
func (s *street) signIn(t *testing.T, origin, path, address string) answer {
	t.Helper()
	begun := s.ask(t, "POST", origin, path+"/passcode/login/initialize", `{"email":"`+address+`"}`)
	var body struct{ ID string }
	if err := json.Unmarshal([]byte(begun.body), &body); err != nil || begun.status != http.StatusOK {
		t.Fatalf("initialize: status %d, %v: %s", begun.status, err, begun.body)
	}
	ended := s.ask(t, "POST", origin, path+"/passcode/login/finalize", `{"id":"`+body.ID+`","code":"`+next(t, s.box).Passcode()+`"}`)
	if ended.status != http.StatusOK {
		t.Fatalf("finalize: status %d: %s", ended.status, ended.body)
	}
	return ended
}

// token returns the session token that an answer delivers in X-Auth-Token.
func (s *street) token(t *testing.T, origin, path, address string) string {
	t.Helper()
	got := s.signIn(t, origin, path, address)
	token := got.header.Get("X-Auth-Token")
	if token == "" || got.header.Get("Set-Cookie") != "" {
		t.Fatalf("X-Auth-Token %q and Set-Cookie %q, want the token alone", token, got.header.Get("Set-Cookie"))
	}
	return token
}

// claims returns what a token says, unverified.
func claims(t *testing.T, token string) (claims struct {
	Issuer   string   `json:"iss"`
	Audience []string `json:"aud"`
}) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestAPIHostIsTheAPIAtItsRoot(t *testing.T) {
	s := newStreet(t, "token_header on")
	bearer := "Bearer " + s.token(t, s.auth, "", "ann@example.com")
	for _, tt := range []struct {
		name, method, path, authorization string
		status                            int
		want                              string // in the body, or Location
	}{
		{"who is signed in", "GET", "/me", bearer, 200, `"id"`},
		{"the same below the path", "GET", "/doorward/me", bearer, 200, `"id"`},
		{"nobody", "GET", "/me", "", 401, "sign_in_required"},
		{"the keys", "GET", "/.well-known/jwks.json", "", 200, `"keys"`},
		{"the keys below the path", "GET", "/doorward/.well-known/jwks.json", "", 200, `"keys"`},
		{"health", "GET", "/health/alive", "", 200, "alive"},
		{"the front page", "GET", "/", "", 303, "/doorward/account"},
		{"the sign-in page", "GET", "/doorward/login", "", 200, "<form"},
		{"a page at the root", "GET", "/login", "", 404, "not_found"},
		{"a path of nobody's", "GET", "/wiki", "", 404, "not_found"},
		{"a path of nobody's, signed in", "GET", "/wiki", bearer, 404, "not_found"},
		{"an endpoint of Hanko that is not ours", "POST", "/password/login", bearer, 404, "not_found"},
	} {
		got := s.ask(t, tt.method, s.auth, tt.path, "", "Authorization", tt.authorization)
		if got.status != tt.status || !strings.Contains(got.body+got.header.Get("Location"), tt.want) {
			t.Errorf("%s: status %d, %s %s; want %d and %q", tt.name, got.status, got.header.Get("Location"), got.body, tt.status, tt.want)
		}
	}
	if got := s.ask(t, "GET", "http://nobody.localhost", "/me", "", "Authorization", bearer); strings.Contains(got.body, `"id"`) {
		t.Errorf("under a host that is not configured: status %d: %s", got.status, got.body)
	}
	// A door is no API host.
	if got := s.ask(t, "GET", s.app, "/health/alive", ""); got.status != http.StatusUnauthorized {
		t.Errorf("an endpoint at the root of a site with an app: status %d, want 401", got.status)
	}
}

// What a client holds is worth the same in both places, and the app cannot tell
// them apart.
func TestSessionOfAnAPIHostPassesTheSitesThatAreListed(t *testing.T) {
	s := newStreet(t, "token_header on")
	token := s.token(t, s.auth, "", "ann@example.com")
	if got, want := claims(t, token), []string{s.auth, s.app}; !slices.Equal(got.Audience, want) || got.Issuer != s.auth+"/doorward" {
		t.Errorf("the session token is for %q, of %s; want %q, of %s", got.Audience, got.Issuer, want, s.auth+"/doorward")
	}
	atApp := s.token(t, s.app, "/doorward", "bob@example.com")
	outsiders := s.token(t, s.auth, "", "eve@example.net")
	for _, how := range []struct {
		name   string
		header func(token string) []string
	}{
		{"as bearer", func(token string) []string { return []string{"Authorization", "Bearer " + token} }},
		{"as cookie", func(token string) []string { return []string{"Cookie", "theme=dark; doorward=" + token} }},
		{"as bearer, beside a dead cookie", func(token string) []string {
			return []string{"Authorization", "Bearer " + token, "Cookie", "doorward=x.y.z"}
		}},
	} {
		for _, tt := range []struct {
			name, origin, path, token string
			status                    int
		}{
			{"at a site that is listed", s.app, "/", token, 200},
			{"at its endpoints", s.app, "/doorward/me", token, 200},
			{"at a site that is not listed", s.other, "/", token, 401},
			{"at the API host", s.auth, "/me", token, 200},
			{"somebody whom the site does not admit", s.app, "/", outsiders, 403},
			{"a session of the site, at the API host", s.auth, "/me", atApp, 401},
			{"a session of the site, at the other one", s.other, "/", atApp, 401},
			{"a session of the site, at the site", s.app, "/", atApp, 200},
		} {
			got := s.ask(t, "GET", tt.origin, tt.path, "", how.header(tt.token)...)
			if got.status != tt.status {
				t.Errorf("%s, %s: status %d, want %d: %s", tt.name, how.name, got.status, tt.status, got.body)
			}
		}
		var header http.Header
		got := s.ask(t, "GET", s.app, "/", "", append(how.header(token), "Remote-User", "evil", "X-Auth-Token", "evil")...)
		if err := json.Unmarshal([]byte(got.body), &header); err != nil {
			t.Fatalf("%s: %v: %s", how.name, err, got.body)
		}
		assertion := claims(t, header.Get("X-Auth-Token"))
		if !slices.Equal(assertion.Audience, []string{s.app}) || assertion.Issuer != s.app+"/doorward" {
			t.Errorf("%s: the app sees a token for %q, of %s; want its own origin alone", how.name, assertion.Audience, assertion.Issuer)
		}
		if user := header["Remote-User"]; !slices.Equal(user, []string{"ann@example.com"}) {
			t.Errorf("%s: the app sees Remote-User %q, want ann@example.com", how.name, user)
		}
		if header.Get("Authorization") != "" || strings.Contains(header.Get("Cookie"), token) || strings.Contains(got.body, token) {
			t.Errorf("%s: the app sees the session token: %v", how.name, header)
		}
	}
}

func TestSessionOfAnAPIHostEndsEverywhereAtOnce(t *testing.T) {
	s := newStreet(t, "token_header on")
	bearer := "Bearer " + s.token(t, s.auth, "", "ann@example.com")
	if got := s.ask(t, "GET", s.app, "/", "", "Authorization", bearer); got.status != http.StatusOK {
		t.Fatalf("before: status %d", got.status)
	}
	if got := s.ask(t, "POST", s.auth, "/logout", "", "Authorization", bearer); got.status != http.StatusNoContent {
		t.Fatalf("logout: status %d: %s", got.status, got.body)
	}
	for deadline := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		got := s.ask(t, "GET", s.app, "/", "", "Authorization", bearer)
		if got.status == http.StatusUnauthorized {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a second after the end: status %d, want 401", got.status)
		}
	}
}

// The doors of the site where a stream is open say who may have it, and not those of
// the host where the session began.
func TestStreamIsJudgedWhereItIsOpen(t *testing.T) {
	s := newStreet(t, "token_header on")
	upstream, _ := startEvents(t)
	s.upstream = upstream
	if err := load(t, s.caddyfile("token_header on")); err != nil {
		t.Fatal(err)
	}
	token := s.token(t, s.auth, "", "ann@example.com")
	ended := s.listen(t, s.app, token)
	if err := load(t, s.caddyfile("token_header on")); err != nil {
		t.Fatal(err)
	}
	wantOpen(t, "after a reload with the same rules", ended)
	// The API host still admits her, which is nothing to the app.
	if err := load(t, strings.Replace(s.caddyfile("token_header on"), "\t\tallow *@example.com\n\t\tbypass", "\t\tallow group:staff\n\t\tbypass", 1)); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, "the site admits its visitor no more", ended)
}

// listen opens an event stream at a site.
func (s *street) listen(t *testing.T, origin, token string) <-chan struct{} {
	t.Helper()
	_, host, _ := strings.Cut(origin, "://")
	c := &http.Client{Transport: hostTransport{host, s.client.Transport}}
	return listen(t, c, s.address+"/", token)
}

// hostTransport names the host that requests are for.
type hostTransport struct {
	host string
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (h hostTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = h.host
	return h.next.RoundTrip(r)
}

func TestReloadKeepsSessionsAndBegunSignInsOfAnAPIHost(t *testing.T) {
	s := newStreet(t, "token_header on")
	bearer := "Bearer " + s.token(t, s.auth, "", "ann@example.com")
	begun := s.ask(t, "POST", s.auth, "/passcode/login/initialize", `{"email":"bob@example.com"}`)
	var body struct{ ID string }
	if err := json.Unmarshal([]byte(begun.body), &body); err != nil {
		t.Fatalf("%v: %s", err, begun.body)
	}
	passcode := next(t, s.box).Passcode()
	if err := load(t, s.caddyfile("cors https://shop.example.com")); err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct{ origin, path string }{{s.auth, "/me"}, {s.app, "/"}} {
		if got := s.ask(t, "GET", at.origin, at.path, "", "Authorization", bearer); got.status != http.StatusOK {
			t.Errorf("after a reload, at %s: status %d", at.origin, got.status)
		}
	}
	got := s.ask(t, "POST", s.auth, "/passcode/login/finalize", `{"id":"`+body.ID+`","code":"`+passcode+`"}`, "Origin", "https://shop.example.com")
	if got.status != http.StatusOK || got.header.Get("X-Auth-Token") != "" || !strings.HasPrefix(got.header.Get("Set-Cookie"), "doorward=") {
		t.Errorf("without token_header any more: status %d, %v", got.status, got.header)
	}
	if origin := got.header.Get("Access-Control-Allow-Origin"); origin != "https://shop.example.com" {
		t.Errorf("Access-Control-Allow-Origin %q, want that of the new configuration", origin)
	}
}

func TestClosedSignUpMakesNoAccount(t *testing.T) {
	s := newStreet(t, "token_header on\n\t\t\tsignup closed")
	operator := running(t).operator()
	if _, _, err := operator.add(context.Background(), "ann@example.com", "", nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/passcode/login/initialize", "/users"} {
		s.ask(t, "POST", s.auth, path, `{"email":"bob@example.com"}`) // told nothing, and sent nothing
	}
	if token := s.token(t, s.auth, "", "ann@example.com"); token == "" {
		t.Error("who was added is not let in")
	}
	for _, letter := range s.box.All() {
		if !slices.Equal(letter.To, []string{"ann@example.com"}) {
			t.Errorf("a letter to %q, want none but to ann@example.com", letter.To)
		}
	}
}

func TestOnlyAnAPIHostBeginsSessionsForOtherSites(t *testing.T) {
	s := newStreet(t, "token_header on")
	if got, want := claims(t, s.token(t, s.other, "/doorward", "ann@example.com")).Audience, []string{s.other}; !slices.Equal(got, want) {
		t.Errorf("a session of a site with a door is for %q, want %q", got, want)
	}
}

// A cookie that the browser drops signs nobody in, though the answer says so.
func TestTheLongestListOfSitesFitsIntoACookie(t *testing.T) {
	dataHome(t)
	var sites []string
	for i := range maxSites {
		site := fmt.Sprintf("https://s%d.", i)
		sites = append(sites, site+strings.Repeat("x", maxSitesBytes/maxSites-len(site)-len(".example"))+".example")
	}
	host := strings.Repeat(strings.Repeat("h", 62)+".", 3) + "example.com"
	app := provisionCaddyfile(t, "{\n\tdoorward {\n\t\tapi {\n\t\t\tsites "+strings.Join(sites, " ")+"\n\t\t}\n\t\tsession {\n\t\t\talgorithm RS256\n\t\t}\n\t}\n}\n"+host+" {\n\tdoorward_api\n}\n")
	if n := len(strings.Join(app.API.Sites, "")); len(app.API.Sites) != maxSites || n != maxSitesBytes {
		t.Fatalf("%d sites of %d characters, want %d of %d", len(app.API.Sites), n, maxSites, maxSitesBytes)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	address := strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("d", 58)+".", 3) + "example"
	user, _, err := app.operator().add(t.Context(), address, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	origin := "https://" + host
	_, token, err := app.core.sessions.Begin(t.Context(), session.SignIn{
		Subject: user.ID, Audience: origin, Sites: app.API.Sites, Issuer: origin + app.Path, Methods: []string{session.MethodPasskey, session.MethodPasscode},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.core.sessions.Check(t.Context(), token, sites[maxSites-1]); err != nil {
		t.Errorf("at the last site: %v", err)
	}
	if n := len("__Host-doorward=" + token); n > 4096 {
		t.Errorf("the cookie has %d bytes, want 4096 at most", n)
	}
}

// The list looks as if it did something, and the sites' visitors would be told to
// sign in again.
func TestSitesWithoutAnAPIHostAreNamedInTheLog(t *testing.T) {
	const warning = "api sites does nothing here"
	for _, tt := range []struct {
		name, api, site string
		want            int
	}{
		{"no API host", "sites https://app.example.com", "doorward", 1},
		{"an API host", "sites https://app.example.com", "doorward_api", 0},
		{"no sites", "signup open", "doorward", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := filepath.Join(dataHome(t), "log")
			app := provisionCaddyfile(t, "{\n\tlog {\n\t\toutput file "+log+"\n\t}\n\tdoorward {\n\t\tapi {\n\t\t\t"+tt.api+"\n\t\t}\n\t}\n}\nauth.example.com {\n\t"+tt.site+"\n}\n")
			if err := app.Start(); err != nil {
				t.Fatal(err)
			}
			content := read(t, log)
			if got := strings.Count(content, warning); got != tt.want {
				t.Errorf("%d warnings, want %d:\n%s", got, tt.want, content)
			}
			if tt.want > 0 && !strings.Contains(content, `"sites":"https://app.example.com"`) {
				t.Errorf("the warning does not name the sites:\n%s", content)
			}
		})
	}
}

// Whoever signed in at the API host would be sent back to sign in for ever.
func TestWhatIsConfiguredForSitesThatAreNotThereIsNamedInTheLog(t *testing.T) {
	for _, tt := range []struct{ name, global, want string }{
		{"the site", "api {\nsites https://app.example.com\n}", ""},
		{"another port", "api {\nsites https://app.example.com:8443\n}", `"site":"https://app.example.com:8443"`},
		{"another host", "api {\nsites https://ap.example.com\n}", `"site":"https://ap.example.com"`},
		{"the API host itself", "api {\nsites https://auth.example.com\n}", `"site":"https://auth.example.com"`},
		{"the sites' domain", "relying_party example.com", ""},
		{"another domain", "relying_party example.org", `"relying_party":"example.org"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := filepath.Join(dataHome(t), "log")
			app := provisionCaddyfile(t, "{\nlog {\noutput file "+log+"\n}\ndoorward {\nmail log\n"+tt.global+"\n}\n}\nauth.example.com {\ndoorward_api\n}\napp.example.com {\ndoorward\n}\n")
			if err := app.Start(); err != nil {
				t.Fatal(err)
			}
			var said string
			for line := range strings.Lines(read(t, log)) {
				if strings.Contains(line, "no door here stands at") || strings.Contains(line, "in the domain of a relying party") {
					said += line
				}
			}
			if tt.want == "" && said != "" || !strings.Contains(said, tt.want) {
				t.Errorf("the log says %q, want %q in it", said, tt.want)
			}
		})
	}
}
