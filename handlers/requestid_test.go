package handlers_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/session"
)

func TestEveryAnswerHasAnIDOfItsOwn(t *testing.T) {
	r := newAPIRig(t)
	c := r.client()
	const claimed = "0123456789abcdef0123456789abcdef" // by a client that would be somebody else in the log
	for _, route := range routes {
		c.do(route.method, "/doorward"+route.path, "", "X-Request-Id", claimed)
		c.do(route.method, route.path, "", navigates...)
	}
	c.do("GET", "/nowhere", "")
	c.do("GET", "/doorward/static/doorward.js", "")
	c.do("GET", "/.well-known/passkey-endpoints", "")
	c.do("OPTIONS", "/doorward/me", "", "Origin", shop, "Access-Control-Request-Method", "GET")
	c.refuse(session.ErrNone, "GET", "/wiki", navigates...)
	c.refuse(errors.New("store away"), "GET", "/wiki", fetches...)

	seen := []string{claimed}
	pattern := regexp.MustCompile(`^[0-9a-f]{32}$`)
	for _, a := range r.answers {
		ids := a.header.Values("X-Request-Id")
		if len(ids) != 1 || !pattern.MatchString(ids[0]) {
			t.Errorf("%s (%d): X-Request-Id %q, want one of 32 digits", a.asked, a.status, ids)
			continue
		}
		if slices.Contains(seen, ids[0]) {
			t.Errorf("%s (%d): X-Request-Id %s is not new", a.asked, a.status, ids[0])
		}
		seen = append(seen, ids[0])
	}
}

// Somebody reports what their client or their browser showed them: it is in the
// log, with the cause.
func TestIDOfAnAnswerLeadsToItsLineInTheLog(t *testing.T) {
	r := newRig(t, setup{})
	cause := errors.New("dial tcp 10.0.0.5:6379: connection refused")
	failed := r.client().refuse(cause, "GET", "/api")
	id := failed.header.Get("X-Request-Id")
	if p := r.wantProblem("store away", failed, 503, "unavailable"); p.ID != id {
		t.Errorf("the problem's id is %q, want %q as in X-Request-Id", p.ID, id)
	}
	if line := r.logged(id); line["msg"] != "request failed" || line["error"] != cause.Error() {
		t.Errorf("log of %s: %v, want the failure with its cause", id, line)
	}
	page := r.client().refuse(cause, "GET", "/", navigates...)
	if id := page.header.Get("X-Request-Id"); !strings.Contains(page.body, id) || r.logged(id)["error"] != cause.Error() {
		t.Errorf("the page does not show %s, or the log does not know it\n%s", id, page.body)
	}

	refused := r.client().call("GET", "/doorward/me", "")
	if p := r.wantProblem("stranger", refused, 401, "sign_in_required"); p.ID != "" {
		t.Errorf("id %q of what is no failure", p.ID)
	}
	if line := r.logged(refused.header.Get("X-Request-Id")); line["reason"] != "sign_in_required" {
		t.Errorf("log: %v, want the reason of the refusal", line)
	}
}

// An operator who looks into the log is to see which host wants a site.
func TestRefusalOfAHostNamesItInTheLog(t *testing.T) {
	r := newRig(t, setup{})
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", "https://another.example.net/doorward/login", nil))
	line := r.logged(w.Header().Get("X-Request-Id"))
	if line["msg"] != "request refused" || line["reason"] != "host_not_configured" || line["host"] != "another.example.net" {
		t.Errorf("log: %v, want the refusal and the host", line)
	}
}

// logged returns the line of the log about the request with an ID.
func (r *rig) logged(id string) map[string]any {
	r.t.Helper()
	for line := range strings.Lines(r.log.String()) {
		var fields map[string]any
		must(r.t, json.Unmarshal([]byte(line), &fields))
		if fields["id"] == id {
			return fields
		}
	}
	return nil
}
