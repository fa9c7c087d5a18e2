package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Another site has the visitor's browser send a form or a fetch: the cookies go
// along, and so does the truth about where the request comes from.
func TestRequestsThatAnotherSiteCausedChangeNothing(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	tests := []struct {
		name    string
		header  []string
		allowed bool
	}{
		{"a program, which says nothing", nil, true},
		{"a page of ours", []string{"Sec-Fetch-Site", "same-origin", "Origin", origin}, true},
		{"a page of ours in an old browser", []string{"Origin", origin}, true},
		{"an app that says where it is from", []string{"Sec-Fetch-Site", "none"}, true},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"}, false},
		{"another site in an old browser", []string{"Origin", "https://evil.test"}, false},
		{"a page of ours in a browser that is older still", []string{"Referer", origin + "/doorward/login"}, true},
		{"another site in a browser that is older still", []string{"Referer", "https://evil.test/" + origin}, false},
		{"a site that begins like ours, in one", []string{"Referer", origin + ".evil.test/"}, false},
		{"another site that hides its origin", []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"a sibling", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://other.example.com"}, false},
		{"a sibling that hides its origin", []string{"Sec-Fetch-Site", "same-site"}, false},
		{"ours at another port", []string{"Origin", origin + ":8443"}, false},
		{"ours at the default port, spelled out", []string{"Origin", origin + ":443"}, false},
		{"ours without TLS", []string{"Origin", "http://" + host}, false},
		{"ours with a dot", []string{"Origin", origin + "."}, false},
		{"ours with a path", []string{"Origin", origin + "/"}, false},
		{"ours as a prefix", []string{"Origin", origin + ".evil.test"}, false},
		{"ours in capitals, as no browser writes it", []string{"Origin", "https://APP.example.com"}, false},
		{"a sandboxed frame", []string{"Origin", "null"}, false},
		{"an empty origin", []string{"Origin", ""}, false},
		{"two origins", []string{"Origin", origin, "Origin", origin}, false},
		{"two origins in one", []string{"Origin", origin + " https://evil.test"}, false},
		{"a word that no browser says", []string{"Sec-Fetch-Site", "same-origins"}, false},
		{"ours, which the browser denies", []string{"Sec-Fetch-Site", "cross-site", "Origin", origin}, false},
		{"not ours, which the browser denies", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://evil.test"}, false},
	}
	for _, route := range routes {
		if route.method == "GET" || route.path == "/logout" || route.path == "/sessions/end-others" {
			continue
		}
		for _, tt := range tests {
			a := ann.do(route.method, "/doorward"+route.path, "", tt.header...)
			if refused := a.status == http.StatusForbidden; refused == tt.allowed {
				t.Errorf("%s from %s: status %d, allowed: want %v", a.asked, tt.name, a.status, tt.allowed)
			}
			if !tt.allowed {
				r.wantProblem(a.asked+" from "+tt.name, a, 403, "cross_origin")
			}
		}
	}
	for _, tt := range tests {
		if !tt.allowed {
			ann.do("POST", "/doorward/logout", "", tt.header...)
			ann.do("GET", "/doorward/logout", "", tt.header...)
		}
	}
	if !ann.signedIn() {
		t.Error("another site signed Ann out")
	}
}

// What only reads may be asked from anywhere: nobody but a page of ours can read
// the answer.
func TestReadingIsNotGuarded(t *testing.T) {
	r := newRig(t, setup{})
	a := r.client().do("GET", "/doorward/login", "", append([]string{"Sec-Fetch-Site", "cross-site"}, navigates...)...)
	if a.status != http.StatusOK {
		t.Errorf("link from another site to the sign-in page: status %d, want 200", a.status)
	}
	if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("Access-Control-Allow-Origin %q, want none", got)
	}
}

func TestContentTypeIsWhatTheEndpointReads(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	json := []string{
		"POST /passcode/login/initialize", "POST /passcode/login/finalize", "POST /webauthn/login/initialize", "POST /webauthn/login/finalize",
		"POST /webauthn/registration/initialize", "POST /webauthn/registration/finalize", "PATCH /webauthn/credentials/AAAA",
	}
	forms := []string{
		"POST /login", "POST /login/passcode", "POST /login/passcode/again", "POST /login/offer/later",
		"POST /account/passkeys/rename", "POST /account/passkeys/remove", "POST /account/sessions/end", "POST /account/sessions/end-others",
	}
	const form = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		routes []string
		body   string
		types  []string
		want   bool
	}{
		{json, "{}", []string{"application/json", "application/json; charset=utf-8", "Application/JSON"}, true},
		{json, "{}", []string{"", form, "text/plain", "multipart/form-data; boundary=x", "text/json", "application/json+x", "application/jsonp", "application/json,text/plain", "*/*"}, false},
		{json, "", []string{"", form}, true}, // nothing is fine in any type
		{forms, "email=", []string{form, form + "; charset=utf-8"}, true},
		{forms, "email=", []string{"", "application/json", "text/plain", "multipart/form-data; boundary=x"}, false},
	} {
		for _, route := range tt.routes {
			method, path, _ := strings.Cut(route, " ")
			for _, contentType := range tt.types {
				a := ann.do(method, "/doorward"+path, tt.body, "Content-Type", contentType)
				if accepted := a.status != http.StatusUnsupportedMediaType; accepted != tt.want {
					t.Errorf("%s of %q as %q: status %d, accepted: want %v", route, tt.body, contentType, a.status, tt.want)
				}
				if !tt.want {
					r.wantProblem(route, a, 415, "content_type")
				}
			}
		}
	}
}

func TestBodiesThatAreNotUnderstoodAreRefused(t *testing.T) {
	r := newRig(t, setup{})
	const path = "/doorward/passcode/login/finalize"
	id := `"id":"6f1e0c7e-3c83-4c2f-9d6e-1f2a3b4c5d6e"`
	for _, tt := range []struct {
		name, body    string
		status        int
		slug, message string
	}{
		{"nothing", "", 400, "malformed", "id is a required field and code is a required field"},
		{"no fields", "{}", 400, "malformed", "id is a required field and code is a required field"},
		{"null", "null", 400, "malformed", "the body must be a JSON object"},
		{"no code", "{" + id + "}", 400, "malformed", "code is a required field"},
		{"an ID that is none", `{"id":"1","code":"123456"}`, 400, "malformed", "id must be a valid uuid4"},
		{"a number for an ID", `{"id":1,"code":"123456"}`, 400, "malformed", "id must be a string"},
		{"a number for a code", "{" + id + `,"code":123456}`, 400, "malformed", "code must be a string"},
		{"a list for a code", "{" + id + `,"code":["123456"]}`, 400, "malformed", "code must be a string"},
		{"a list", "[]", 400, "malformed", "the body must be a JSON object"},
		{"a string", `"x"`, 400, "malformed", "the body must be a JSON object"},
		{"a form", "id=1&code=2", 400, "malformed", "the body must be a JSON object"},
		{"half of it", "{" + id, 400, "malformed", "the body is not JSON"},
		{"two of them", "{" + id + `,"code":"123456"}{}`, 400, "malformed", "the body is not JSON"},
		{"garbage behind it", "{" + id + `,"code":"123456"}x`, 400, "malformed", "the body is not JSON"},
		{"an object that is deeply nested", strings.Repeat(`{"id":`, 10001), 400, "malformed", "the body is not JSON"},
		{"an ID in the spelling of a URN", `{"id":"urn:uuid:6f1e0c7e-3c83-4c2f-9d6e-1f2a3b4c5d6e","code":"123456"}`, 400, "malformed", "id must be a valid uuid4"},
		{"an ID that is a UUID of another version", `{"id":"6f1e0c7e-3c83-1c2f-9d6e-1f2a3b4c5d6e","code":"123456"}`, 400, "malformed", "id must be a valid uuid4"},
		{"a list that is deeply nested", strings.Repeat("[", 60000), 400, "malformed", "the body must be a JSON object"},
		{"unknown fields, which are ignored", "{" + id + `,"code":"123456","role":"admin"}`, 401, "passcode_not_found", "passcode not found"},
		{"white space behind it", "{" + id + `,"code":"123456"}` + strings.Repeat(" ", 60000), 401, "passcode_not_found", "passcode not found"},
		{"one byte too long", "{" + id + `,"code":"` + strings.Repeat("1", 64<<10-len(id)-len(`{,"code":""}`)+1) + `"}`, 413, "too_large", "The body is too large"},
		{"as long as may be", "{" + id + `,"code":"` + strings.Repeat("1", 64<<10-len(id)-len(`{,"code":""}`)) + `"}`, 401, "passcode_not_found", "passcode not found"},
	} {
		p := r.wantProblem(tt.name, r.client().call("POST", path, tt.body), tt.status, tt.slug)
		if p.Message != tt.message {
			t.Errorf("%s: message %q, want %q", tt.name, p.Message, tt.message)
		}
	}
	for _, body := range []string{"{}", `{"email":""}`} {
		if p := r.wantProblem(body, r.client().call("POST", "/doorward/passcode/login/initialize", body), 400, "malformed"); p.Detail != "user_id is a required field" {
			t.Errorf("%s: detail %q", body, p.Detail)
		}
	}
	r.wantProblem("a number for an address", r.client().call("POST", "/doorward/passcode/login/initialize", `{"email":1}`), 400, "malformed")
	r.wantProblem("no address", r.client().call("POST", "/doorward/passcode/login/initialize", `{"email":"ann"}`), 400, "address_invalid")
}

func TestFormThatIsTooLongIsRefused(t *testing.T) {
	r := newRig(t, setup{})
	a := r.client().submit("/doorward/login", "email", strings.Repeat("a", 64<<10))
	r.wantStatus("form of more than 64 KiB", a, http.StatusRequestEntityTooLarge)
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("Content-Type %q, want a page", a.header.Get("Content-Type"))
	}
}

// An upload whose length nobody told, and one that breaks off.
func TestBodiesOfUnknownLengthAreBounded(t *testing.T) {
	r := newRig(t, setup{})
	c := r.client()
	for _, tt := range []struct {
		name   string
		body   io.Reader
		status int
		slug   string
	}{
		{"endless", endless{}, 413, "too_large"},
		{"broken off", io.MultiReader(strings.NewReader(`{"id":`), broken{}), 400, "malformed"},
	} {
		request := httptest.NewRequest("POST", origin+"/doorward/passcode/login/finalize", tt.body)
		request.Header.Set("Content-Type", "application/json")
		request.ContentLength = -1
		r.wantProblem(tt.name, c.send(request), tt.status, tt.slug)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) {
	return 0, fmt.Errorf("connection reset: %w", io.ErrUnexpectedEOF)
}
