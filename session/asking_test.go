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

// The directory hangs while it is asked for who is on the list.
func TestNoRequestWaitsForTheDirectory(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	n.pass(45 * time.Second)
	h.people.asked = 0
	for range 8 { // nobody asks for whoever is on the list
		h.clock.pass(time.Second)
		must(t, n.ReadJournal(t.Context()))
		n.wantOK("in use", token)
	}
	if got := h.people.asked; got != 0 {
		t.Errorf("requests asked the directory %d times within a minute, want never", got)
	}
	n.AskListed(t.Context())
	if got := h.people.asked; got != 1 {
		t.Errorf("the directory was asked %d times for one subject, want once", got)
	}
	n.AskListed(t.Context())
	h.people.asked = 0
	n.busy(40*time.Second, token)
	if got := h.people.asked; got != 0 {
		t.Errorf("the directory was asked %d times within a minute of its answer, want never", got)
	}
}

// Nobody asks for whoever is on the list: a request does when the minute is over.
func TestSubjectWhoIsListedInVainIsAskedFor(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
	for range 61 {
		h.clock.pass(time.Second)
		must(t, n.ReadJournal(t.Context()))
		n.wantOK("in use", token)
	}
	if got := n.wantOK("after a minute", token).Identity.Groups; len(got) != 0 {
		t.Errorf("groups a minute after the change = %q, want none", got)
	}
}

func TestChangeIsFoundByAskingForWhoIsListed(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.follower(), h.follower()
	_, anns := n.begin("ann")
	_, bobs := n.begin("bob")
	other.wantOK("first sight elsewhere", anns)
	n.busy(45*time.Second, anns, bobs)
	h.people.change("ann", func(id *session.Identity) { id.Groups = []string{"guests"} })
	h.people.remove("bob")
	n.busy(4*time.Second, anns, bobs)
	n.pass(time.Second)
	n.wantOK("listed", anns)
	_, err := n.Check(t.Context(), bobs, site)
	if err != nil {
		t.Errorf("bob, who is listed and not asked for yet: %v", err)
	}
	n.pass(time.Second) // and now they have been asked for
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
func TestAnswerAboutTheListedDoesNotUndoAChange(t *testing.T) {
	for name, between := range map[string]func(n *node, token string){
		"read again meanwhile": func(n *node, token string) { n.wantOK("meanwhile", token) },
		"not read again":       func(*node, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			h := newEmbeddedHouse(t)
			n, other := h.follower(), h.node()
			_, token := n.begin("ann")
			n.wantOK("first sight", token)
			n.pass(52 * time.Second)
			n.wantOK("listed", token)
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
			n.AskListed(t.Context())
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

func TestListedSubjectsOfADirectoryThatIsAwayGoOn(t *testing.T) {
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
