package session_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

func (n *node) assertion(v *session.Visitor) string {
	n.h.t.Helper()
	token, err := n.Assertion(v, v.Audience, issuer)
	if err != nil {
		n.h.t.Fatalf("Assertion: %v", err)
	}
	return token
}

func TestAssertionIntroducesTheVisitorToTheApp(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	h.people.change("ann", func(id *session.Identity) { id.Groups = []string{"admins", "staff"} })
	v, _ := n.begin("ann")
	token := n.assertion(v)
	header, _ := parse(t, token)
	if got, want := header["typ"], session.TypeAssertion; got != want {
		t.Errorf("typ = %v, want %v", got, want)
	}
	claims := verify(t, n.keys.JWKS(), token)
	now := float64(h.clock.Now().Unix())
	for name, want := range map[string]any{
		"iss": issuer, "sub": "ann", "sid": v.ID, "auth_time": now, "iat": now, "exp": now + 300,
		"email": "ann@example.com", "email_verified": true, "name": "The ann",
	} {
		if got := claims[name]; got != want {
			t.Errorf("claim %s = %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string][]any{
		"aud": {site}, "amr": {session.MethodPasscode}, "groups": {"admins", "staff"},
	} {
		if got, _ := claims[name].([]any); !slices.Equal(got, want) {
			t.Errorf("claim %s = %v, want %v", name, claims[name], want)
		}
	}
}

func TestAssertionOfSomebodyWithoutNameAndGroupsSaysSo(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	h.people.set(session.Identity{Subject: "dan"})
	v, _ := n.begin("dan")
	_, claims := parse(t, n.assertion(v))
	if name, ok := claims["name"]; ok {
		t.Errorf("claim name = %v, want none", name)
	}
	if groups, ok := claims["groups"].([]any); !ok || len(groups) != 0 {
		t.Errorf("claim groups = %v, want []", claims["groups"])
	}
	if got := claims["email_verified"]; got != false {
		t.Errorf("claim email_verified = %v, want false", got)
	}
}

func TestAssertionIsSignedAgainOnlyWhenDue(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	begun, token := n.begin("ann")
	first := n.assertion(begun)
	if got := n.assertion(begun); got != first {
		t.Error("the next request of the same visitor has another assertion")
	}
	v := n.wantOK("first check", token)
	first = n.assertion(v)
	for range 39 { // 195 of 200 seconds
		h.clock.pass(5 * time.Second)
		checked := n.wantOK("checked again", token)
		if checked == v {
			t.Fatal("the check was not made again")
		}
		if v = checked; n.assertion(v) != first {
			t.Fatal("a check that changed nothing has another assertion")
		}
	}
	h.clock.pass(5 * time.Second)
	second := n.assertion(n.wantOK("two thirds of its lifetime later", token))
	if second == first {
		t.Error("the assertion was not signed again with a third of its lifetime left")
	}
	_, claims := parse(t, second)
	if got, want := claims["exp"], float64(h.clock.Now().Add(5*time.Minute).Unix()); got != want {
		t.Errorf("exp of the new one = %v, want %v", got, want)
	}
}

func TestAssertionChangesAtOnceWithItsSubject(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	before := n.assertion(n.wantOK("before", token))
	for name, change := range map[string]func(*session.Identity){
		"groups":   func(id *session.Identity) { id.Groups = nil },
		"address":  func(id *session.Identity) { id.Email = "ann@new.example.com" },
		"name":     func(id *session.Identity) { id.Name = "Ann" },
		"verified": func(id *session.Identity) { id.EmailVerified = false },
	} {
		must(t, n.IdentityChanged(t.Context(), h.people.change("ann", change)))
		after := n.assertion(n.wantOK(name+" changed", token))
		if after == before {
			t.Errorf("%s changed, and the assertion did not", name)
		}
		before = after
	}
	_, claims := parse(t, before)
	if got := claims["email"]; got != "ann@new.example.com" {
		t.Errorf("claim email = %v, want the new one", got)
	}
	if groups, _ := claims["groups"].([]any); len(groups) != 0 {
		t.Errorf("claim groups = %v, want []", groups)
	}
}

func TestAssertionFollowsAChangeBehindOurBack(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	before := n.assertion(n.wantOK("before", token))
	h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
	n.aMinute(token)
	after := n.assertion(n.wantOK("a minute later", token))
	if after == before {
		t.Fatal("the directory says something else, and the assertion does not")
	}
	if _, claims := parse(t, after); len(claims["groups"].([]any)) != 0 {
		t.Errorf("claim groups = %v, want []", claims["groups"])
	}
}

func TestAssertionDoesNotOutliveTheSession(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node(func(o *session.Options) { o.Lifetime = time.Hour })
	v, token := n.begin("ann")
	for h.clock.Now().Add(10 * time.Second).Before(v.ExpiresAt) {
		h.clock.pass(10 * time.Second)
		_, claims := parse(t, n.assertion(n.wantOK("every ten seconds", token)))
		exp := time.Unix(int64(claims["exp"].(float64)), 0)
		if exp.After(v.ExpiresAt) {
			t.Fatalf("%v before the session's end: the assertion outlives it by %v", v.ExpiresAt.Sub(h.clock.Now()), exp.Sub(v.ExpiresAt))
		}
		if !exp.After(h.clock.Now().Add(-time.Second)) {
			t.Fatalf("%v before the session's end: the assertion has expired", v.ExpiresAt.Sub(h.clock.Now()))
		}
	}
}

func TestConcurrentRequestsShareAnAssertion(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, _ := n.begin("ann")
	tokens := make([]string, 20)
	var group sync.WaitGroup
	for i := range tokens {
		group.Go(func() { tokens[i], _ = n.Assertion(v, v.Audience, issuer) })
	}
	group.Wait()
	if got := slices.Compact(tokens); len(got) != 1 || got[0] == "" {
		t.Errorf("20 concurrent requests have %d different assertions, want 1", len(got))
	}
}

// Whoever was not seen for a while takes less memory, and nothing else changes.
func TestAssertionsThatWouldBeSignedAnewAreNotKept(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	assertion := func(token string) string {
		t.Helper()
		signed, err := n.Assertion(n.wantOK("visitor", token), site, issuer)
		must(t, err)
		return signed
	}
	_, anns := n.begin("ann")
	first := assertion(anns)
	n.pass(3 * time.Minute)
	_, bobs := n.begin("bob")
	second := assertion(bobs)
	n.Tidy()
	if got := n.Assertions(); got != 2 {
		t.Errorf("%d assertions are kept of two that are good for longer, want both", got)
	}
	n.pass(30 * time.Second)
	n.Tidy()
	if got := n.Assertions(); got != 1 {
		t.Errorf("%d assertions are kept, want the one that is good for longer", got)
	}
	if assertion(anns) == first {
		t.Error("an assertion that is due to be signed anew is still given out")
	}
	if assertion(bobs) != second {
		t.Error("an assertion that is good for longer is signed anew")
	}
}
