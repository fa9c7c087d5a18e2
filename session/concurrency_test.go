package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
)

func heardElsewhere(t *testing.T, h *house) {
	n, other := h.node(), h.node()
	v, token := n.begin("ann")
	other.wantOK("before", token)
	must(t, n.End(t.Context(), "ann", v.ID))
	// The clock stands still, so that the other node's check stays fresh: only the
	// message can end it.
	h.eventually("the other node hears of it", func() bool {
		_, err := other.Check(t.Context(), token, site)
		return errors.Is(err, session.ErrEnded)
	})
}

func unheardElsewhere(t *testing.T, h *house) {
	n, other := h.node(), h.node()
	v, token := n.begin("ann")
	other.wantOK("before", token)
	n.store.mute.Store(true)
	must(t, n.End(t.Context(), "ann", v.ID))
	n.wantRefused("where it was ended", token, session.ErrEnded)
	h.clock.pass(5*time.Second - 1)
	other.wantOK("just before CheckInterval has passed", token)
	h.clock.pass(1)
	other.wantRefused("when it has passed", token, session.ErrEnded)
}

func endsAfterHangUp(t *testing.T, h *house) {
	n, other := h.node(), h.node()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	v, token := n.begin("ann")
	other.wantOK("before", token)
	must(t, n.End(over, "ann", v.ID))
	n.wantRefused("ended", token, session.ErrEnded)
	h.eventually("the other node hears of it", func() bool {
		_, err := other.Check(t.Context(), token, site)
		return errors.Is(err, session.ErrEnded)
	})
	_, token = n.begin("ann")
	n.wantOK("before", token)
	must(t, n.EndAll(over, "ann", ""))
	n.wantRefused("all ended", token, session.ErrEnded)
}

func touchNeverRevives(t *testing.T, h *house) {
	n, other := h.node(), h.node()
	for range 20 {
		v, token := n.begin("ann")
		h.clock.pass(3 * time.Minute) // so that each check notes it
		var group sync.WaitGroup
		start := make(chan struct{})
		for i := range 6 {
			group.Go(func() {
				<-start
				_, err := []*node{n, other}[i%2].Check(t.Context(), token, site)
				if err != nil && !errors.Is(err, session.ErrEnded) {
					t.Errorf("Check = %v, want a visitor or ErrEnded", err)
				}
			})
		}
		group.Go(func() {
			<-start
			if err := n.End(t.Context(), "ann", v.ID); err != nil {
				t.Errorf("End: %v", err)
			}
		})
		close(start)
		group.Wait()
		n.wantRefused("where it was ended", token, session.ErrEnded)
		h.clock.pass(5 * time.Second)
		other.wantRefused("elsewhere", token, session.ErrEnded)
		if list, err := n.List(t.Context(), "ann"); err != nil || len(list) != 0 {
			t.Fatalf("List = %v, %v, want none", list, err)
		}
	}
}

func endedWhileRead(t *testing.T, h *house) {
	n, other := h.node(), h.node()
	for name, ends := range map[string]*node{"here": n, "elsewhere": other} {
		v, token := n.begin("ann")
		n.store.onRead(func(string) {
			if err := ends.End(t.Context(), "ann", v.ID); err != nil {
				t.Errorf("End: %v", err)
			}
			if ends == other { // it is heard before the check goes on
				h.hears(n)
			}
		})
		n.wantRefused("ended "+name+" after the record was read", token, session.ErrEnded)
		n.wantRefused("again", token, session.ErrEnded)
	}
}

// hears waits until n has heard all that was published before.
func (h *house) hears(n *node) {
	h.t.Helper()
	// Messages arrive in order: n forgets this one after those before it.
	v, token := n.begin("cal")
	n.wantOK("cal", token)
	must(h.t, h.store.Delete(h.t.Context(), "session/"+v.ID))
	must(h.t, h.store.Publish(h.t.Context(), "sessions", []byte("session:"+v.ID)))
	h.eventually("a message arrives", func() bool {
		_, err := n.Check(h.t.Context(), token, site)
		return errors.Is(err, session.ErrEnded)
	})
}

func checksOnce(t *testing.T, h *house) {
	n := h.node()
	_, alone := n.begin("ann")
	n.store.reads.Store(0)
	n.wantOK("alone", alone)
	want := n.store.reads.Load()
	if want == 0 {
		t.Fatal("the first check of a token read nothing")
	}

	_, token := n.begin("bob")
	for _, round := range []string{"first sight", "when the check is no longer good"} {
		n.store.reads.Store(0)
		var group sync.WaitGroup
		for range 40 {
			group.Go(func() {
				if _, err := n.Check(t.Context(), token, site); err != nil {
					t.Errorf("Check: %v", err)
				}
			})
		}
		group.Wait()
		if got := n.store.reads.Load(); got != want {
			t.Errorf("%s: 40 concurrent checks read %d values, want %d as one does", round, got, want)
		}
		h.clock.pass(5 * time.Second)
	}
}

func hangUpAlone(t *testing.T, h *house) {
	n := h.node()
	_, token := n.begin("ann")
	reading, goOn := make(chan struct{}), make(chan struct{})
	n.store.onRead(func(string) {
		close(reading)
		<-goOn
	})
	ctx, hangUp := context.WithCancel(t.Context())
	gone, waited := make(chan error), make(chan error)
	go func() {
		_, err := n.Check(ctx, token, site)
		gone <- err
	}()
	<-reading
	waits := make(chan struct{})
	go func() {
		_, err := n.Check(&noticed{Context: t.Context(), waits: waits}, token, site)
		waited <- err
	}()
	<-waits
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) || session.Refused(err) {
		t.Errorf("Check of who hung up = %v, want context.Canceled", err)
	}
	close(goOn)
	if err := <-waited; err != nil {
		t.Errorf("Check of who waited = %v, want a visitor", err)
	}
}

// noticed is a context that tells when somebody first waits for its end.
type noticed struct {
	context.Context
	once  sync.Once
	waits chan struct{}
}

func (n *noticed) Done() <-chan struct{} {
	n.once.Do(func() { close(n.waits) })
	return n.Context.Done()
}

func audiences(t *testing.T, h *house) {
	n := h.node()
	_, token := n.begin("ann")
	reading, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	n.store.onRead(func(string) {
		close(reading)
		<-goOn
	})
	go func() {
		_, err := n.Check(t.Context(), token, site)
		done <- err
	}()
	<-reading
	if _, err := n.Check(t.Context(), token, otherSite); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("unknown token at the other site: Check = %v, want ErrInvalid", err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("Check at its own site = %v, want a visitor", err)
	}
	if _, err := n.Check(t.Context(), token, otherSite); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("known token at the other site: Check = %v, want ErrInvalid", err)
	}
	h.clock.pass(5 * time.Second)
	if _, err := n.Check(t.Context(), token, otherSite); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("token that is due at the other site: Check = %v, want ErrInvalid", err)
	}
	n.wantOK("its own site, still", token)
}
