package session_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

const (
	apiSite   = "https://auth.example.com"
	thirdSite = "https://third.example.com"
)

// beginAtAPI signs a subject in at apiSite, for site and otherSite as well.
func (n *node) beginAtAPI(subject string) (*session.Visitor, string) {
	n.h.t.Helper()
	in := signIn(subject)
	in.Audience, in.Sites, in.Issuer = apiSite, []string{site, otherSite}, apiSite+"/doorward"
	v, token, err := n.Begin(context.Background(), in)
	must(n.h.t, err)
	return v, token
}

// A session token that an app got from the API host passes where the operator
// says, on a node that has never seen it, one that has, and after the check was
// made anew; and nowhere else.
func TestSessionPassesAtItsSitesAndAtNoOther(t *testing.T) {
	h := newEmbeddedHouse(t)
	_, several := h.node().beginAtAPI("ann")
	_, one := h.node().begin("ann")
	for _, tt := range []struct {
		name, token string
		passes      []string
	}{
		{"a session of the API host", several, []string{apiSite, site, otherSite}},
		{"a session of one site", one, []string{site}},
	} {
		for _, at := range []string{apiSite, site, otherSite, thirdSite, "", site + "/", "https://APP.example.com", "http://app.example.com"} {
			n := h.node() // which sees the token for the first time
			for _, when := range []string{"first sight", "checked a moment ago elsewhere", "check is due"} {
				switch when {
				case "checked a moment ago elsewhere":
					_, err := n.Check(t.Context(), tt.token, tt.passes[0])
					must(t, err)
				case "check is due":
					h.clock.pass(6 * time.Second)
				}
				v, err := n.Check(t.Context(), tt.token, at)
				if want := slices.Contains(tt.passes, at); want && err != nil || !want && (v != nil || !errors.Is(err, session.ErrInvalid)) {
					t.Errorf("%s at %q, %s: Check = %v, %v; passes: want %v", tt.name, at, when, v, err, want)
				}
			}
		}
	}
}

func TestSessionTokenNamesAllItsSites(t *testing.T) {
	h := newEmbeddedHouse(t)
	_, token := h.node().beginAtAPI("ann")
	_, claims := parse(t, token)
	if got, want := audienceOf(t, claims), []string{apiSite, site, otherSite}; !slices.Equal(got, want) {
		t.Errorf("aud %q, want %q", got, want)
	}
}

// audienceOf returns the aud of a token, which is a list if there are several.
func audienceOf(t *testing.T, claims map[string]any) []string {
	t.Helper()
	list, ok := claims["aud"].([]any)
	if !ok {
		t.Fatalf("aud is %v, want a list", claims["aud"])
	}
	var got []string
	for _, a := range list {
		got = append(got, a.(string))
	}
	return got
}

// What a token says is not enough: the record counts.
func TestTokenCannotWidenItsSession(t *testing.T) {
	f := newForger(t)
	wide := forge(t, f.header, f.claims.with("aud", []string{site, otherSite}), f.sign)
	if _, err := f.Check(t.Context(), wide, site); err != nil {
		t.Fatalf("at the site of its session: Check = %v", err)
	}
	if _, err := f.Check(t.Context(), wide, otherSite); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("at a site that its session is not good for: Check = %v, want ErrInvalid", err)
	}
}

func TestSessionForSeveralSitesIsListedOnceAndEndsEverywhere(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.beginAtAPI("ann")
	for _, at := range []string{apiSite, site, otherSite} {
		if _, err := n.Check(t.Context(), token, at); err != nil {
			t.Fatalf("Check at %s: %v", at, err)
		}
	}
	live, err := n.List(t.Context(), "ann")
	must(t, err)
	if len(live) != 1 || live[0].ID != v.ID || live[0].Audience != apiSite || !slices.Equal(live[0].Sites, []string{site, otherSite}) {
		t.Errorf("List = %+v, want the one session, of the API host, with its sites", live)
	}
	must(t, n.End(t.Context(), "ann", v.ID))
	for _, at := range []string{apiSite, site, otherSite} {
		if _, err := n.Check(t.Context(), token, at); !errors.Is(err, session.ErrEnded) {
			t.Errorf("after the end, at %s: Check = %v, want ErrEnded", at, err)
		}
	}
}

// Each app is told that the assertion is meant for it, and gets none that is
// meant for another, however the requests to the sites alternate.
func TestAssertionIsForTheSiteThatItIsSignedFor(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.beginAtAPI("ann")
	first := make(map[string]string)
	for round := range 4 {
		for _, at := range []string{site, otherSite, apiSite} {
			v, err := n.Check(t.Context(), token, at)
			must(t, err)
			assertion, err := n.Assertion(v, at, at+"/doorward")
			must(t, err)
			_, claims := parse(t, assertion)
			if got := audienceOf(t, claims); len(got) != 1 || got[0] != at || claims["iss"] != at+"/doorward" {
				t.Errorf("round %d at %s: aud %q of %v, want that alone", round, at, got, claims["iss"])
			}
			if first[at] == "" {
				first[at] = assertion
			}
			if assertion != first[at] {
				t.Errorf("round %d at %s: another assertion is signed after seconds", round, at)
			}
		}
		h.clock.pass(6 * time.Second) // the next round's visitor is another, of the same session
	}
	h.clock.pass(5 * time.Minute)
	v, err := n.Check(t.Context(), token, site)
	must(t, err)
	if assertion, err := n.Assertion(v, site, issuer); err != nil || assertion == first[site] {
		t.Errorf("after five minutes: the same assertion or %v, want a new one", err)
	}
}

func TestThereIsNoAssertionForAnotherSite(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	several, _ := n.beginAtAPI("ann")
	one, _ := n.begin("ann")
	for at, v := range map[string]*session.Visitor{thirdSite: several, otherSite: one, "": one} {
		if assertion, err := n.Assertion(v, at, issuer); !errors.Is(err, session.ErrInvalid) || assertion != "" {
			t.Errorf("Assertion for %q = %q, %v; want none, ErrInvalid", at, assertion, err)
		}
	}
}

func TestConcurrentRequestsToSeveralSitesShareTheirAssertions(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, _ := n.beginAtAPI("ann")
	sites := []string{apiSite, site, otherSite}
	tokens := make([]string, 60)
	var group sync.WaitGroup
	for i := range tokens {
		group.Go(func() { tokens[i], _ = n.Assertion(v, sites[i%len(sites)], issuer) })
	}
	group.Wait()
	for i, token := range tokens {
		if token == "" || token != tokens[i%len(sites)] {
			t.Fatalf("request %d to %s got an assertion of its own", i, sites[i%len(sites)])
		}
	}
}

// One session has streams open at two sites, and the rules of one of them change.
func TestStreamIsJudgedByTheSiteWhereItIsOpen(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.beginAtAPI("ann")
	open := func(at string) *openStream {
		t.Helper()
		v, err := n.Check(t.Context(), token, at)
		must(t, err)
		ctx, stop := n.Stream(context.Background(), v, at)
		t.Cleanup(stop)
		return &openStream{ctx, stop}
	}
	here, there := open(site), open(otherSite)
	n.Streams().Judge(func(v *session.Visitor, at string) bool { return v.Subject == "ann" && at == otherSite })
	here.wantEnd(t, "at the site that refuses her now", time.Second)
	there.wantOpen(t, "at the site that admits her")
	open(site).wantEnd(t, "opened after the rules changed", time.Second)
	open(apiSite).wantEnd(t, "where nobody admits her", time.Second)
	n.wantKept(t, 1, 1)
}

// The hot path of one site, and of two that take turns.
func BenchmarkAssertionOfSeveralSites(b *testing.B) {
	h := newEmbeddedHouse(b)
	n := h.node()
	v, _ := n.beginAtAPI("ann")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := site
		if i%2 == 0 {
			at = otherSite
		}
		if _, err := n.Assertion(v, at, issuer); err != nil {
			b.Fatal(err)
		}
	}
}

// A token that no node would take is not handed out.
func TestTokenThatWouldBeTooLongIsNotSigned(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	in := signIn("ann")
	for range 300 {
		in.Sites = append(in.Sites, "https://a-site-of-many.example.com")
	}
	if v, token, err := n.Begin(t.Context(), in); err == nil {
		t.Errorf("Begin = %v, a token of %d bytes, want an error", v, len(token))
	}
	if list, err := n.List(t.Context(), "ann"); err != nil || len(list) != 0 {
		t.Errorf("List afterwards = %v, %v, want no session", list, err)
	}
}
