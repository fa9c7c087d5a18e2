package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// promises are what sessions promise whatever store they are kept in.
var promises = []struct {
	name  string
	check func(t *testing.T, h *house)
}{
	{"a session says who signed in, where and how", saysWho},
	{"an ended session is refused at once", endedAtOnce},
	{"ending again is no error, and another's session is left alone", endsOwnOnly},
	{"EndAll spares the session that asks, and other people", endsAll},
	{"List has the latest seen first, and no ended one", lists},
	{"a session ended on another node is refused when it is heard of", heardElsewhere},
	{"a session ended on a node that is cut off is refused within CheckInterval", unheardElsewhere},
	{"signing out is done though the client hangs up", endsAfterHangUp},
	{"noting that a session was seen never revives it", touchNeverRevives},
	{"what was ended while it was read is not kept", endedWhileRead},
	{"of concurrent checks of one token one asks the store", checksOnce},
	{"whoever hangs up does not take along who waits for the same check", hangUpAlone},
	{"a token is good at its own site only, also while that checks it", audiences},
	{"a change of a subject takes effect everywhere at once", changesEverywhere},
	{"a disabled subject is signed out everywhere at once", disabledEverywhere},
}

func TestSessionsInAFile(t *testing.T) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.check(t, newEmbeddedHouse(t))
		})
	}
}

func TestSessionsInRedis(t *testing.T) {
	server := storetest.StartRedis(t)
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			p.check(t, newHouse(t, func(t testing.TB, _ *clock) store.Store {
				return openRedis(t, server, strings.ReplaceAll(p.name, " ", "-"))
			}))
		})
	}
}

func openRedis(t testing.TB, server *storetest.Redis, prefix string) store.Store {
	t.Helper()
	r, err := store.NewRedis(store.RedisOptions{URL: server.URL(), Prefix: prefix + ":"})
	must(t, err)
	t.Cleanup(func() { r.Close() })
	must(t, r.Open(context.Background()))
	return r
}

func saysWho(t *testing.T, h *house) {
	n := h.node()
	begun, token := n.begin("ann")
	for _, when := range []string{"first sight", "again"} {
		v := n.wantOK(when, token)
		if v.ID != begun.ID || v.Subject != "ann" || v.Audience != site || v.Agent != "Firefox on Linux" || v.Address != "192.0.2.1" {
			t.Errorf("%s: session = %+v, want that of ann", when, v.Session)
		}
		if got, want := v.AMR(), []string{session.MethodPasscode}; !slices.Equal(got, want) {
			t.Errorf("%s: AMR = %q, want %q", when, got, want)
		}
		if got, want := v.Identity.Email, "ann@example.com"; got != want {
			t.Errorf("%s: email = %q, want %q", when, got, want)
		}
		if got, want := v.ExpiresAt.Sub(v.StartedAt), 12*time.Hour; got != want {
			t.Errorf("%s: lifetime = %v, want %v", when, got, want)
		}
	}
	if _, err := n.Check(t.Context(), "", site); !errors.Is(err, session.ErrNone) {
		t.Errorf("Check of no token = %v, want ErrNone", err)
	}
}

func endedAtOnce(t *testing.T, h *house) {
	n := h.node()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	must(t, n.End(t.Context(), "ann", v.ID))
	n.wantRefused("after", token, session.ErrEnded)
	n.wantRefused("again", token, session.ErrEnded)
}

func endsOwnOnly(t *testing.T, h *house) {
	n := h.node()
	v, token := n.begin("ann")
	if err := n.End(t.Context(), "bob", v.ID); !errors.Is(err, session.ErrEnded) {
		t.Errorf("bob ends ann's session: End = %v, want ErrEnded", err)
	}
	n.wantOK("after bob tried", token)
	for range 2 {
		if err := n.End(t.Context(), "ann", v.ID); err != nil {
			t.Errorf("End = %v, want nil", err)
		}
	}
	n.wantRefused("ended", token, session.ErrEnded)
}

func endsAll(t *testing.T, h *house) {
	n := h.node()
	asks, asking := n.begin("ann")
	_, first := n.begin("ann")
	_, second := n.begin("ann")
	_, bobs := n.begin("bob")
	for _, token := range []string{asking, first, second, bobs} {
		n.wantOK("before", token)
	}
	must(t, n.EndAll(t.Context(), "ann", asks.ID))
	n.wantOK("the one that asks", asking)
	n.wantOK("bob's", bobs)
	n.wantRefused("first", first, session.ErrEnded)
	n.wantRefused("second", second, session.ErrEnded)
	must(t, n.EndAll(t.Context(), "ann", ""))
	n.wantRefused("the one that asked, later", asking, session.ErrEnded)
	n.wantOK("bob's, later", bobs)
}

func lists(t *testing.T, h *house) {
	n := h.node()
	a, token := n.begin("ann")
	h.clock.pass(time.Minute)
	b, _ := n.begin("ann")
	h.clock.pass(time.Minute)
	c, _ := n.begin("ann")
	n.begin("bob")
	h.clock.pass(5 * time.Minute)
	n.wantOK("a is seen", token)
	must(t, n.End(t.Context(), "ann", c.ID))
	list, err := n.List(t.Context(), "ann")
	must(t, err)
	var got []string
	for _, s := range list {
		got = append(got, s.ID)
	}
	if want := []string{a.ID, b.ID}; !slices.Equal(got, want) {
		t.Errorf("List = %q, want %q", got, want)
	}
}

func changesEverywhere(t *testing.T, h *house) {
	n, other := h.node(), h.node()
	_, token := n.begin("ann")
	n.wantOK("before", token)
	other.wantOK("before", token)
	over, cancel := context.WithCancel(t.Context())
	cancel() // the directory was written: the client may hang up
	changed := h.people.change("ann", func(id *session.Identity) { id.Groups = []string{"admins", "staff"} })
	must(t, n.IdentityChanged(over, changed))
	if got := n.wantOK("after", token).Identity.Groups; !slices.Contains(got, "admins") {
		t.Errorf("groups where the change was made = %q, want admins among them", got)
	}
	h.eventually("the other node knows of the change", func() bool {
		return slices.Contains(other.wantOK("elsewhere", token).Identity.Groups, "admins")
	})
}

func disabledEverywhere(t *testing.T, h *house) {
	n, other := h.node(), h.node()
	_, token := n.begin("ann")
	_, unseen := n.begin("ann")
	_, bobs := n.begin("bob")
	other.wantOK("before", token)
	other.wantOK("before", bobs)
	disabled := h.people.change("ann", func(id *session.Identity) { id.Disabled = true })
	must(t, n.IdentityChanged(t.Context(), disabled))
	if list, err := n.List(t.Context(), "ann"); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v, want none", list, err)
	}
	n.wantRefused("where it was done", token, session.ErrEnded)
	h.eventually("the other node knows of it", func() bool {
		_, err := other.Check(t.Context(), token, site)
		return errors.Is(err, session.ErrEnded)
	})
	other.wantOK("bob", bobs)
	if _, _, err := n.Begin(t.Context(), signIn("ann")); !errors.Is(err, session.ErrEnded) {
		t.Errorf("Begin = %v, want ErrEnded", err)
	}
	if list, err := n.List(t.Context(), "ann"); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v, want none", list, err)
	}
	must(t, n.IdentityChanged(t.Context(), h.people.change("ann", func(id *session.Identity) { id.Disabled = false })))
	n.wantRefused("the old session when she is back", token, session.ErrEnded)
	n.wantRefused("one that nobody asked about meanwhile", unseen, session.ErrEnded)
	n.begin("ann")
}
