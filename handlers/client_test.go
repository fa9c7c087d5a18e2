package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/authenticator"
)

// A client is a browser, or a program: it keeps cookies, and follows no redirect
// by itself.
type client struct {
	*rig
	cookies map[string]string
	blocks  bool // keeps no cookies
}

func (r *rig) client() *client { return &client{rig: r, cookies: make(map[string]string)} }

// An answer is what a client got.
type answer struct {
	asked  string // method and path
	status int
	header http.Header
	body   string
}

// do sends a request. header has names and values in turn.
func (c *client) do(method, path, body string, header ...string) answer {
	r := httptest.NewRequest(method, origin+path, strings.NewReader(body))
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return c.send(r)
}

func (c *client) send(r *http.Request) answer {
	for name, value := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return c.receive(r, w)
}

// receive keeps the cookies of an answer.
func (c *client) receive(r *http.Request, w *httptest.ResponseRecorder) answer {
	for _, cookie := range w.Result().Cookies() {
		switch {
		case cookie.MaxAge < 0:
			delete(c.cookies, cookie.Name)
		case !c.blocks:
			c.cookies[cookie.Name] = cookie.Value
		}
	}
	a := answer{r.Method + " " + r.URL.RequestURI(), w.Code, w.Result().Header, w.Body.String()}
	c.rig.mu.Lock()
	defer c.rig.mu.Unlock()
	c.answers = append(c.answers, a)
	return a
}

// What browsers say about a request, and so no program does.
var (
	navigates = []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	fetches   = []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin", "Origin", origin, "Doorward-Session", "cookie"}
)

// navigate asks for a page.
func (c *client) navigate(path string) answer {
	return c.do("GET", path, "", append([]string{"Sec-Fetch-Site", "none"}, navigates...)...)
}

// submit sends the form of a page. fields has names and values in turn.
func (c *client) submit(path string, fields ...string) answer {
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return c.do("POST", path, form.Encode(), append([]string{
		"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Origin", origin,
	}, navigates...)...)
}

// fetch sends JSON as the script of a page does, call as a program does.
func (c *client) fetch(method, path, body string) answer {
	return c.do(method, path, body, append([]string{"Content-Type", "application/json"}, fetches...)...)
}

func (c *client) call(method, path, body string, header ...string) answer {
	return c.do(method, path, body, append([]string{"Content-Type", "application/json"}, header...)...)
}

// signIn signs in with a passcode, by the pages. Letters from before are lost.
func (c *client) signIn(address string) *client {
	c.t.Helper()
	c.box.letters(c.t)
	c.wantRedirect("asking for a passcode", c.submit("/doorward/login", "email", address), "/doorward/login/passcode?sent=1&return=%2F")
	c.wantRedirect("sending the passcode", c.submit("/doorward/login/passcode", "passcode", c.box.passcode(c.t)), "/")
	return c
}

// addPasskey registers a passkey, from the page, and returns its ID.
func (c *client) addPasskey(a *authenticator.Authenticator) (id string) {
	c.t.Helper()
	options := c.fetch("POST", "/doorward/webauthn/registration/initialize", "")
	c.wantStatus("registration/initialize", options, http.StatusOK)
	created, err := a.Create([]byte(options.body))
	must(c.t, err)
	done := c.fetch("POST", "/doorward/webauthn/registration/finalize", string(created))
	c.wantStatus("registration/finalize", done, http.StatusOK)
	var body struct {
		ID string `json:"credential_id"`
	}
	done.decode(c.t, &body)
	return body.ID
}

// usePasskey signs in with a passkey, from the page.
func (c *client) usePasskey(a *authenticator.Authenticator, changes ...func(*authenticator.Answer)) answer {
	c.t.Helper()
	options := c.fetch("POST", "/doorward/webauthn/login/initialize", "")
	c.wantStatus("login/initialize", options, http.StatusOK)
	got, err := a.Get([]byte(options.body), changes...)
	must(c.t, err)
	return c.fetch("POST", "/doorward/webauthn/login/finalize", string(got))
}

func newAuthenticator() *authenticator.Authenticator {
	return &authenticator.Authenticator{Origin: origin}
}

// signedIn reports whether the client is.
func (c *client) signedIn() bool { return c.fetch("GET", "/doorward/me", "").status == http.StatusOK }

func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%s: %v in %q", a.asked, err, a.body)
	}
}

func (r *rig) wantStatus(what string, a answer, want int) {
	r.t.Helper()
	if a.status != want {
		r.t.Fatalf("%s: status %d, want %d\n%s", what, a.status, want, a.body)
	}
}

func (r *rig) wantRedirect(what string, a answer, want string) {
	r.t.Helper()
	if got := a.header.Get("Location"); a.status != http.StatusSeeOther || got != want {
		r.t.Fatalf("%s: %d to %q, want 303 to %q\n%s", what, a.status, got, want, a.body)
	}
}

// A problem is a problem document (RFC 9457), with what Hanko's clients read.
type problem struct {
	Type, Title, Detail, Message, Login, ID string
	Status, Code                            int
}

// wantProblem checks that an answer is a whole problem document of a kind.
func (r *rig) wantProblem(what string, a answer, status int, slug string) problem {
	r.t.Helper()
	var p problem
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		r.t.Errorf("%s: status %d, Content-Type %q, want a problem document\n%s", what, a.status, got, a.body)
		return p
	}
	a.decode(r.t, &p)
	_, kind, _ := strings.Cut(p.Type, "#")
	if a.status != status || kind != slug {
		r.t.Errorf("%s: %d %s, want %d %s", what, a.status, kind, status, slug)
	}
	if p.Status != a.status || p.Code != a.status || p.Title == "" || p.Message == "" {
		r.t.Errorf("%s: problem %+v does not say all about a %d", what, p, a.status)
	}
	return p
}
