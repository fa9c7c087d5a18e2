package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// crowd signs in so many: user0, user1 and so on. It returns their tokens.
func (n *node) crowd(many int) (tokens []string) {
	n.h.t.Helper()
	for i := range many {
		name := fmt.Sprintf("user%d", i)
		n.h.people.set(session.Identity{Subject: name, Email: name + "@example.com"})
		_, token := n.begin(name)
		n.wantOK("first sight", token)
		tokens = append(tokens, token)
	}
	return tokens
}

func TestManySubjectsAreAskedForAtOnce(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	tokens := n.crowd(100)
	h.people.asked = 0
	n.busy(3*time.Minute, tokens...)
	if got := h.people.asked; got < 2*3 || got > 2*4 {
		t.Errorf("the directory was asked %d times for 100 subjects in three minutes, want twice a minute", got)
	}
}

// Whoever was here a minute ago has been asked for meanwhile, and does not wait.
func TestNoRequestWaitsForTheDirectory(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	for _, pause := range []time.Duration{20 * time.Second, 45 * time.Second, time.Minute, time.Minute} {
		n.pass(pause)
		before := h.people.asked
		n.wantOK("back", token)
		if got := h.people.asked - before; got != 0 {
			t.Errorf("a request %v after the last asked the directory %d times, want never", pause, got)
		}
	}
	if got := h.people.asked; got < 3 || got > 5 {
		t.Errorf("the directory was asked %d times in three minutes, want once in each and at the beginning", got)
	}
}

func TestNobodyIsAskedForWhoHasGone(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, anns := n.begin("ann")
	_, bobs := n.begin("bob")
	n.wantOK("first sight", anns)
	n.wantOK("first sight", bobs)
	asked := make(map[string]int)
	h.people.heard = func(subjects []string) {
		for _, subject := range subjects {
			asked[subject]++
		}
	}
	n.busy(10*time.Minute, bobs)
	if got := asked["ann"]; got != 1 {
		t.Errorf("ann was asked for %d times in ten minutes after she had gone, want once", got)
	}
	if got := asked["bob"]; got < 10 || got > 12 {
		t.Errorf("bob was asked for %d times in ten minutes, want once in each", got)
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
	if got := h.people.asked; got < 5 || got > 2*2*60/5 {
		t.Errorf("a directory that is away was asked %d times in two minutes, want twice in five seconds at most", got)
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

// The directory answers, and is gone before anybody can ask again.
func TestAnswerThatSomebodyIsGoneIsNotLost(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("before", token)
	n.passWithoutAnswers(52 * time.Second)
	h.people.remove("ann")
	h.people.after = func() { h.people.fail(errors.New("directory away")) }
	n.AskAround(t.Context())
	n.wantRefused("the directory said that she is gone", token, session.ErrEnded)
}

// What is written of an answer is when it was asked for, not when it came.
func TestLateAnswerIsOld(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("before", token)
	n.passWithoutAnswers(51 * time.Second)
	asked := h.clock.Now()
	h.people.after = func() { n.passWithoutAnswers(8 * time.Second) }
	n.AskAround(t.Context())
	if got := n.wantOK("after", token).Identity.At; !got.Equal(asked) {
		t.Errorf("the answer is of %v, want %v", got, asked)
	}
}

// unwilling is a directory that fails to answer some questions.
type unwilling struct {
	*people
	refuse func(ctx context.Context, subjects []string) error
}

func (u unwilling) Of(ctx context.Context, subjects ...string) ([]session.Identity, error) {
	if err := u.refuse(ctx, subjects); err != nil {
		return nil, err
	}
	return u.people.Of(ctx, subjects...)
}

// All that is done in the background is done by Follow.
func TestRemovedUserIsRefusedWhereQuestionsAboutManyFail(t *testing.T) {
	for _, every := range []time.Duration{100 * time.Millisecond, 5 * time.Second, 20 * time.Second} {
		t.Run("a request in "+every.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newBubbleHouse(t)
				n := h.node(func(o *session.Options) {
					o.Identities = unwilling{h.people, func(ctx context.Context, subjects []string) error {
						if len(subjects) > 1 {
							<-ctx.Done()
						}
						return ctx.Err()
					}}
				})
				defer n.follow(t)()
				tokens := n.crowd(10)
				stream, stop := n.Stream(t.Context(), n.wantOK("first sight", tokens[1]), site)
				defer stop()
				for range 45 * time.Second / every {
					for _, token := range tokens {
						n.wantOK("in use", token)
					}
					time.Sleep(every)
				}
				h.people.remove("user0")
				h.people.remove("user1")
				time.Sleep(50 * time.Second)
				for range 25 * time.Second / every {
					for _, token := range tokens[2:] {
						n.wantOK("in use", token)
					}
					time.Sleep(every)
				}
				n.wantRefused("75 seconds after", tokens[0], session.ErrEnded)
				if stream.Err() == nil {
					t.Error("a stream of somebody who was removed goes on after 75 seconds")
				}
			})
		})
	}
}

// Questions that fail have requests leave the directory in peace. They are about others, or
// asked again.
func TestRemovedUserIsRefusedWhereSomeQuestionsFail(t *testing.T) {
	var count atomic.Int64
	for name, fails := range map[string]func([]string) bool{
		"one in three":    func([]string) bool { return count.Add(1)%3 == 0 },
		"those about one": func(subjects []string) bool { return slices.Contains(subjects, "user0") },
	} {
		for _, every := range []time.Duration{100 * time.Millisecond, 700 * time.Millisecond, 3 * time.Second} {
			t.Run(name+", a request in "+every.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newBubbleHouse(t)
					var failing atomic.Bool
					n := h.node(func(o *session.Options) {
						o.Identities = unwilling{h.people, func(_ context.Context, subjects []string) error {
							if failing.Load() && fails(subjects) {
								return errors.New("statement timed out")
							}
							return nil
						}}
					})
					defer n.follow(t)()
					tokens := n.crowd(3)
					time.Sleep(30 * time.Second)
					failing.Store(true)
					h.people.remove("user2") // who comes after user0, about whom questions fail
					for range 90 * time.Second / every {
						for _, token := range tokens {
							_, _ = n.Check(t.Context(), token, site)
						}
						time.Sleep(every)
					}
					n.wantRefused("90 seconds after", tokens[2], session.ErrEnded)
					n.wantOK("who was not removed", tokens[0])
				})
			})
		}
	}
}

// follow has n do what a node does in the background, until stop is called.
func (n *node) follow(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	wait := n.Follow(ctx, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	return func() { cancel(); wait() }
}

// Nobody's check is made or renewed by a request for longer than the journal is read
// without use.
func TestJournalIsReadWhileSessionsAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node(func(o *session.Options) { o.Idle = 8 * time.Hour })
		defer n.follow(t)()
		_, token := n.begin("ann")
		n.wantOK("first sight", token)
		time.Sleep(5 * time.Second)
		n.wantOK("the journal was read", token)
		reads, asked := n.store.reads.Load(), h.people.asked
		for range 220 {
			time.Sleep(time.Second)
			n.wantOK("in use", token)
		}
		if got := n.store.reads.Load() - reads; got != 0 {
			t.Errorf("the store was asked %d times for a session in use, want never", got)
		}
		if got := h.people.asked - asked; got != 1 {
			t.Errorf("the directory was asked %d times, want once: it says who changes", got)
		}
	})
}

// Many have changed, and then the directory hangs.
func TestDirectoryThatHangsHoldsUpOneRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.follower()
		n.crowd(64)
		n.passWithoutAnswers(52 * time.Second)
		for i := range 64 {
			h.people.change(fmt.Sprintf("user%d", i), func(id *session.Identity) { id.Groups = []string{"guests"} })
		}
		h.people.after = func() {
			h.people.mu.Lock()
			defer h.people.mu.Unlock()
			h.people.hang = true
		}
		began := time.Now()
		n.AskAround(t.Context())
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("a round took %v, want some seconds", took)
		}
	})
}
