package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
)

// A body is one that an endpoint understands, by field: the type of each, as
// people name it.
type body struct {
	method, path string
	fields       map[string]string
}

// bodies is all of them. A field of a field stands behind a dot.
var bodies = []body{
	{"POST", "/user", map[string]string{"email": "a string"}},
	{"POST", "/users", map[string]string{"email": "a string"}},
	{"POST", "/emails", map[string]string{"address": "a string"}},
	{"POST", "/passcode/login/initialize", map[string]string{"email": "a string", "user_id": "a string", "email_id": "a string"}},
	{"POST", "/passcode/login/finalize", map[string]string{"id": "a string", "code": "a string"}},
	{"POST", "/webauthn/login/initialize", options},
	{"POST", "/webauthn/authentication/initialize", options},
	{"POST", "/webauthn/registration/initialize", options},
	{"POST", "/webauthn/login/finalize", credential},
	{"POST", "/webauthn/authentication/finalize", credential},
	{"POST", "/webauthn/registration/finalize", credential},
	{"PATCH", "/webauthn/credentials/AAAA", map[string]string{"name": "a string"}},
	{"POST", "/sessions/validate", map[string]string{"session_token": "a string"}},
}

var (
	options = map[string]string{
		"user_id": "a string", "user": "an object", "user.id": "a string", "user.name": "a string", "user.displayName": "a string",
		"options": "an object", "options.userVerification": "a string", "options.authenticatorAttachment": "a string",
		"options.attestation": "a string", "options.authenticatorSelection": "an object",
		"options.authenticatorSelection.userVerification": "a string", "options.authenticatorSelection.authenticatorAttachment": "a string",
		"options.authenticatorSelection.residentKey": "a string", "options.authenticatorSelection.requireResidentKey": "a boolean",
	}
	credential = map[string]string{
		"id": "a string", "rawId": "a string", "type": "a string", "response": "an object", "transports": "a list",
		"clientExtensionResults": "an object", "authenticatorAttachment": "a string",
		"response.clientDataJSON": "a string", "response.attestationObject": "a string", "response.transports": "a list",
		"response.authenticatorData": "a string", "response.signature": "a string", "response.userHandle": "a string",
	}
)

// wrongFor has values of every JSON type but one.
func wrongFor(kind string) []string {
	var values []string
	for of, value := range map[string]string{
		"a string": `"x"`, "a number": "1.5", "a boolean": "true", "a list": "[1]", "an object": `{"a":1}`,
	} {
		if of != kind {
			values = append(values, value)
		}
	}
	if kind == "a list" {
		values = append(values, `["usb",1]`)
	}
	return values
}

// with returns a body with one field.
func with(field, value string) string {
	names := strings.Split(field, ".")
	for i := len(names) - 1; i >= 0; i-- {
		value = fmt.Sprintf("{%q:%s}", names[i], value)
	}
	return value
}

func TestFieldOfTheWrongTypeIsNamed(t *testing.T) {
	r := newRig(t, lookups)
	ann := r.client().signIn("ann@example.com")
	for _, b := range bodies {
		for field, kind := range b.fields {
			for _, value := range wrongFor(kind) {
				sent := with(field, value)
				p := r.wantProblem(b.path+" "+sent, ann.call(b.method, "/doorward"+b.path, sent), 400, "malformed")
				if want := field + " must be " + kind; p.Message != want {
					t.Errorf("%s %s: message %q, want %q", b.path, sent, p.Message, want)
				}
			}
		}
	}
}

func TestBodiesOfTheWrongShapeAreRefusedEverywhere(t *testing.T) {
	r := newRig(t, lookups)
	ann := r.client().signIn("ann@example.com")
	for _, b := range bodies {
		for _, tt := range []struct {
			body   string
			status int
			slug   string
			header []string
		}{
			{"null", 400, "malformed", nil},
			{"[]", 400, "malformed", nil},
			{`"x"`, 400, "malformed", nil},
			{"1", 400, "malformed", nil},
			{"{", 400, "malformed", nil},
			{"{}{}", 400, "malformed", nil},
			{"\xff", 400, "malformed", nil},
			{`{"x":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "too_large", nil},
		} {
			r.wantProblem(fmt.Sprintf("%s %.10s", b.path, tt.body), ann.call(b.method, "/doorward"+b.path, tt.body), tt.status, tt.slug)
		}
		for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""} {
			a := ann.do(b.method, "/doorward"+b.path, "{}", "Content-Type", contentType)
			r.wantProblem(b.path+" as "+contentType, a, 415, "content_type")
		}
	}
}

func TestMissingPartsOfACredentialAreAllNamed(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	const both = "id is a required field and rawId is a required field and type is a required field and response.clientDataJSON is a required field and "
	for path, want := range map[string]string{
		"/webauthn/login/finalize":        both + "response.authenticatorData is a required field and response.signature is a required field",
		"/webauthn/registration/finalize": both + "response.attestationObject is a required field",
	} {
		for _, sent := range []string{"", "{}", `{"id":null,"response":null}`} {
			if p := r.wantProblem(path, ann.call("POST", "/doorward"+path, sent), 400, "malformed"); p.Message != want {
				t.Errorf("%s %q: message %q, want %q", path, sent, p.Message, want)
			}
		}
	}
	spoilt := `{"id":"AAAA","rawId":"+/==","type":"public-key","response":{"clientDataJSON":"x","authenticatorData":"AAAA","signature":"AAAA","userHandle":"\u0000"}}`
	want := "rawId must be base64url and response.clientDataJSON must be base64url and failed to parse userHandle as uuid"
	if p := r.wantProblem(spoilt, ann.call("POST", "/doorward/webauthn/login/finalize", spoilt), 400, "malformed"); p.Message != want {
		t.Errorf("message %q, want %q", p.Message, want)
	}
}

// Whatever is sent, by whomever, is the sender's fault: never a failure of ours,
// and always told in a problem document that shows nothing of us.
func FuzzBodies(f *testing.F) {
	id := uuid.NewString()
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"email":"ann@example.com"}`, `{"email":"ann@example.com\u0000"}`, `{"address":"ann@home.example.org"}`,
		`{"user_id":"` + id + `"}`, `{"user_id":"` + id + `","email_id":"` + id + `"}`, `{"id":"` + id + `","code":"123456"}`,
		`{"name":"\ud800"}`, `{"session_token":"a.b.c"}`, `{"session_token":"` + strings.Repeat("A", 4096) + `"}`,
		`{"user":{"id":"AAAA"},"options":{"userVerification":"required"}}`, `{"Id":1,"iD":"x"}`,
		`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AAAA","signature":"AAAA"}}`,
		`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"},"transports":["usb"]}`,
	} {
		for i := range bodies {
			f.Add(i, false, seed)
			f.Add(i, true, seed)
		}
	}
	plenty := ceremony.Budget{Times: 1 << 40, Per: 1 << 40}
	r := newRig(f, setup{
		budgets:  ceremony.Budgets{Letters: plenty, Begun: plenty, Tries: plenty, TriesFrom: plenty},
		accounts: ceremony.AccountOptions{Lookup: true, Lookups: plenty, SignUps: plenty, Additions: plenty},
	})
	ann := r.client().signIn("ann@example.com")
	f.Fuzz(func(t *testing.T, which int, signedIn bool, sent string) {
		b, c := bodies[uint(which)%uint(len(bodies))], r.client()
		if signedIn {
			c = &client{rig: r, cookies: ann.cookies, blocks: true}
		}
		a := c.call(b.method, "/doorward"+b.path, sent)
		if a.status < 400 {
			return
		}
		if a.status >= 500 && !strings.Contains(a.body, "mail_away") { // nobody empties the mailbox here
			t.Errorf("%s %q: %d %s", a.asked, sent, a.status, a.body)
		}
		var p problem
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != a.status || p.Code != a.status || p.Message == "" {
			t.Errorf("%s %q: %d %s, want a problem document", a.asked, sent, a.status, a.body)
		}
		r.answers = nil
	})
}
