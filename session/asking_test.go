package session_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

// busy lets time pass while whoever has the tokens goes on.
func (n *node) busy(d time.Duration, tokens ...string) {
	n.h.t.Helper()
	for ; d > 0; d -= time.Second {
		n.pass(time.Second)
		for _, token := range tokens {
			n.wantOK("busy", token)
		}
	}
}

func TestManySubjectsAreAskedForAtOnce(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	var tokens []string
	for i := range 100 {
		name := fmt.Sprintf("user%d", i)
		h.people.set(session.Identity{Subject: name, Email: name + "@example.com"})
		_, token := n.begin(name)
		tokens = append(tokens, token)
	}
	h.people.asked = 0
	n.busy(3*time.Minute, tokens...)
	if got := h.people.asked; got < 2*3 || got > 2*4 {
		t.Errorf("the directory was asked %d times for 100 subjects in three minutes, want twice a minute", got)
	}
}

// Whoever comes back within some minutes was asked for meanwhile, and does not wait.
func TestNoRequestWaitsForTheDirectory(t *testing.T) {
	for _, pause := range []time.Duration{20 * time.Second, 55 * time.Second, 2 * time.Minute, 200 * time.Second} {
		t.Run(pause.String(), func(t *testing.T) {
			h := newEmbeddedHouse(t)
			n := h.follower()
			_, token := n.begin("ann")
			n.wantOK("first sight", token)
			h.people.asked = 0
			n.pass(pause)
			if got, want := h.people.asked, int(pause/(54*time.Second)); got < want || got > want+1 {
				t.Errorf("the directory was asked %d times meanwhile, want %d", got, want)
			}
			h.people.asked = 0
			n.wantOK("back", token)
			if got := h.people.asked; got != 0 {
				t.Errorf("a request asked the directory %d times, want never", got)
			}
		})
	}
}

func TestNobodyIsAskedForForLongWhoHasGone(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, busy := h.follower(), 0
	_, anns := n.begin("ann")
	_, bobs := n.begin("bob")
	n.wantOK("first sight", anns)
	n.wantOK("first sight", bobs)
	n.busy(5*time.Minute, bobs)
	h.people.mu.Lock()
	h.people.seen = func(subjects []string) {
		for _, subject := range subjects {
			if subject == "ann" {
				t.Error("ann was asked for, who has gone")
			}
			busy++
		}
	}
	h.people.mu.Unlock()
	n.busy(3*time.Minute, bobs)
	if busy < 3 {
		t.Errorf("bob was asked for %d times in three minutes, want once in each", busy)
	}
}

func TestSubjectOutOfDateIsAskedForByARequest(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
	n.passWithoutAnswers(59 * time.Second)
	n.wantOK("in use", token)
	n.passWithoutAnswers(2 * time.Second)
	if got := n.wantOK("after a minute", token).Identity.Groups; len(got) != 0 {
		t.Errorf("groups a minute after the change = %q, want none", got)
	}
}

func TestChangeIsFoundByAskingAround(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.follower()
	_, anns := n.begin("ann")
	_, bobs := n.begin("bob")
	other.wantOK("first sight elsewhere", anns)
	n.busy(45*time.Second, anns, bobs)
	h.people.change("ann", func(id *session.Identity) { id.Groups = []string{"guests"} })
	h.people.remove("bob")
	n.busy(4*time.Second, anns, bobs)
	n.pass(2 * time.Second)
	h.people.fail(errors.New("directory away")) // no request asks
	if got := n.wantOK("asked for", anns).Identity.Groups; len(got) != 1 || got[0] != "guests" {
		t.Errorf("ann's groups = %q, want guests", got)
	}
	n.wantRefused("removed", bobs, session.ErrEnded)
	h.eventually("the other node knows", func() bool {
		v, err := other.Check(t.Context(), anns, site)
		return err == nil && len(v.Identity.Groups) == 1 && v.Identity.Groups[0] == "guests"
	})
}

// The directory answers, then the subject is changed and all nodes are told, then the
// answer arrives.
func TestAnswerInTheBackgroundDoesNotUndoAChange(t *testing.T) {
	for name, between := range map[string]func(n *node, token string){
		"read again meanwhile": func(n *node, token string) { n.wantOK("meanwhile", token) },
		"not read again":       func(*node, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			h := newEmbeddedHouse(t)
			n, other := h.follower(), h.node()
			_, token := n.begin("ann")
			n.wantOK("first sight", token)
			n.pass(48 * time.Second)
			n.passWithoutAnswers(4 * time.Second)
			asked := false
			h.people.after = func() {
				asked = true
				demoted := h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
				must(t, other.IdentityChanged(t.Context(), demoted))
				h.eventually("the node was told", func() bool {
					v, err := n.Check(t.Context(), token, site)
					return err == nil && len(v.Identity.Groups) == 0
				})
				between(n, token)
			}
			n.AskAround(t.Context())
			if !asked {
				t.Fatal("the directory was not asked: this proves nothing")
			}
			if got := n.wantOK("after", token).Identity.Groups; len(got) != 0 {
				t.Errorf("groups after the change = %q, want none", got)
			}
			n.pass(10 * time.Second)
			if got := n.wantOK("later", token).Identity.Groups; len(got) != 0 {
				t.Errorf("groups later = %q, want none", got)
			}
		})
	}
}

func TestDirectoryThatIsAwayIsAskedInTheBackgroundNowAndThen(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	h.people.fail(errors.New("directory away"))
	h.people.asked = 0
	n.busy(2*time.Minute, token)
	if got := h.people.asked; got < 5 || got > 2*60/5 {
		t.Errorf("a directory that is away was asked %d times in two minutes, want every five seconds at most", got)
	}
	h.people.fail(nil)
	h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
	n.busy(10*time.Second, token)
	if got := n.wantOK("the directory is back", token).Identity.Groups; len(got) != 0 {
		t.Errorf("groups = %q, want none", got)
	}
}

// Somebody's session ends while the directory is asked who they are.
func TestAnswerInTheBackgroundBringsNobodyBack(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	v, token := n.begin("ann")
	n.wantOK("before", token)
	n.passWithoutAnswers(52 * time.Second)
	asked := false
	h.people.after = func() {
		asked = true
		must(t, n.End(t.Context(), "ann", v.ID))
	}
	n.AskAround(t.Context())
	if !asked {
		t.Error("the directory was not asked: this proves nothing")
	}
	n.wantRefused("afterwards", token, session.ErrEnded)
}
