package session_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

// That a session is in use is written, in one journey for many, and counts.
func TestFollowerNotesWhoWasSeen(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	v, used := n.begin("ann")
	_, idle := n.begin("bob")
	n.wantOK("first sight", used)
	n.wantOK("first sight", idle)
	for range 24 {
		n.pass(150 * time.Second)
		n.wantOK("in use", used)
	}
	n.readsOn()
	list, err := n.List(t.Context(), "ann")
	must(t, err)
	i := slices.IndexFunc(list, func(s session.Session) bool { return s.ID == v.ID })
	if i < 0 || h.clock.Now().Sub(list[i].LastSeenAt) > 2*time.Minute {
		t.Fatalf("sessions = %+v, want one that was seen a moment ago", list)
	}
	if n.store.swaps.Load() != 0 {
		t.Error("a request waited until it was noted that its session is in use")
	}
	n.pass(59 * time.Minute)
	n.wantOK("within the idle limit", used)
	n.wantRefused("not used for two hours", idle, session.ErrEnded)
	n.readsOn()
	n.pass(61 * time.Minute)
	n.wantRefused("beyond the idle limit", used, session.ErrEnded)
}

// Whoever comes back in the last moment is noted at once: a second later would be too
// late.
func TestWhoIsSeenInTheLastMomentIsNotedAtOnce(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower(func(o *session.Options) { o.Idle = time.Minute })
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	n.pass(59 * time.Second)
	n.wantOK("in the last moment", token)
	h.clock.pass(2 * time.Second)
	n.wantOK("two seconds later", token)
}

func TestWhatWasSeenIsWrittenWhenTheStoreIsBack(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	v, token := n.begin("ann")
	gone, ended := n.begin("bob")
	n.wantOK("first sight", token)
	n.wantOK("first sight", ended)
	n.pass(3 * time.Minute)
	at := h.clock.Now()
	n.wantOK("in use", token)
	n.wantOK("in use", ended)
	n.store.away.Store(true)
	if err := n.WriteSeen(t.Context()); err == nil {
		t.Fatal("writing to a store that is away = nil, want an error")
	}
	n.store.away.Store(false)
	must(t, n.End(t.Context(), "bob", gone.ID))
	must(t, n.WriteSeen(t.Context()))
	for subject, want := range map[string]int{"ann": 1, "bob": 0} {
		list, err := n.List(t.Context(), subject)
		must(t, err)
		if len(list) != want || want > 0 && (list[0].ID != v.ID || !list[0].LastSeenAt.Equal(at)) {
			t.Errorf("sessions of %s = %+v, want %d, seen at %v", subject, list, want, at)
		}
	}
}

// Notes that could not be written for hours are older than those of other nodes.
func TestOldNoteDoesNotEndASessionThatIsInUse(t *testing.T) {
	for _, minutes := range []int{20, 65} {
		t.Run(strconv.Itoa(minutes), func(t *testing.T) { oldNote(t, minutes) })
	}
}

func oldNote(t *testing.T, minutes int) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	other.wantOK("first sight", token)
	n.pass(3 * time.Minute)
	n.wantOK("to be noted", token)
	n.store.away.Store(true)
	for range minutes {
		other.pass(time.Minute)
		other.wantOK("in use elsewhere", token)
	}
	before, err := other.List(t.Context(), "ann")
	must(t, err)
	n.store.away.Store(false)
	n.readsOn()
	after, err := other.List(t.Context(), "ann")
	must(t, err)
	if len(after) != 1 || !after[0].LastSeenAt.Equal(before[0].LastSeenAt) {
		t.Errorf("sessions = %+v, want what was there before an older note: %+v", after, before)
	}
	other.pass(5*time.Minute + time.Second)
	other.wantOK("in use all the time", token)
}

func TestInspectionsDoNotHideThatASessionIsUsed(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower(func(o *session.Options) { o.Idle = 10 * time.Minute })
	_, token := n.begin("ann")
	for range 200 {
		n.pass(4 * time.Second)
		_, err := n.Inspect(t.Context(), token, site)
		must(t, err)
		n.wantOK("in use", token)
	}
}
