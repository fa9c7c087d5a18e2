package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// An openStream is a request that stays open.
type openStream struct {
	context.Context
	stop context.CancelFunc
}

// open opens a stream of v on a node.
func (n *node) open(v *session.Visitor) *openStream {
	ctx, stop := n.Stream(context.Background(), v, site)
	n.h.t.Cleanup(stop)
	return &openStream{ctx, stop}
}

// opens signs a subject in and opens a stream, as a browser does.
func (n *node) opens(subject string) (*session.Visitor, *openStream) {
	n.h.t.Helper()
	_, token := n.begin(subject)
	v := n.wantOK("just signed in", token)
	return v, n.open(v)
}

// wantOpen wants a stream to be open.
func (o *openStream) wantOpen(t *testing.T, when string) {
	t.Helper()
	if o.Err() != nil {
		t.Fatalf("%s: the stream has ended: %v", when, context.Cause(o))
	}
}

// wantEnd waits for a stream to end, and wants that within d.
func (o *openStream) wantEnd(t *testing.T, what string, d time.Duration) {
	t.Helper()
	began := time.Now()
	select {
	case <-o.Done():
	case <-time.After(d):
		t.Fatalf("%s: the stream is open after %v", what, time.Since(began))
	}
}

// wantKept wants a node to keep so many streams, of so many sessions.
func (n *node) wantKept(t *testing.T, streams, sessions int) {
	t.Helper()
	if gotStreams, gotSessions := n.Streams().Len(); gotStreams != streams || gotSessions != sessions {
		t.Errorf("%d streams of %d sessions are kept, want %d of %d", gotStreams, gotSessions, streams, sessions)
	}
}

// endings are what ends ann's streams on all nodes at once. n is not the node
// that has them.
var endings = []struct {
	name string
	end  func(h *house, n *node, v *session.Visitor) error
}{
	{"she signs out", func(h *house, n *node, v *session.Visitor) error {
		return n.End(context.Background(), "ann", v.ID)
	}},
	{"all her sessions are ended", func(h *house, n *node, v *session.Visitor) error {
		return n.EndAll(context.Background(), "ann", "")
	}},
	{"she is disabled", func(h *house, n *node, v *session.Visitor) error {
		return n.IdentityChanged(context.Background(), h.people.change("ann", func(id *session.Identity) { id.Disabled = true }))
	}},
	{"she is removed", func(h *house, n *node, v *session.Visitor) error {
		h.people.remove("ann")
		return n.IdentityChanged(context.Background(), session.Identity{Subject: "ann", Disabled: true})
	}},
	{"she leaves a group", func(h *house, n *node, v *session.Visitor) error {
		return n.IdentityChanged(context.Background(), h.people.change("ann", func(id *session.Identity) { id.Groups = nil }))
	}},
	{"she gets another address", func(h *house, n *node, v *session.Visitor) error {
		return n.IdentityChanged(context.Background(), h.people.change("ann", func(id *session.Identity) { id.Email = "a@example.com" }))
	}},
}

func TestStreamsEndOnAllNodesAtOnce(t *testing.T) {
	server := storetest.StartRedis(t)
	for name, house := range map[string]func(*testing.T) *house{
		"in a file": func(t *testing.T) *house { return newEmbeddedHouse(t) },
		"in Redis": func(t *testing.T) *house {
			return newHouse(t, func(t testing.TB, _ *clock) store.Store { return openRedis(t, server, t.Name()) })
		},
	} {
		for _, e := range endings {
			t.Run(name+" when "+e.name, func(t *testing.T) {
				h := house(t)
				n, other := h.node(), h.node()
				v, first := n.opens("ann")
				second := n.open(v)
				_, bobs := n.opens("bob")
				must(t, e.end(h, other, v))
				first.wantEnd(t, "elsewhere", time.Second)
				second.wantEnd(t, "elsewhere", time.Second)
				bobs.wantOpen(t, "bob's")
				_, bobs = other.opens("bob")
				_, cals := other.opens("cal")
				must(t, other.EndAll(t.Context(), "bob", ""))
				bobs.wantEnd(t, "here", time.Second)
				cals.wantOpen(t, "cal's")
			})
		}
	}
}

func TestStreamsEndWithinCheckIntervalWhereNobodyCanBeTold(t *testing.T) {
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newBubbleHouse(t)
				n, other := h.node(), h.node()
				other.store.mute.Store(true)
				v, stream := n.opens("ann")
				_, bobs := n.opens("bob")
				for range 20 { // wherever in a round it happens
					time.Sleep(17 * time.Second)
					synctest.Wait()
				}
				stream.wantOpen(t, "before")
				must(t, e.end(h, other, v))
				stream.wantEnd(t, "cut off", 5*time.Second)
				bobs.wantOpen(t, "bob's")
			})
		})
	}
}

// A stream that is opened by a check from before the session was ended, on a node
// that was not told, ends when that check is no longer good.
func TestStreamOpenedByAnOldCheckEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n, other := h.node(), h.node()
		other.store.mute.Store(true)
		_, token := n.begin("ann")
		v := n.wantOK("before", token)
		time.Sleep(time.Second)
		must(t, other.End(t.Context(), "ann", v.ID))
		time.Sleep(3 * time.Second)
		stream := n.open(n.wantOK("the check is still good", token))
		stream.wantEnd(t, "opened by an old check", time.Second)
	})
}

// The session is ended, and everybody is told, after it was checked and before the
// stream is there to hear it.
func TestSessionThatEndsWhileItsStreamIsOpenedEndsIt(t *testing.T) {
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			h := newEmbeddedHouse(t)
			n := h.node()
			_, token := n.begin("ann")
			v := n.wantOK("before", token)
			must(t, e.end(h, n, v))
			n.open(v).wantEnd(t, "opened too late", time.Second)
		})
	}
}

func TestStreamsGoOnWhenNothingHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n, other := h.node(), h.node()
		v, stream := n.opens("ann")
		for range 10 {
			must(t, other.IdentityChanged(t.Context(), h.people.change("ann", func(*session.Identity) {})))
			must(t, other.End(t.Context(), "ann", "another session"))
			other.begin("ann")
			time.Sleep(time.Minute)
		}
		stream.wantOpen(t, "after ten minutes")
		must(t, n.EndAll(t.Context(), "ann", v.ID))
		time.Sleep(time.Minute)
		stream.wantOpen(t, "her other sessions were ended")
	})
}

func TestStreamEndsAtTheIdleLimitAndDoesNotPutItOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		_, stream := n.opens("ann")
		_, token := n.begin("bob")
		bobs := n.open(n.wantOK("before", token))
		time.Sleep(50 * time.Minute)
		n.wantOK("bob makes a request", token)
		time.Sleep(10*time.Minute - time.Second)
		stream.wantOpen(t, "just before the idle limit")
		stream.wantEnd(t, "at the idle limit", 2*time.Second)
		time.Sleep(40 * time.Minute)
		bobs.wantOpen(t, "within the idle limit of his request")
		bobs.wantEnd(t, "after it", 11*time.Minute)
	})
}

func TestStreamEndsAtTheAbsoluteLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node(func(o *session.Options) { o.Lifetime, o.CheckInterval = 3*time.Hour, time.Minute })
		_, token := n.begin("ann")
		stream := n.open(n.wantOK("just signed in", token))
		for range 5 {
			time.Sleep(30 * time.Minute)
			n.wantOK("she is there", token)
		}
		time.Sleep(29 * time.Minute)
		n.wantOK("she is there", token)
		time.Sleep(time.Minute - time.Second)
		stream.wantOpen(t, "just before")
		stream.wantEnd(t, "at the limit", 2*time.Second)
	})
}

// Somebody has changed the directory, and told nobody.
func TestStreamHearsOfAChangeBehindOurBackWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		_, stream := h.node().opens("ann")
		time.Sleep(10 * time.Minute)
		h.people.change("ann", func(id *session.Identity) { id.Groups = nil })
		stream.wantEnd(t, "a change behind our back", time.Minute+5*time.Second)
	})
}

func TestStreamsEndWhenTheStoreCannotBeAskedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		_, stream := n.opens("ann")
		time.Sleep(time.Minute)
		n.store.away.Store(true)
		time.Sleep(4 * time.Second)
		n.store.away.Store(false)
		time.Sleep(time.Minute)
		stream.wantOpen(t, "the store was away for four seconds")
		n.store.away.Store(true)
		time.Sleep(9 * time.Second)
		stream.wantOpen(t, "after one look that failed")
		stream.wantEnd(t, "the store is away", 7*time.Second)
		n.wantKept(t, 0, 0)
	})
}

// Most of them wait for their turn when the store falls silent, and the looks
// before theirs take until they are given up.
func TestStreamsEndWhenTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		streams := n.opensMany(300)
		n.store.hang.Store(true)
		time.Sleep(16 * time.Second)
		synctest.Wait()
		for i, stream := range streams {
			stream.wantEnd(t, fmt.Sprintf("stream %d", i), time.Millisecond)
		}
		n.wantKept(t, 0, 0)
	})
}

// opensMany opens n streams, each of a session of its own.
func (n *node) opensMany(count int) (streams []*openStream) {
	n.h.t.Helper()
	for i := range count {
		_, stream := n.opens([]string{"ann", "bob"}[i%2])
		streams = append(streams, stream)
	}
	return streams
}

// A round over all sessions takes longer than a store may be silent, on whatever
// machine.
func TestSlowStoreThatAnswersEndsNoStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n, other := h.node(func(o *session.Options) { o.CheckInterval = 100 * time.Millisecond }), h.node()
		streams := n.opensMany(300)
		cal, cals := n.opens("cal")
		_, anothers := n.opens("cal")
		n.store.slow.Store(int64(time.Second))
		for range 6 {
			time.Sleep(10 * time.Second)
			for i, stream := range streams {
				stream.wantOpen(t, fmt.Sprintf("stream %d", i))
			}
		}

		// What is told does not wait for its turn.
		must(t, other.End(t.Context(), "cal", cal.ID))
		cals.wantEnd(t, "her session was ended", 10*time.Millisecond)
		must(t, other.IdentityChanged(t.Context(), h.people.change("cal", func(id *session.Identity) { id.Groups = nil })))
		anothers.wantEnd(t, "she is in other groups", 5*time.Second)

		// What is not told does, and not for ever.
		other.store.mute.Store(true)
		must(t, other.EndAll(t.Context(), "ann", ""))
		time.Sleep(2 * time.Minute)
		for i, stream := range streams {
			if i%2 == 0 {
				stream.wantEnd(t, fmt.Sprintf("stream %d, of ann", i), time.Millisecond)
			} else {
				stream.wantOpen(t, fmt.Sprintf("stream %d, of bob", i))
			}
		}
	})
}

func TestLooksAtOnceAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		n.opensMany(200)
		n.store.hang.Store(true)
		n.store.reads.Store(0)
		time.Sleep(4900 * time.Millisecond) // nobody has given up
		if got, most := n.store.reads.Load(), int64(min(6*runtime.GOMAXPROCS(0), 64)); got != most {
			t.Errorf("the store was asked %d questions at once, want %d", got, most)
		}
	})
}

// A store that fails for some sessions, as a cluster without one of its shards
// does, is not silent: the others go on, and those end.
func TestStreamsEndThatTheStoreFailsForAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		v, anns := n.opens("ann")
		_, bobs := n.opens("bob")
		n.store.lost.Store(&v.ID)
		time.Sleep(10 * time.Second)
		anns.wantOpen(t, "after one look that failed")
		anns.wantEnd(t, "the store fails for her session", 6*time.Second)
		time.Sleep(time.Minute)
		bobs.wantOpen(t, "the store answers for his")
	})
}

func TestNobodyIsWokenForASubjectWithoutStreams(t *testing.T) {
	h := newEmbeddedHouse(t)
	streams := session.NewStreams() // whose Sessions do not listen, so that nobody takes the token
	s := session.New(session.Options{Store: h.store, Keys: h.keySet(), Identities: h.people, Now: h.clock.Now, Streams: streams})
	v, _, err := s.Begin(t.Context(), signIn("ann"))
	must(t, err)
	must(t, s.IdentityChanged(t.Context(), session.Identity{Subject: "bob"}))
	if streams.Woken() {
		t.Error("somebody is woken, though no stream is open")
	}
	must(t, s.End(t.Context(), "ann", "another session"))
	if streams.Woken() {
		t.Error("somebody is woken by the end of a session without streams")
	}
	_, stop := s.Stream(t.Context(), v, site)
	defer stop()
	streams.Woken() // nobody listens, so that it was
	must(t, s.IdentityChanged(t.Context(), session.Identity{Subject: "bob"}))
	if streams.Woken() {
		t.Error("somebody is woken by a change of bob, though only ann has a stream")
	}
	must(t, s.IdentityChanged(t.Context(), session.Identity{Subject: "ann"}))
	if !streams.Woken() {
		t.Error("nobody is woken by a change of ann")
	}
}

func TestSessionIsLookedAtOnceHoweverManyStreamsItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		v, _ := n.opens("ann")
		for range 100 {
			n.open(v)
		}
		synctest.Wait()
		n.store.reads.Store(0)
		time.Sleep(10 * time.Minute)
		// Each look reads the session and its subject.
		if got, most := n.store.reads.Load(), int64(2*10*60/3); got < 2*10*60/5 || got > most {
			t.Errorf("100 streams of one session made %d reads in ten minutes, want one look every 4s or so: %d at most", got, most)
		}
	})
}

func TestLooksAreSpreadOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		for range 100 {
			n.opens("ann")
		}
		time.Sleep(5 * time.Minute)
		var reads []int64
		for range 20 {
			n.store.reads.Store(0)
			time.Sleep(250 * time.Millisecond)
			synctest.Wait()
			reads = append(reads, n.store.reads.Load())
		}
		if most := slices.Max(reads); most > 100 {
			t.Errorf("reads in each quarter of a second: %v; want no half of all at once", reads)
		}
	})
}

func TestNothingIsKeptOfAStreamThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		v, stream := n.opens("ann")
		second := n.open(v)
		stream.stop()
		stream.stop()
		if stream.Err() == nil {
			t.Error("the context of a stream that is over has not ended")
		}
		n.wantKept(t, 1, 1)
		second.stop()
		n.wantKept(t, 0, 0)
		n.store.reads.Store(0)
		time.Sleep(time.Hour)
		if got := n.store.reads.Load(); got != 0 {
			t.Errorf("%d reads while no stream is open, want none", got)
		}
		ctx, hangUp := context.WithCancel(t.Context())
		over, stop := n.Stream(ctx, v, site)
		defer stop()
		hangUp()
		if !errors.Is(over.Err(), context.Canceled) {
			t.Errorf("the client hung up: %v, want it to end the stream", over.Err())
		}
	})
}

// A reload replaces the Sessions, while requests that were let in by the old ones
// go on.
func TestStreamsOutliveTheSessionsThatTheyWereOpenedUnder(t *testing.T) {
	h := newEmbeddedHouse(t)
	shared := func(o *session.Options) { o.Streams = h.streams }
	h.streams = session.NewStreams()
	old := session.New(session.Options{Store: h.store, Keys: h.keySet(), Identities: h.people, Now: h.clock.Now, Streams: h.streams})
	ctx, stop := context.WithCancel(t.Context())
	must(t, old.Listen(ctx))
	before := &node{Sessions: old, h: h}
	v, stream := before.opens("ann")
	_, late := before.begin("bob")
	bob := before.wantOK("checked before the reload", late)
	n, other := h.node(shared), h.node()
	stop()
	stream.wantOpen(t, "after the reload")
	must(t, other.End(t.Context(), "ann", v.ID))
	stream.wantEnd(t, "opened before the reload", time.Second)

	// The old server has a request in its hands whose visitor it knows from before.
	must(t, other.End(t.Context(), "bob", bob.ID))
	h.hears(n)
	before.open(bob).wantEnd(t, "opened under the old Sessions after the reload", time.Second)
}

func TestClosedStreamsEndAndSoDoThoseToCome(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, stream := n.opens("ann")
	n.Streams().Close()
	stream.wantEnd(t, "open", time.Second)
	n.open(v).wantEnd(t, "opened after Close", time.Second)
	n.wantKept(t, 0, 0)
	n.Streams().Close()
}

func TestStreamsThatComeAndGoWhileSessionsEndLeaveNothingBehind(t *testing.T) {
	h := newEmbeddedHouse(t)
	n, other := h.node(), h.node()
	var group sync.WaitGroup
	for i := range 8 {
		subject := []string{"ann", "bob", "cal"}[i%3]
		group.Go(func() {
			for range 25 {
				v, _, err := n.Begin(context.Background(), signIn(subject))
				if err != nil {
					t.Errorf("Begin: %v", err)
					return
				}
				var streams []*openStream
				for range 4 {
					ctx, stop := n.Stream(context.Background(), v, site)
					streams = append(streams, &openStream{ctx, stop})
				}
				if rand.N(2) == 0 {
					streams[0].stop()
				}
				if err := []*node{n, other}[rand.N(2)].End(context.Background(), subject, v.ID); err != nil {
					t.Errorf("End: %v", err)
				}
				for _, s := range streams {
					s.wantEnd(t, "its session was ended", 10*time.Second)
					s.stop()
				}
			}
		})
	}
	group.Wait()
	n.wantKept(t, 0, 0)
}
