package session_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/session"
)

// follower returns a node that reads the journal when the test says so, and has begun.
func (h *house) follower(with ...func(*session.Options)) *node {
	h.t.Helper()
	n := h.node(with...)
	n.FollowByHand()
	n.readsOn()
	n.readsOn()
	return n
}

// readsOn does what a node does every second.
func (n *node) readsOn() {
	n.h.t.Helper()
	must(n.h.t, n.ReadJournal(n.h.t.Context()))
	must(n.h.t, n.WriteSeen(n.h.t.Context()))
	n.AskAround(n.h.t.Context())
}

// pass lets time pass, while n reads the journal: every second, or where that would be
// very often every four, which is just often enough.
func (n *node) pass(d time.Duration) {
	n.h.t.Helper()
	every := time.Second
	if d > 20*every {
		every = 4 * time.Second
	}
	for ; d > 0; d -= every {
		n.h.clock.pass(min(d, every))
		n.readsOn()
	}
}

// passWithoutAnswers is pass with a directory that does not answer in time: whoever is
// asked for in the background is asked for by a request.
func (n *node) passWithoutAnswers(d time.Duration) {
	n.h.t.Helper()
	for ; d > 0; d -= time.Second {
		n.h.clock.pass(time.Second)
		must(n.h.t, n.ReadJournal(n.h.t.Context()))
	}
}

func TestCheckLastsAsLongAsTheJournalIsRead(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	reads := n.store.reads.Load()
	for range 12 { // four minutes
		n.pass(20 * time.Second)
		n.wantOK("vouched for", token)
	}
	if got := n.store.reads.Load() - reads; got != 0 {
		t.Errorf("the store was asked %d times for what the journal says, want never", got)
	}
	n.pass(time.Minute + time.Second)
	n.wantOK("after five minutes", token)
	if got := n.store.reads.Load() - reads; got == 0 {
		t.Error("the store was not asked for five minutes, want once")
	}
}

// While it cannot be read, checks last no longer than CheckInterval.
func TestJournalThatIsNotReadVouchesForNothing(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	n.pass(time.Minute - time.Second)
	n.store.away.Store(true)
	h.clock.pass(5*time.Second - 1)
	n.wantOK("just after it was read", token)
	if err := n.ReadJournal(t.Context()); err == nil {
		t.Fatal("reading the journal of a store that is away = nil, want an error")
	}
	h.clock.pass(1)
	n.wantFailure("CheckInterval after it was read", token)
	n.store.away.Store(false)
	n.wantOK("the store is back", token)
}

// The node that ends a session cannot tell the others.
func TestSessionThatWasEndedUntoldIsDeadAtTheNextReading(t *testing.T) {
	for name, end := range map[string]func(other *node, id string) error{
		"it":         func(other *node, id string) error { return other.End(t.Context(), "ann", id) },
		"all of ann": func(other *node, id string) error { return other.EndAll(t.Context(), "ann", "") },
		"ann is removed": func(other *node, id string) error {
			return other.IdentityChanged(t.Context(), session.Identity{Subject: "ann", Disabled: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newEmbeddedHouse(t)
			n, other := h.follower(), h.node()
			v, token := n.begin("ann")
			_, bobs := n.begin("bob")
			n.wantOK("before", token)
			n.wantOK("before", bobs)
			n.pass(30 * time.Second)
			h.people.remove("ann")
			other.store.mute.Store(true)
			must(t, end(other, v.ID))
			n.wantOK("nobody said anything", token)
			n.pass(time.Second)
			n.wantRefused("the journal was read", token, session.ErrEnded)
			reads := n.store.reads.Load()
			n.wantOK("of somebody else", bobs)
			if n.store.reads.Load() != reads {
				t.Error("a session was checked again because another one was ended")
			}
		})
	}
}

func TestChangeIsKnownAtTheNextReading(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.node()
	_, token := n.begin("ann")
	n.wantOK("before", token)
	other.store.mute.Store(true)
	changed := h.people.change("ann", func(id *session.Identity) { id.Groups = []string{"guests"} })
	must(t, other.IdentityChanged(t.Context(), changed))
	n.pass(time.Second)
	if got := n.wantOK("after", token).Identity.Groups; !slices.Equal(got, changed.Groups) {
		t.Errorf("groups = %q, want %q", got, changed.Groups)
	}
}

// Somebody's session ends while the directory is asked who they are.
func TestRenewingBringsNobodyBack(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	n.passWithoutAnswers(70 * time.Second)
	asked := false
	h.people.after = func() {
		asked = true
		must(t, n.End(t.Context(), "ann", v.ID))
	}
	n.wantRefused("ended while it is renewed", token, session.ErrEnded)
	if !asked {
		t.Error("the directory was not asked: this proves nothing")
	}
	n.wantRefused("afterwards", token, session.ErrEnded)
}

// A node announces that it ends a session, another reads that, and makes the check again
// in time to find the session there. Then the first ends it, and dies.
func TestWhoIsInDoubtIsCheckedAgain(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.node()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	n.pass(10 * time.Second)
	other.store.mute.Store(true)
	meanwhile := func() {
		n.pass(time.Second)
		n.wantOK("announced, and not done", token)
		other.store.deaf.Store(true)
	}
	other.store.doomed.Store(&meanwhile)
	_ = other.End(t.Context(), "ann", v.ID)
	if other.store.doomed.Load() != nil {
		t.Fatal("nothing was deleted: this proves nothing")
	}
	n.pass(5 * time.Second)
	n.wantRefused("CheckInterval later", token, session.ErrEnded)
}

// A reader that paused may have missed what was there in between.
func TestSeriesOfReadingsThatBrokeVouchesForNothingBefore(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.node()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	n.pass(10 * time.Second)
	other.store.mute.Store(true)
	must(t, other.End(t.Context(), "ann", v.ID))
	h.clock.pass(61 * time.Second)
	n.readsOn() // the announcement has expired
	n.wantRefused("after a pause", token, session.ErrEnded)
}

// A store that was emptied, or is back as it was yesterday, has no journal either.
func TestJournalThatWasLostVouchesForNothing(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	n.pass(10 * time.Second)
	must(t, h.store.Delete(t.Context(), "session/"+v.ID))
	for _, entry := range h.journal() {
		must(t, h.store.Remove(t.Context(), "forgotten", entry))
	}
	n.pass(6 * time.Second)
	n.wantRefused("the store is empty", token, session.ErrEnded)
	// It goes on with what begins now.
	_, again := n.begin("bob")
	n.wantOK("begun in the empty store", again)
	reads := n.store.reads.Load()
	n.pass(30 * time.Second)
	n.wantOK("vouched for", again)
	if n.store.reads.Load() != reads {
		t.Error("the journal does not vouch for what began after it was lost")
	}
}

func (h *house) journal() []string {
	h.t.Helper()
	entries, err := h.store.Members(context.Background(), "forgotten")
	must(h.t, err)
	return entries
}

// While more is ended than a node can follow, it asks as it would without a journal.
func TestJournalThatIsTooLongVouchesForNothing(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("before", token)
	n.pass(10 * time.Second)
	n.store.busy.Store(session.JournalMost)
	if err := n.ReadJournal(t.Context()); err == nil {
		t.Error("reading a journal that is too long = nil, want an error")
	}
	h.clock.pass(5 * time.Second)
	reads := n.store.reads.Load()
	n.wantOK("asked", token)
	if n.store.reads.Load() == reads {
		t.Error("a journal that is too long to be read vouches for somebody")
	}
}

func TestJournalIsShort(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	const marks = 4 // at most
	for range 3 {
		v, _ := n.begin("ann")
		must(t, n.End(t.Context(), "ann", v.ID))
		n.begin("ann")
		must(t, n.EndAll(t.Context(), "ann", ""))
		// What is over already, or never was, is not announced.
		must(t, n.End(t.Context(), "ann", v.ID))
		must(t, n.End(t.Context(), "ann", strings.Repeat("x", 5000)))
		must(t, n.EndAll(t.Context(), "ann", ""))
	}
	if got, want := len(h.journal()), 2*6+marks; got > want {
		t.Errorf("the journal has %d entries after 6 ends, want two for each and the marks of a reader: %d at most", got, want)
	}
	for range 20 {
		n.pass(61 * time.Second)
		if got := len(h.journal()); got == 0 || got > marks {
			t.Fatalf("the journal has %d entries when nothing happens, want the marks of its reader, %d at most", got, marks)
		}
	}
}

// What is changed behind our back is known within a minute though the store is not asked.
func TestFollowerAsksTheDirectoryOnceAMinute(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, anns := n.begin("ann")
	_, bobs := n.begin("bob")
	n.wantOK("first sight", anns)
	n.wantOK("first sight", bobs)
	h.people.asked = 0
	for range 120 {
		n.pass(time.Second)
		n.wantOK("busy", anns)
	}
	if got := h.people.asked; got != 2 {
		t.Errorf("the directory was asked %d times in two minutes, want twice", got)
	}
	h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
	h.people.remove("bob")
	n.pass(time.Minute)
	if got := n.wantOK("changed", anns).Identity.Groups; len(got) != 0 {
		t.Errorf("groups a minute after the change = %q, want none", got)
	}
	n.wantRefused("removed", bobs, session.ErrEnded)
	h.people.fail(errors.New("directory away"))
	for range 10 {
		n.pass(30 * time.Second)
		n.wantOK("the directory is away", anns)
	}
}

// The machine of a reader stops for a while, and its clock with it, or the clock of the
// store jumps: what was announced is not there any more.
func TestWhoSleptWithoutNoticingVouchesForNothingBefore(t *testing.T) {
	h := newEmbeddedHouse(t)
	own := newClock()
	n := h.follower(func(o *session.Options) { o.Now = own.Now })
	other, awake := h.node(), h.follower()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	both := func(d time.Duration) {
		for ; d > 0; d -= time.Second {
			own.pass(time.Second)
			n.pass(time.Second)
		}
	}
	both(10 * time.Second)
	other.store.mute.Store(true)
	must(t, other.End(t.Context(), "ann", v.ID))
	awake.pass(61 * time.Second)
	both(10 * time.Second)
	n.wantRefused("when it goes on", token, session.ErrEnded)
}

// Whoever ends a session takes so long that the announcement has expired, and cannot
// tell anybody.
func TestSessionThatIsEndedSlowlyIsEnded(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.node()
	v, token := n.begin("ann")
	_, second := n.begin("ann")
	n.wantOK("before", token)
	n.wantOK("before", second)
	n.pass(10 * time.Second)
	other.store.mute.Store(true)
	for _, slow := range []struct {
		name, token string
		end         func() error
	}{
		{"it", token, func() error { return other.End(t.Context(), "ann", v.ID) }},
		{"all of ann", second, func() error { return other.EndAll(t.Context(), "ann", "") }},
	} {
		meanwhile := func() {
			n.pass(62 * time.Second)
			n.wantOK("announced, forgotten, and not done: "+slow.name, slow.token)
		}
		other.store.doomed.Store(&meanwhile)
		must(t, slow.end())
		n.pass(time.Second)
		n.wantRefused("ended: "+slow.name, slow.token, session.ErrEnded)
	}
}

// The part of the store that has the journal is away when a session is ended, and is
// back before a mark of the reader has expired.
func TestAnnouncementThatFailedIsNotTakenForNone(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.node()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	n.pass(12 * time.Second)
	other.store.mute.Store(true)
	other.store.deaf.Store(true)
	n.store.away.Store(true)
	if err := other.End(t.Context(), "ann", v.ID); err == nil {
		t.Error("ending a session that cannot be announced = nil, want an error")
	}
	h.clock.pass(4 * time.Second)
	if err := n.ReadJournal(t.Context()); err == nil {
		t.Fatal("reading what is away = nil, want an error")
	}
	n.store.away.Store(false)
	other.store.deaf.Store(false)
	n.pass(2 * time.Second)
	n.wantRefused("when it can be read again", token, session.ErrEnded)
}

// A store that is full takes no names; marks can be taken away all the same.
func TestStoreThatIsFullVouchesForNobody(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.node()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	n.pass(12 * time.Second)
	other.store.mute.Store(true)
	other.store.full.Store(true)
	must(t, other.End(t.Context(), "ann", v.ID))
	n.pass(5 * time.Second)
	n.wantRefused("CheckInterval later", token, session.ErrEnded)
}

// The directory takes its time, and the journal is not good any more when it answers.
func TestRenewedCheckIsGoodNoLongerThanTheJournal(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.node()
	v, token := n.begin("ann")
	n.wantOK("first sight", token)
	n.passWithoutAnswers(61 * time.Second)
	other.store.mute.Store(true)
	n.store.away.Store(true)
	must(t, other.End(t.Context(), "ann", v.ID))
	h.clock.pass(4900 * time.Millisecond)
	h.people.after = func() { h.clock.pass(1900 * time.Millisecond) }
	n.wantFailure("nobody knows", token)
}

func TestBlipOfTheDirectoryIsForgottenSoon(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	h.people.remove("ann")
	h.people.fail(errors.New("directory away"))
	n.pass(61 * time.Second)
	n.wantOK("the directory is away", token)
	h.people.fail(nil)
	n.pass(6 * time.Second)
	n.wantRefused("it is back", token, session.ErrEnded)
}

// Whoever has a clock that is ahead says when somebody was asked for, too.
func TestIdentityFromTheFutureIsAskedForNow(t *testing.T) {
	h := newEmbeddedHouse(t)
	ahead := h.node(func(o *session.Options) { o.Now = func() time.Time { return h.clock.Now().Add(59 * time.Second) } })
	n := h.follower()
	_, token := ahead.begin("ann")
	n.wantOK("first sight", token)
	h.people.remove("ann")
	n.pass(61 * time.Second)
	n.wantRefused("a minute later", token, session.ErrEnded)
}

func TestInspectionsDoNotAskTheDirectoryEachTime(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.pass(2 * time.Minute)
	h.people.asked = 0
	for range 100 {
		_, err := n.Inspect(t.Context(), token, site)
		must(t, err)
	}
	if got := h.people.asked; got != 1 {
		t.Errorf("100 inspections asked the directory %d times, want once", got)
	}
}

// A back end inspects a session all the time, which is no use of it, and must not hide
// that its owner uses it.
// What an inspection finds ended is ended for everybody.
func TestInspectionThatFindsNothingHasTheCheckForgotten(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	must(t, h.store.Delete(t.Context(), "session/"+v.ID))
	if _, err := n.Inspect(t.Context(), token, site); !errors.Is(err, session.ErrEnded) {
		t.Errorf("Inspect = %v, want ErrEnded", err)
	}
	n.wantRefused("afterwards", token, session.ErrEnded)
}

// The list of somebody's sessions was lost, and the sessions were not.
func TestSessionThatIsNotListedCanBeEnded(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, token := n.begin("ann")
	must(t, h.store.Remove(t.Context(), "sessions/ann", v.ID))
	must(t, n.End(t.Context(), "ann", v.ID))
	n.wantRefused("ended", token, session.ErrEnded)
}

// Nodes whose clocks are their own end sessions and use them while some cannot tell, some
// cannot read or write, some take their time, and time passes as it likes: nobody passes
// CheckInterval after the end.
func TestEndedIsEndedEverywhereWithinCheckInterval(t *testing.T) {
	for round := range 25 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, uint64(round)))
		h := newEmbeddedHouse(t)
		var nodes []*node
		for i := range 3 {
			off := time.Duration(r.Int64N(int64(time.Minute)))
			n := h.node(func(o *session.Options) { o.Now = func() time.Time { return h.clock.Now().Add(off) } })
			if i > 0 {
				n.FollowByHand()
			}
			nodes = append(nodes, n)
		}
		type one struct {
			id, token string
			ended     time.Time
		}
		var all []*one
		for range 4 {
			v, token := nodes[0].begin("ann")
			all = append(all, &one{id: v.ID, token: token})
		}
		for range 400 {
			n, x := nodes[r.IntN(len(nodes))], all[r.IntN(len(all))]
			switch r.IntN(9) {
			case 0:
				h.clock.pass(time.Duration(r.Int64N(int64(time.Second))))
			case 1:
				h.clock.pass(time.Duration(r.Int64N(int64(40 * time.Second))))
			case 2, 3:
				for _, n := range nodes[1:] {
					_ = n.ReadJournal(t.Context())
				}
			case 4:
				n.store.mute.Store(r.IntN(2) == 0)
			case 5:
				n.store.away.Store(r.IntN(4) == 0)
			case 6:
				n.store.full.Store(r.IntN(4) == 0)
			case 7:
				if r.IntN(20) > 0 || !x.ended.IsZero() {
					continue
				}
				if r.IntN(2) == 0 {
					slowly := func() {
						h.clock.pass(time.Duration(r.Int64N(int64(2 * time.Minute))))
						for _, n := range nodes[1:] {
							_ = n.ReadJournal(t.Context())
							_, _ = n.Check(t.Context(), x.token, site)
						}
					}
					n.store.doomed.Store(&slowly)
				}
				if n.End(t.Context(), "ann", x.id) == nil {
					x.ended = h.clock.Now()
				}
				n.store.doomed.Store(nil)
			case 8:
				_, err := n.Check(t.Context(), x.token, site)
				if passed := h.clock.Now().Sub(x.ended); err == nil && !x.ended.IsZero() && passed >= 5*time.Second {
					t.Fatalf("seed %d, round %d: a session passes %v after its end", seed, round, passed)
				}
			}
		}
	}
}

// Follow itself, in the time of a bubble.
func TestFollowReadsAndWritesUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n, other := h.node(), h.node()
		ctx, stop := context.WithCancel(t.Context())
		wait := n.Follow(ctx, func(err error) { t.Errorf("reading the journal: %v", err) })
		v, token := n.begin("ann")
		n.wantOK("first sight", token)
		time.Sleep(6 * time.Second) // nobody reads before somebody comes
		n.wantOK("looked at once more", token)
		n.wantOK("first sight", token)
		reads := n.store.reads.Load()
		for range 8 {
			time.Sleep(30 * time.Second)
			n.wantOK("vouched for", token)
		}
		if n.store.reads.Load() != reads {
			t.Error("the store was asked though the journal is read")
		}
		stop()
		wait()
		list, err := other.List(t.Context(), "ann")
		must(t, err)
		if len(list) != 1 || time.Since(list[0].LastSeenAt) > time.Minute {
			t.Errorf("sessions = %+v, want the one that was seen before Follow ended", list)
		}
		other.store.mute.Store(true)
		must(t, other.End(t.Context(), "ann", v.ID))
		time.Sleep(6 * time.Second)
		n.wantRefused("nobody reads any more", token, session.ErrEnded)
	})
}
