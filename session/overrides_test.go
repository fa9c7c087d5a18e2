package session_test

import (
	"net/http/httptest"
	"testing"

	"github.com/doorward/doorward/session"
)

// An app that lets a client name another path than the one that was judged, or
// that another door leads to by other header names, is told neither by clients.
func TestOverridesAndTheNamesOfOtherDoorsAreStripped(t *testing.T) {
	ih := session.NewIdentityHeaders(session.DefaultHeaders)
	ih.Take(session.Headers{User: "X-Api-User"})
	r := httptest.NewRequest("GET", "/healthz", nil)
	for _, name := range []string{"X-Original-URL", "X_Original_URL", "X-Rewrite-Url", "X-Api-User", "x_api.user"} {
		r.Header.Set(name, "evil")
	}
	r.Header.Set("X-Api-Version", "2")
	ih.Strip(r)
	if len(r.Header) != 1 || r.Header.Get("X-Api-Version") != "2" {
		t.Errorf("after Strip: %v, want X-Api-Version alone", r.Header)
	}
}
