package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

func TestSessionEndsWhenItsOwnerIsIdle(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	h.clock.pass(time.Hour - time.Millisecond)
	n.wantOK("just before the idle limit", token)
	// That was noted: the limit counts from there.
	h.clock.pass(time.Hour - time.Millisecond)
	n.wantOK("just before the next", token)
	h.clock.pass(time.Hour)
	n.wantRefused("at the idle limit", token, nil)
}

// A server that asks again and again whether a token is good keeps nobody signed
// in who has gone.
func TestInspectionIsNoUseOfTheSession(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.begin("ann")
	for range 59 {
		h.clock.pass(time.Minute)
		if got, err := n.Inspect(t.Context(), token, site); err != nil || got.ID != v.ID {
			t.Fatalf("Inspect = %v, %v, want the session", got, err)
		}
	}
	h.clock.pass(time.Minute)
	if got, err := n.Inspect(t.Context(), token, site); !errors.Is(err, session.ErrEnded) && !errors.Is(err, session.ErrExpired) {
		t.Errorf("Inspect at the idle limit = %v, %v, want a refusal", got, err)
	}
}

func TestInspectionRefusesWhatACheckRefuses(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.begin("ann")
	for name, tt := range map[string]struct {
		token, at string
		want      error
	}{
		"no token":     {"", site, session.ErrNone},
		"garbage":      {token[:len(token)-1], site, session.ErrInvalid},
		"another site": {token, otherSite, session.ErrInvalid},
		"an assertion": {n.assertion(v), site, session.ErrInvalid},
	} {
		if got, err := n.Inspect(t.Context(), tt.token, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("%s: Inspect = %v, %v, want %v", name, got, err, tt.want)
		}
	}
	must(t, n.End(t.Context(), "ann", v.ID))
	if got, err := n.Inspect(t.Context(), token, site); !errors.Is(err, session.ErrEnded) {
		t.Errorf("Inspect of an ended session = %v, %v, want ErrEnded", got, err)
	}
}

// The clock of Redis stands for one that is behind: the record is still there.
func TestLimitsCountThoughTheStoreHasNotForgottenTheSession(t *testing.T) {
	server := storetest.StartRedis(t)
	h := newHouse(t, func(t testing.TB, _ *clock) store.Store { return openRedis(t, server, "limits") })
	n := h.node()
	for limit, pass := range map[string]func(token string){
		"idle": func(string) { h.clock.pass(time.Hour) },
		"absolute": func(token string) {
			for range 24 {
				h.clock.pass(30*time.Minute - time.Second)
				n.wantOK("busy", token)
			}
			h.clock.pass(24 * time.Second)
		},
	} {
		_, token := n.begin("ann")
		n.wantOK("before", token)
		pass(token)
		n.wantRefused("at the "+limit+" limit", token, session.ErrExpired)
		n.wantRefused("the store has forgotten it now", token, session.ErrEnded)
		if list, err := n.List(t.Context(), "ann"); err != nil || len(list) != 0 {
			t.Errorf("List at the %s limit = %v, %v, want none", limit, list, err)
		}
	}
}

func TestSessionEndsAtItsAbsoluteLimitThoughItsOwnerIsBusy(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.begin("ann")
	for h.clock.Now().Add(30 * time.Minute).Before(v.ExpiresAt) {
		h.clock.pass(30 * time.Minute)
		n.wantOK("every half hour", token)
	}
	h.clock.pass(v.ExpiresAt.Sub(h.clock.Now()) - time.Millisecond)
	n.wantOK("just before the absolute limit", token)
	h.clock.pass(time.Millisecond) // the check is not a moment good for longer than the session
	n.wantRefused("at the absolute limit", token, nil)
}

// A cached check is not noted as seen, so that a long CheckInterval could end the
// session of somebody who is there all the time.
func TestBusyOwnerIsNeverIdle(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node(func(o *session.Options) { o.Idle, o.CheckInterval = time.Minute, time.Minute })
	_, token := n.begin("ann")
	for range 20 {
		h.clock.pass(25 * time.Second)
		n.wantOK("every 25 seconds, with an idle limit of a minute", token)
	}
}

// The idle limit belongs to the session: a node that is configured for a longer
// one notes often enough that the session was seen.
func TestIdleLimitOfTheSessionCountsWhereAnotherIsConfigured(t *testing.T) {
	h := newEmbeddedHouse(t)
	_, token := h.node(func(o *session.Options) { o.Idle = time.Minute }).begin("ann")
	n := h.node(func(o *session.Options) { o.Idle = 12 * time.Hour })
	for range 5 {
		h.clock.pass(30 * time.Second)
		n.wantOK("every half minute", token)
	}
	h.clock.pass(time.Minute)
	n.wantRefused("after a minute", token, nil)
}

func TestFreshCheckAsksNobody(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	n.store.reads.Store(0)
	h.clock.pass(5*time.Second - 1)
	n.wantOK("within CheckInterval", token)
	if got := n.store.reads.Load(); got != 0 {
		t.Errorf("a check within CheckInterval read %d values, want 0", got)
	}
	h.clock.pass(1)
	n.wantOK("after it", token)
	if got := n.store.reads.Load(); got == 0 {
		t.Error("a check after CheckInterval read nothing")
	}
}

// A check is good from when the store was asked, not from when it answered.
func TestSlowCheckIsNotGoodForLonger(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.node(), h.node()
	v, token := n.begin("ann")
	other.store.mute.Store(true)
	n.store.onRead(func(string) {
		must(t, other.End(t.Context(), "ann", v.ID))
		h.clock.pass(4 * time.Second)
	})
	// The record was read before the session ended; nobody could be told.
	if _, err := n.Check(t.Context(), token, site); err != nil && !session.Refused(err) {
		t.Fatal(err)
	}
	h.clock.pass(time.Second)
	n.wantRefused("CheckInterval after the store was asked", token, session.ErrEnded)
}

func TestClockThatIsSetBackMakesNobodyImmortal(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	h.clock.pass(-time.Hour)
	n.wantOK("an hour back", token)
	if v.Fresh(h.clock.Now(), 15*time.Minute) {
		t.Error("a sign-in an hour from now is fresh: want it proved anew")
	}
	must(t, n.End(t.Context(), "ann", v.ID))
	n.wantRefused("ended", token, nil)

	// Whoever is idle from now on reaches the limit an hour late, and no later.
	h.clock.pass(time.Hour)
	_, token = n.begin("ann")
	n.wantOK("before", token)
	h.clock.pass(-time.Hour)
	n.wantOK("an hour back", token)
	h.clock.pass(2 * time.Hour)
	n.wantRefused("an hour and the idle limit later", token, nil)
}

// What the directory said a minute from now is as old as what it said a minute
// ago.
func TestDirectoryIsAskedThoughTheClockWasSetBack(t *testing.T) {
	h := newEmbeddedHouse(t)
	_, token := h.node().begin("ann")
	h.people.remove("ann")
	h.clock.pass(-session.Leeway + time.Second) // the token itself is still good
	h.node().wantRefused("removed from the directory", token, session.ErrEnded)
}

func TestSessionIsFreshForAWhileAfterTheProof(t *testing.T) {
	now := newClock().Now()
	for name, test := range map[string]struct {
		proofs []time.Duration // before now
		want   bool
	}{
		"just now":                             {[]time.Duration{0}, true},
		"at the edge":                          {[]time.Duration{15 * time.Minute}, true},
		"too long ago":                         {[]time.Duration{15*time.Minute + 1}, false},
		"long ago, and again":                  {[]time.Duration{5 * time.Hour, time.Minute}, true},
		"on a node whose clock is ahead":       {[]time.Duration{-session.Leeway}, true},
		"in the future, by a clock set back":   {[]time.Duration{-session.Leeway - 1}, false},
		"never, of a session without a method": {nil, false},
	} {
		var s session.Session
		for _, ago := range test.proofs {
			s.Methods = append(s.Methods, session.Method{Name: session.MethodPasskey, At: now.Add(-ago)})
		}
		if got := s.Fresh(now, 15*time.Minute); got != test.want {
			t.Errorf("proved %s: Fresh = %v, want %v", name, got, test.want)
		}
	}
}
