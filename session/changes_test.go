package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

// hears lets time pass while n does what a node does every second, and asks the directory
// who has changed.
func (n *node) hears(d time.Duration, tokens ...string) {
	n.h.t.Helper()
	for ; d > 0; d -= time.Second {
		n.h.clock.pass(time.Second)
		n.HearChanges(n.h.t.Context())
		n.readsOn()
		for _, token := range tokens {
			n.wantOK("in use", token)
		}
	}
}

// hearer returns a follower that has heard of changes before, and a session that it has
// asked the directory about since.
func (h *house) hearer() (n *node, token string) {
	h.t.Helper()
	n = h.follower()
	n.hears(2 * time.Second)
	_, token = n.begin("ann")
	n.hears(time.Minute)
	n.wantOK("asked for", token)
	return n, token
}

func (p *people) questions(during func()) int {
	p.asked = 0
	during()
	return p.asked
}

// demote is a change that nobody tells the nodes of.
func (p *people) demote(subject string) {
	p.change(subject, func(id *session.Identity) { id.Groups = nil })
}

func (n *node) wantGroups(when, token string, want int) {
	n.h.t.Helper()
	if got := n.wantOK(when, token).Identity.Groups; len(got) != want {
		n.h.t.Errorf("%s: groups = %q, want %d", when, got, want)
	}
}

func TestChangeBehindOurBackIsHeardOf(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, anns := h.hearer()
	other := h.node()
	_, bobs := n.begin("bob")
	n.wantOK("bob", bobs)
	other.wantOK("ann elsewhere", anns)
	h.people.demote("ann")
	h.people.remove("bob")
	n.hears(time.Second)
	n.wantGroups("a second after the change", anns, 0)
	n.wantRefused("a second after he was removed", bobs, session.ErrEnded)
	h.eventually("the other node knows", func() bool {
		v, err := other.Check(t.Context(), anns, site)
		return err == nil && len(v.Identity.Groups) == 0
	})
}

// A directory that says who changes is not asked for anybody else, for minutes.
func TestNobodyIsAskedForWhoHasNotChanged(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, anns := h.hearer()
	v, _ := n.begin("bob") // not in use
	if got := h.people.questions(func() { n.hears(3*time.Minute, anns) }); got != 0 {
		t.Errorf("the directory was asked %d times in three minutes, want never", got)
	}
	h.people.change("bob", func(id *session.Identity) { id.Name = "Robert" })
	if got := h.people.questions(func() { n.hears(time.Second, anns) }); got != 0 {
		t.Errorf("the directory was asked %d times for %s, who is not here", got, v.Subject)
	}
	if got := h.people.questions(func() { n.hears(10*time.Minute, anns) }); got < 2 || got > 5 {
		t.Errorf("the directory was asked %d times in ten minutes, want once in five at least", got)
	}
}

// silently is demote by a directory that does not say so.
func (p *people) silently(subject string) {
	p.demote(subject)
	p.changed = p.changed[:len(p.changed)-1]
}

func TestWhatWasFoundBeforeAnAnswerThatIsTheFirstIsAskedForAgain(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	_, token := n.begin("ann")
	n.wantOK("first sight", token)
	n.busy(time.Minute, token) // she is asked for
	h.people.silently("ann")
	n.hears(30*time.Second, token)
	n.wantGroups("what nobody says", token, 1) // or this proves nothing
	n.pass(31 * time.Second)
	n.wantGroups("a minute after", token, 0)
}

func TestWhatWasFoundBeforeTheDirectoryLostTrackIsAskedForAgain(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, token := h.hearer()
	h.people.silently("ann")
	n.hears(20*time.Second, token)
	n.wantGroups("what nobody says", token, 1) // or this proves nothing
	h.people.lost = true
	n.hears(time.Second)
	n.hears(time.Minute, token)
	n.wantGroups("a minute after", token, 0)
}

// In case that it changed in a way that the directory does not notice.
func TestEverybodyIsAskedForInAnyCase(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, token := h.hearer()
	h.people.silently("ann")
	n.hears(5*time.Minute, token)
	n.wantGroups("five minutes after", token, 0)
}

// While the directory does not say who changes, it is asked for each; when it does again,
// it leaves out nobody.
func TestSilenceVouchesForNobody(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, token := h.hearer()
	silent := errors.New("the directory does not say")
	h.people.mute(silent)
	n.passWithoutAnswers(61 * time.Second)
	if got := h.people.questions(func() { n.wantOK("in silence", token) }); got != 1 {
		t.Errorf("after a minute of silence a request asked the directory %d times, want once", got)
	}
	h.people.demote("ann")
	h.people.mute(nil)
	n.hears(6 * time.Second)
	n.wantGroups("when it says again", token, 0)
}

// The directory answers, the subject is changed, the node hears of that, and then the
// answer arrives: to a request with a token not seen before, to one that renews a check,
// and to a question in the background.
func TestAnswerFromBeforeAChangeIsNotKept(t *testing.T) {
	for name, asks := range map[string]func(h *house, n *node, token string){
		"first sight": func(h *house, n *node, token string) {
			n.Forget(n.wantOK("before", token).ID)
			must(h.t, h.store.Delete(h.t.Context(), session.SubjectKey("ann")))
			_, _ = n.Check(h.t.Context(), token, site)
		},
		"renewal": func(h *house, n *node, token string) {
			h.people.mute(errors.New("the directory does not say"))
			n.passWithoutAnswers(61 * time.Second)
			h.people.mute(nil)
			_, _ = n.Check(h.t.Context(), token, site)
		},
		"in the background": func(h *house, n *node, token string) {
			h.people.mute(errors.New("the directory does not say"))
			n.passWithoutAnswers(55 * time.Second)
			h.people.mute(nil)
			n.AskAround(h.t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newEmbeddedHouse(t)
			n, token := h.hearer()
			answered := false
			h.people.after = func() {
				answered = true
				h.people.demote("ann")
				h.clock.pass(6 * time.Second) // of rest after silence
				n.HearChanges(t.Context())
			}
			asks(h, n, token)
			if !answered {
				t.Fatal("the directory was not asked: this proves nothing")
			}
			n.hears(61*time.Second, token)
			n.wantGroups("a minute later", token, 0)
		})
	}
}

// What another node found out is by its clock, and this one may have heard of the change
// before it came to know of the subject.
func TestWhatAnotherNodeFoundOutIsNotVouchedFor(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, _ := h.hearer()
	other := h.node()
	h.people.set(session.Identity{Subject: "cat", Email: "cat@example.com", Groups: []string{"staff"}})
	_, token := other.begin("cat")
	other.wantOK("there", token)
	h.people.demote("cat")
	n.hears(2 * time.Second) // of somebody who is not here
	n.wantGroups("what the other node found out", token, 1)
	n.hears(61*time.Second, token)
	n.wantGroups("a minute later", token, 0)
}

func TestFollowHearsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		ctx, cancel := context.WithCancel(t.Context())
		wait := n.Follow(ctx, func(error) {})
		_, token := n.begin("ann")
		use := func(d time.Duration) {
			for ; d > 0; d -= time.Second {
				n.wantOK("in use", token)
				time.Sleep(time.Second)
			}
		}
		use(90 * time.Second)
		if got := h.people.questions(func() { use(2 * time.Minute) }); got != 0 {
			t.Errorf("the directory was asked %d times in two minutes, want never", got)
		}
		h.people.demote("ann")
		time.Sleep(2 * time.Second)
		n.wantGroups("two seconds after the change", token, 0)
		time.Sleep(time.Hour / 2)
		before := h.people.heardOf()
		time.Sleep(10 * time.Minute)
		if got := h.people.heardOf() - before; got != 0 {
			t.Errorf("the directory was asked who changed %d times while nobody was there, want never", got)
		}
		cancel()
		wait()
		synctest.Wait()
	})
}

// What the store says was written at some time by some node's clock; that this one has
// asked lately is true of what it was told, and vouched for only where that is kept.
func TestWhatTheStoreSaysIsNotVouchedFor(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, token := h.hearer()
	h.people.mute(errors.New("the directory does not say"))
	n.passWithoutAnswers(61 * time.Second)
	n.wantOK("asked for", token)
	h.people.mute(nil)
	h.clock.pass(35 * time.Second) // the journal is not read: the store is asked
	n.hears(time.Second)
	reads := n.store.reads.Load()
	n.wantOK("looked at", token)
	if n.store.reads.Load() == reads {
		t.Fatal("the store was not asked: this proves nothing")
	}
	h.people.silently("ann")
	n.hears(61*time.Second, token)
	n.wantGroups("a minute later", token, 0)
}

// The directory names a subject, and is away when it is asked who that is now.
func TestWhoCouldNotBeToldOfIsHeardOfAgain(t *testing.T) {
	h := newEmbeddedHouse(t)
	away := make(chan struct{}, 1)
	n := h.follower(func(o *session.Options) {
		o.Identities = unwilling{h.people, func(context.Context, []string) error {
			select {
			case <-away:
				return errors.New("away for a moment")
			default:
				return nil
			}
		}}
	})
	other := h.node()
	n.hears(2 * time.Second)
	_, token := n.begin("ann")
	n.wantOK("here", token)
	other.wantOK("elsewhere", token)
	h.people.demote("ann")
	away <- struct{}{}
	n.hears(time.Second)
	if len(away) != 0 {
		t.Fatal("the directory was not asked: this proves nothing")
	}
	n.wantGroups("what the store says", token, 1) // which keeps her in memory here
	n.hears(7 * time.Second)
	n.wantGroups("some seconds later", token, 0)
	h.eventually("the other node knows", func() bool {
		v, err := other.Check(t.Context(), token, site)
		return err == nil && len(v.Identity.Groups) == 0
	})
}

// clumsy is a store that fails to delete some.
type clumsy struct {
	store.Store
	fails *atomic.Int64
}

func (c clumsy) Delete(ctx context.Context, key string) error {
	if c.fails.Add(-1) >= 0 {
		return errors.New("not deleted")
	}
	return c.Store.Delete(ctx, key)
}

// Somebody is disabled for a while, and not all that this asks for can be done at once.
func TestSessionsOfSomebodyWhoWasDisabledDoNotComeBack(t *testing.T) {
	h := newEmbeddedHouse(t)
	fails := new(atomic.Int64)
	n := h.follower(func(o *session.Options) { o.Store = clumsy{o.Store, fails} })
	n.hears(2 * time.Second)
	_, token := n.begin("ann")
	n.wantOK("here", token)
	fails.Store(1)
	h.people.change("ann", func(id *session.Identity) { id.Disabled = true })
	n.hears(20 * time.Second)
	if fails.Load() >= 0 {
		t.Fatal("nothing failed: this proves nothing")
	}
	h.people.change("ann", func(id *session.Identity) { id.Disabled = false })
	n.hears(20 * time.Second)
	n.wantRefused("enabled again", token, session.ErrEnded)
}

// Another node died when it had written that somebody is disabled, and nothing else.
func TestSessionsOfSomebodyWhoIsDisabledInTheStoreAlreadyAreEnded(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.follower()
	n.hears(2 * time.Second)
	_, token := n.begin("ann")
	n.wantOK("here", token)
	id := h.people.change("ann", func(id *session.Identity) { id.Disabled, id.At = true, h.clock.Now() })
	value, err := json.Marshal(id)
	must(t, err)
	must(t, h.store.Put(t.Context(), session.SubjectKey("ann"), value, time.Hour))
	n.hears(2 * time.Second)
	h.people.change("ann", func(id *session.Identity) { id.Disabled = false })
	n.hears(2 * time.Second)
	n.wantRefused("enabled again", token, session.ErrEnded)
}

// Many are changed with several statements, or a server falls over again and again.
func TestNotEverybodyIsAskedForAtOnceWhenASeriesBreaks(t *testing.T) {
	for breaks := range 4 {
		h := newEmbeddedHouse(t)
		n, token := h.hearer()
		n.hears(2*time.Minute, token)
		got := h.people.questions(func() {
			for range breaks {
				h.people.lost = true
				n.hears(time.Second, token)
			}
			n.hears(10*time.Second, token)
		})
		if got != 0 {
			t.Errorf("after %d breaks the directory was asked %d times within ten seconds, want later", breaks, got)
		}
		if got := h.people.questions(func() { n.hears(time.Minute, token) }); breaks > 0 && got == 0 {
			t.Errorf("after %d breaks nobody was asked for within a minute", breaks)
		}
	}
}

// slow is a store that takes a while to write.
type slow struct {
	store.Store
	takes *atomic.Int64
}

func (s slow) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	time.Sleep(time.Duration(s.takes.Load()))
	return s.Store.Put(ctx, key, value, ttl)
}

func (s slow) Add(ctx context.Context, set, member string, ttl time.Duration) error {
	time.Sleep(time.Duration(s.takes.Load()))
	return s.Store.Add(ctx, set, member, ttl)
}

func (s slow) Delete(ctx context.Context, key string) error {
	time.Sleep(time.Duration(s.takes.Load()))
	return s.Store.Delete(ctx, key)
}

// Many are disabled at once, and then one more: neither waits until it was told of them one
// by one.
func TestTellingOfManyKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		takes := new(atomic.Int64)
		n := h.node(func(o *session.Options) { o.Store = slow{o.Store, takes} })
		ctx, cancel := context.WithCancel(t.Context())
		wait := n.Follow(ctx, func(error) {})
		defer func() { takes.Store(0); cancel(); wait(); time.Sleep(time.Minute) }()
		_, anns := n.begin("ann")
		tokens := n.crowd(400)
		for range 30 {
			time.Sleep(2 * time.Second)
			for _, token := range append(tokens, anns) {
				n.wantOK("in use", token)
			}
		}
		takes.Store(int64(20 * time.Millisecond))
		for i := range tokens {
			h.people.change(fmt.Sprintf("user%d", i), func(id *session.Identity) { id.Disabled = true })
		}
		time.Sleep(1500 * time.Millisecond)
		h.people.change("ann", func(id *session.Identity) { id.Disabled = true })
		time.Sleep(4 * time.Second)
		for _, token := range append(tokens, anns) {
			n.wantRefused("four seconds later", token, session.ErrEnded)
		}
	})
}

// A WebSocket is all that there is of its visitor: the configuration was loaded anew, or
// nobody has sent a request for long.
func TestStreamOfSomebodyWhoWasChangedEndsInSeconds(t *testing.T) {
	for name, alone := range map[string]bool{"after a reload": false, "with nothing else going on": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newBubbleHouse(t)
				streams := session.NewStreams()
				share := func(o *session.Options) { o.Streams = streams }
				n := h.node(share)
				_, open := n.opens("ann")
				if !alone {
					n = h.node(share)
				}
				ctx, cancel := context.WithCancel(t.Context())
				wait := n.Follow(ctx, func(error) {})
				defer func() { cancel(); wait(); time.Sleep(time.Minute) }()
				time.Sleep(200 * time.Second)
				h.people.change("ann", func(id *session.Identity) { id.Disabled = true })
				time.Sleep(3 * time.Second)
				if open.Err() == nil {
					t.Error("the stream is open three seconds after she was disabled")
				}
			})
		})
	}
}
