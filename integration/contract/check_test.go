package contract_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/contract"
)

// An exchange is a request and its answer.
type exchange struct {
	method, path, sent string
	status             int
	header             http.Header
	body               string
}

func (e exchange) check(t *testing.T) error {
	t.Helper()
	document, err := contract.Doorward()
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(e.method, "http://localhost"+e.path, nil)
	if e.sent != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	return document.Check(request, []byte(e.sent), &http.Response{StatusCode: e.status, Header: e.header}, []byte(e.body))
}

const (
	someID  = "5b8a31f0-7a54-4c2a-8a57-5d2a3a9f4a10"
	request = "0123456789abcdef0123456789abcdef"
)

// honest returns an answer to GET /me.
func honest() exchange {
	return exchange{
		method: "GET", path: "/doorward/me", status: 200, body: `{"id":"` + someID + `"}`,
		header: http.Header{"X-Request-Id": {request}, "Content-Type": {"application/json"}},
	}
}

// refused returns a refusal of the same request.
func refused() exchange {
	e := honest()
	e.status = 401
	e.header.Set("Content-Type", "application/problem+json")
	e.header.Set("WWW-Authenticate", `Bearer realm="doorward"`)
	e.body = `{"type":"https://github.com/doorward/doorward/blob/main/docs/problems.md#session_ended",
		"title":"Unauthorized","status":401,"code":401,"message":"Unauthorized"}`
	return e
}

// validation returns an answer to a request with a body.
func validation() exchange {
	e := honest()
	e.method, e.path, e.sent, e.body = "POST", "/doorward/sessions/validate", `{"session_token":"a.b.c"}`, `{"is_valid":false}`
	return e
}

func TestHonestAnswersAreAllowed(t *testing.T) {
	atTheRoot, head, unknown, app := honest(), honest(), refused(), refused()
	atTheRoot.path = "/me"
	head.method, head.body = "HEAD", ""
	unknown.path, unknown.status = "/doorward/nowhere", 404
	unknown.body = strings.NewReplacer("session_ended", "not_found", "401", "404").Replace(unknown.body)
	unknown.header.Del("WWW-Authenticate")
	app.path, app.method = "/wiki/page", "PUT"
	for name, e := range map[string]exchange{
		"granted": honest(), "refused": refused(), "with a body": validation(),
		"at the root": atTheRoot, "HEAD": head, "unknown": unknown, "at the door": app,
	} {
		if err := e.check(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatTheDocumentDoesNotAllowIsAnError(t *testing.T) {
	for name, lie := range map[string]struct {
		exchange
		change func(*exchange)
	}{
		"a status":          {honest(), func(e *exchange) { e.status = 202 }},
		"a method":          {honest(), func(e *exchange) { e.method = "PUT" }},
		"a path":            {honest(), func(e *exchange) { e.path = "/doorward/you" }},
		"an odd path":       {honest(), func(e *exchange) { e.path = "/doorward//me" }},
		"a content type":    {honest(), func(e *exchange) { e.header.Set("Content-Type", "text/plain") }},
		"a field":           {honest(), func(e *exchange) { e.body = `{"id":"` + someID + `","name":"Ann"}` }},
		"a field of a type": {honest(), func(e *exchange) { e.body = `{"id":1}` }},
		"a field missing":   {honest(), func(e *exchange) { e.body = `{}` }},
		"no JSON":           {honest(), func(e *exchange) { e.body = "me" }},
		"no request ID":     {honest(), func(e *exchange) { e.header.Del("X-Request-Id") }},
		"a short ID":        {honest(), func(e *exchange) { e.header.Set("X-Request-Id", "1") }},
		"a token":           {honest(), func(e *exchange) { e.header.Set("X-Auth-Token", "a.b.c") }},
		"a cookie":          {honest(), func(e *exchange) { e.header.Set("Set-Cookie", "doorward=a.b.c") }},

		"no challenge":          {refused(), func(e *exchange) { e.header.Del("WWW-Authenticate") }},
		"a problem":             {refused(), func(e *exchange) { e.body = strings.Replace(e.body, "session_ended", "wrong_passcode", 1) }},
		"an unknown problem":    {refused(), func(e *exchange) { e.body = strings.Replace(e.body, "session_ended", "tired", 1) }},
		"another status inside": {refused(), func(e *exchange) { e.body = strings.Replace(e.body, `"code":401`, `"code":403`, 1) }},
		"another request's ID":  {refused(), func(e *exchange) { e.body = strings.Replace(e.body, `"code"`, `"id":"1","code"`, 1) }},
		"a door's refusal":      {refused(), func(e *exchange) { e.path, e.status = "/wiki", 402 }},

		"a request that lacks a field": {validation(), func(e *exchange) { e.sent = `{}` }},
		"a request without a body":     {validation(), func(e *exchange) { e.sent = "" }},
		"half a validation":            {validation(), func(e *exchange) { e.body = `{"is_valid":true}` }},
		"a validation that says both":  {validation(), func(e *exchange) { e.body = `{"is_valid":false,"user_id":"` + someID + `"}` }},
	} {
		e := lie.exchange
		lie.change(&e)
		if err := e.check(t); err == nil {
			t.Errorf("%s: allowed", name)
		}
	}
}
