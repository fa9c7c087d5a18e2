package session_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

// aMinute checks tokens every five seconds for a minute, as a busy owner does,
// and fails if one is refused before the minute is over.
func (n *node) aMinute(tokens ...string) {
	n.h.t.Helper()
	for range 11 {
		n.h.clock.pass(5 * time.Second)
		for _, token := range tokens {
			n.wantOK("within the minute", token)
		}
	}
	n.h.clock.pass(5 * time.Second)
}

func TestSubjectRemovedBehindOurBackIsRefusedWithinAMinute(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	n.wantOK("before", token)
	h.people.remove("ann")
	n.aMinute(token)
	n.wantRefused("a minute later", token, session.ErrEnded)
}

func TestGroupsChangedBehindOurBackAreKnownWithinAMinuteInEverySession(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.node(), h.node()
	_, first := n.begin("ann")
	_, second := n.begin("ann")
	for range 12 { // the two are checked at different times
		h.clock.pass(3 * time.Second)
		n.wantOK("first", first)
		h.clock.pass(4 * time.Second)
		other.wantOK("second", second)
	}
	h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
	for range 13 {
		h.clock.pass(5 * time.Second)
		n.wantOK("first", first)
		other.wantOK("second", second)
	}
	for name, v := range map[string]*session.Visitor{"first": n.wantOK("first", first), "second": other.wantOK("second", second)} {
		if got := v.Identity.Groups; len(got) != 0 {
			t.Errorf("%s session: groups = %q, want none", name, got)
		}
	}
}

func TestNodeThatHasJustStartedAsksWhoLongKnownSubjectsAre(t *testing.T) {
	h := newEmbeddedHouse(t)
	_, token := h.node().begin("ann")
	h.people.remove("ann")
	h.clock.pass(30 * time.Minute)
	h.node().wantRefused("first sight on a new node", token, session.ErrEnded)
}

func TestDirectoryIsAskedOnceAMinuteForEachSession(t *testing.T) {
	h := newEmbeddedHouse(t)
	nodes := []*node{h.node(), h.node()}
	var tokens []string
	for range 5 {
		_, token := nodes[0].begin("ann")
		tokens = append(tokens, token)
	}
	h.people.asked = 0
	puts := nodes[0].store.puts.Load()
	const minutes = 5
	for range minutes * 12 {
		h.clock.pass(5 * time.Second)
		for i, token := range tokens {
			nodes[i%2].wantOK("busy", token)
		}
	}
	if got, most := h.people.asked, len(tokens)*minutes; got == 0 || got > most {
		t.Errorf("%d sessions asked the directory %d times in %d minutes, want 1 to %d", len(tokens), got, minutes, most)
	}
	if got := nodes[0].store.puts.Load() - puts; got != 0 {
		t.Errorf("what the store has already was put there %d times", got)
	}
}

func TestSessionsGoOnWhileTheDirectoryIsAway(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	h.people.fail(errors.New("directory away"))
	h.people.asked = 0
	const minutes = 10
	for range minutes {
		n.aMinute(token)
		n.wantOK("directory away", token)
	}
	if got, most := h.people.asked, 12*minutes; got == 0 || got > most {
		t.Errorf("a directory that was away for %d minutes was asked %d times, want 1 to %d", minutes, got, most)
	}
	_, _, err := n.Begin(t.Context(), signIn("bob"))
	if err == nil || session.Refused(err) {
		t.Errorf("Begin while the directory is away = %v, want a failure", err)
	}
	if list, err := n.List(t.Context(), "bob"); err != nil || len(list) != 0 {
		t.Errorf("List after a failed Begin = %v, %v, want none", list, err)
	}
	h.people.fail(nil)
	h.people.remove("ann")
	n.aMinute()
	n.wantRefused("a minute after the directory is back", token, session.ErrEnded)
}

// A directory that hangs takes some of a check's time, and must leave enough of
// it for the store.
func TestSessionsGoOnWhileTheDirectoryHangs(t *testing.T) {
	t.Parallel()
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	h.people.mu.Lock()
	h.people.hang = true
	h.people.mu.Unlock()
	h.clock.pass(30 * time.Minute) // so that it is also to be noted that she was seen
	n.wantOK("directory hangs", token)
}

func TestNobodyBeginsWhoIsDisabledOrUnknown(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	h.people.change("ann", func(id *session.Identity) { id.Disabled = true })
	for _, subject := range []string{"ann", "nobody"} {
		v, token, err := n.Begin(t.Context(), signIn(subject))
		if v != nil || token != "" || !errors.Is(err, session.ErrEnded) {
			t.Errorf("Begin(%s) = %v, %q, %v, want ErrEnded", subject, v, token, err)
		}
		if list, err := n.List(t.Context(), subject); err != nil || len(list) != 0 {
			t.Errorf("List(%s) = %v, %v, want none", subject, list, err)
		}
	}
}

// Somebody is disabled in the very moment in which they sign in.
func TestWhoIsDisabledWhileSigningInIsSignedOut(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.node(), h.node()
	h.people.after = func() { // the answer is on its way, and says that she is not
		disabled := h.people.change("ann", func(id *session.Identity) { id.Disabled = true })
		must(t, other.IdentityChanged(t.Context(), disabled))
	}
	_, token, err := n.Begin(t.Context(), signIn("ann"))
	if err == nil {
		n.wantRefused("begun in the same moment", token, session.ErrEnded)
	} else if !errors.Is(err, session.ErrEnded) {
		t.Errorf("Begin = %v, want a dead session or ErrEnded", err)
	}
	if list, err := n.List(t.Context(), "ann"); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v, want none", list, err)
	}
}

// A directory that fails is left in peace: not everybody whose turn it is waits for it.
func TestDirectoryThatFailsIsNotAskedByEverybody(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	var tokens []string
	for range 50 {
		_, token := n.begin("ann")
		tokens = append(tokens, token)
	}
	h.people.fail(errors.New("directory away"))
	h.people.asked = 0
	h.clock.pass(2 * time.Minute)
	for _, token := range tokens {
		n.wantOK("directory away", token)
	}
	if got := h.people.asked; got != 1 {
		t.Errorf("50 sessions asked a directory that is away %d times at one moment, want once", got)
	}
}

// A sign-in reads the directory, then the groups change and all nodes are told,
// then the sign-in looks at what is kept: the change must not be lost.
func TestChangeIsNotOverwrittenByWhoReadTheDirectoryBefore(t *testing.T) {
	for name, before := range map[string]func(n *node){
		"first sign-in":  func(*node) {},
		"known already":  func(n *node) { n.begin("ann") },
		"known for long": func(n *node) { n.begin("ann"); n.h.clock.pass(45 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newEmbeddedHouse(t)
			n, other := h.node(), h.node()
			before(n)
			h.people.after = func() {
				demoted := h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
				must(t, other.IdentityChanged(t.Context(), demoted))
			}
			v, token := n.begin("ann")
			if got := v.Identity.Groups; len(got) != 0 {
				t.Errorf("groups of the session that began meanwhile = %q, want none", got)
			}
			h.clock.pass(5 * time.Second)
			if got := n.wantOK("later", token).Identity.Groups; len(got) != 0 {
				t.Errorf("its groups later = %q, want none", got)
			}
		})
	}
}

// Somebody tells late of what is no longer so, and another node reads it before it is
// put right.
func TestWhoReadTheOverwrittenChangeIsToldAgain(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.node(), h.node()
	_, token := n.begin("ann")
	earlier := h.people.change("ann", func(*session.Identity) {})
	demoted := h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
	must(t, other.IdentityChanged(t.Context(), demoted))
	h.people.after = func() { // n asks, after it has overwritten the change
		if got := other.wantOK("meanwhile", token).Identity.Groups; len(got) == 0 {
			t.Error("the change was not overwritten: this proves nothing")
		}
	}
	must(t, n.IdentityChanged(t.Context(), earlier))
	h.eventually("the other node knows of the change, though its check is fresh", func() bool {
		return len(other.wantOK("after", token).Identity.Groups) == 0
	})
}

// Two operators change one user at once, and the first is the last to tell.
func TestLateWordOfAnEarlierChangeDoesNotUndoALaterOne(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	_, token := n.begin("ann")
	earlier := h.people.change("ann", func(id *session.Identity) { id.Groups = []string{"admins"} })
	later := h.people.change("ann", func(id *session.Identity) { id.Groups = []string{"guests"} })
	must(t, n.IdentityChanged(t.Context(), later))
	must(t, n.IdentityChanged(t.Context(), earlier))
	if got, want := n.wantOK("after both", token).Identity.Groups, []string{"guests"}; !slices.Equal(got, want) {
		t.Errorf("groups = %q, want %q", got, want)
	}
}
