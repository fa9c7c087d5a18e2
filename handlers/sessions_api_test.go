package handlers_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/session"
)

// validity is what is said of a session.
type validity struct {
	Valid  bool `json:"is_valid"`
	Claims *struct {
		Subject    string    `json:"subject"`
		SessionID  string    `json:"session_id"`
		IssuedAt   time.Time `json:"issued_at"`
		Expiration time.Time `json:"expiration"`
		Audience   []string  `json:"audience"`
		Issuer     string    `json:"issuer"`
		Email      struct {
			Address  string `json:"address"`
			Primary  bool   `json:"is_primary"`
			Verified bool   `json:"is_verified"`
		} `json:"email"`
		AMR []string `json:"amr"`
	} `json:"claims"`
	Expires     time.Time `json:"expiration_time"`
	UserID      string    `json:"user_id"`
	IdleExpires time.Time `json:"idle_expires_at"`
}

func (c *client) validate(token string) answer {
	return c.call("POST", "/doorward/sessions/validate", `{"session_token":"`+token+`"}`)
}

func TestSessionIsValidated(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	id, token, began := meID(t, ann), ann.cookies[r.cookie.Name], r.now()
	live, err := r.sessions.List(t.Context(), id)
	must(t, err)
	for name, a := range map[string]answer{
		"own, from the cookie": ann.call("GET", "/doorward/sessions/validate", ""),
		"own, from the bearer": r.client().call("GET", "/doorward/sessions/validate", "", "Authorization", "Bearer "+token),
		"in the body":          r.client().validate(token),
	} {
		r.wantStatus(name, a, http.StatusOK)
		var got validity
		a.decode(t, &got)
		if !got.Valid || got.Claims == nil {
			t.Fatalf("%s: %s", name, a.body)
		}
		c := got.Claims
		if got.UserID != id || c.Subject != id || c.SessionID != live[0].ID || c.Issuer != origin+"/doorward" || !slices.Equal(c.Audience, []string{origin}) {
			t.Errorf("%s: %s, want Ann's session %s", name, a.body, live[0].ID)
		}
		if c.Email.Address != "ann@example.com" || !c.Email.Primary || !c.Email.Verified || !slices.Equal(c.AMR, []string{"otp"}) {
			t.Errorf("%s: %s, want Ann's address, and how she signed in", name, a.body)
		}
		ends := began.Add(12 * time.Hour)
		if !c.IssuedAt.Equal(began) || !c.Expiration.Equal(ends) || !got.Expires.Equal(ends) || !got.IdleExpires.Equal(began.Add(time.Hour)) {
			t.Errorf("%s: %s, want a session of 12 hours that began at %v", name, a.body, began)
		}
	}
}

func TestSessionThatIsNoneIsNotValid(t *testing.T) {
	elsewhere := "https://other.example.com"
	r := newRig(t, setup{site: func(q *http.Request) (ceremony.Site, bool) {
		site, ok := findSite(q)
		if q.Host == "other.example.com" {
			site.Origin, site.Host, ok = elsewhere, q.Host, true
		}
		return site, ok
	}})
	ann, bob := r.client().signIn("ann@example.com"), r.client().signIn("bob@example.com")
	token, ended := ann.cookies[r.cookie.Name], bob.cookies[r.cookie.Name]
	r.wantStatus("sign-out", bob.call("POST", "/doorward/logout", ""), http.StatusNoContent)
	v, err := r.sessions.Check(t.Context(), token, origin)
	must(t, err)
	assertion, err := r.sessions.Assertion(v, origin, origin+"/doorward")
	must(t, err)
	_, alien, err := r.sessions.Begin(t.Context(), session.SignIn{Subject: v.Subject, Audience: elsewhere, Issuer: elsewhere + "/doorward", Methods: []string{"otp"}})
	must(t, err)
	for name, a := range map[string]answer{
		"nobody's":          r.client().call("GET", "/doorward/sessions/validate", ""),
		"bad bearer":        r.client().call("GET", "/doorward/sessions/validate", "", "Authorization", "Bearer x"),
		"X-Auth-Token":      r.client().call("GET", "/doorward/sessions/validate", "", "X-Auth-Token", token),
		"garbage":           r.client().validate("a.b.c"),
		"ended":             r.client().validate(ended),
		"of another site":   r.client().validate(alien),
		"the app's":         r.client().validate(assertion),
		"own, not the body": ann.validate(token + "x"),
	} {
		if a.status != http.StatusOK || a.body != `{"is_valid":false}` {
			t.Errorf("%s: %d %s, want 200 and no more than that", name, a.status, a.body)
		}
	}
	r.wantProblem("no token", r.client().call("POST", "/doorward/sessions/validate", "{}"), 400, "malformed")
	if a := r.client().validate(token); a.body == `{"is_valid":false}` {
		t.Error("Ann's session is not valid: the others were no proof")
	}
}

// A server that asks would let in whom it is told of: it is told of nobody whom
// the door refuses.
func TestSessionOfSomebodyWhomTheDoorRefusesIsNotValid(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	token, elsewhere := ann.cookies[r.cookie.Name], ann.addEmail("ann@example.org")
	r.wantStatus("second address", ann.proveEmail(elsewhere), http.StatusOK)
	if a := r.client().validate(token); a.body == `{"is_valid":false}` {
		t.Fatal("the session is not valid while the door admits Ann")
	}
	must(t, r.directory.SetPrimary(t.Context(), r.user("ann@example.com").ID, elsewhere))
	must(t, r.sessions.IdentityChanged(t.Context(), handlers.IdentityOf(r.user("ann@example.com"), r.now())))
	for name, a := range map[string]answer{"own": ann.call("GET", "/doorward/sessions/validate", ""), "in the body": r.client().validate(token)} {
		if a.body != `{"is_valid":false}` {
			t.Errorf("%s: %s, want is_valid false", name, a.body)
		}
	}
}

// A store that is away does not say that a session is none.
func TestSessionIsNotDeniedByAStoreThatIsAway(t *testing.T) {
	r := newRig(t, setup{})
	ann := r.client().signIn("ann@example.com")
	must(t, r.store.Close())
	r.advance(time.Minute) // it has to be checked again
	r.wantProblem("own", ann.call("GET", "/doorward/sessions/validate", ""), 503, "unavailable")
	r.wantProblem("in the body", r.client().validate(ann.cookies[r.cookie.Name]), 503, "unavailable")
}
