package handlers

import (
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

// A session that goes on keeps its token, which is repeated to whoever holds it
// already: what came in a cookie that no script can read stays there.
func TestTokenIsDeliveredAgainToWhoeverPresentedIt(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		tokenHeader bool
		bearer      string
		kind        kind
		cookie      bool // asked for
		left        time.Duration

		want         []string // X-Auth-Token
		wantLifetime string
	}{
		{name: "bearer", tokenHeader: true, bearer: "token", kind: forPrograms, left: time.Hour, want: []string{"token"}, wantLifetime: "3600"},
		{name: "cookie", tokenHeader: true, kind: forPrograms, left: time.Hour, wantLifetime: "3600"},
		{name: "bearer, with cookies only", bearer: "token", kind: forPrograms, left: 90 * time.Second, wantLifetime: "90"},
		{name: "bearer of a client that asks for the cookie", tokenHeader: true, bearer: "token", kind: forPrograms, cookie: true, left: time.Hour, wantLifetime: "3600"},
		{name: "a page", tokenHeader: true, bearer: "token", kind: forPeople, left: time.Hour, wantLifetime: "3600"},
		{name: "at its end", tokenHeader: true, bearer: "token", kind: forPrograms, left: -time.Second, want: []string{"token"}, wantLifetime: "0"},
	} {
		h := &Handlers{o: Options{API: API{TokenHeader: tt.tokenHeader}, Now: func() time.Time { return now }}}
		r := &request{Request: httptest.NewRequest("POST", "https://app.example.com/", nil), kind: tt.kind, bearer: tt.bearer}
		if tt.cookie {
			r.Header.Set("Doorward-Session", "cookie")
		}
		w := httptest.NewRecorder()
		h.redeliver(w, r, &session.Visitor{Session: session.Session{ExpiresAt: now.Add(tt.left)}})
		got := w.Result().Header
		if !slices.Equal(got["X-Auth-Token"], tt.want) || got.Get("X-Session-Lifetime") != tt.wantLifetime || len(got["Set-Cookie"]) != 0 {
			t.Errorf("%s: headers %v, want token %q for %s seconds and no cookie", tt.name, got, tt.want, tt.wantLifetime)
		}
	}
}
