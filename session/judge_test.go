package session_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/session"
)

// only admits one subject.
func only(subject string) func(*session.Visitor, string) bool {
	return func(v *session.Visitor, _ string) bool { return v.Subject == subject }
}

func TestNewRulesEndTheStreamsThatTheyRefuse(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	v, anns := n.opens("ann")
	_, bobs := n.opens("bob")
	n.Streams().Judge(only("bob"))
	anns.wantEnd(t, "she is refused by the new rules", time.Second)
	bobs.wantOpen(t, "he is admitted")
	n.open(v).wantEnd(t, "let in by the old rules, after the new ones are there", time.Second)
	n.wantKept(t, 1, 1)
}

// One configuration takes over from another, which may have to go on: for as long
// as both are there, each of them admits.
func TestRulesThatAreReplacedHoldUntilTheyAreGone(t *testing.T) {
	h := newEmbeddedHouse(t)
	n := h.node()
	old := n.Streams().Judge(only("ann"))
	_, anns := n.opens("ann")
	newer := n.Streams().Judge(only("bob"))
	_, second := n.opens("ann")
	_, bobs := n.opens("bob")
	_, cals := n.opens("cal")
	cals.wantEnd(t, "nobody admits her", time.Second)
	anns.wantOpen(t, "the old rules are still there")
	second.wantOpen(t, "the old rules are still there")
	bobs.wantOpen(t, "the new rules are there")

	newer() // the new configuration does not start
	bobs.wantEnd(t, "the rules that admitted him are gone", time.Second)
	anns.wantOpen(t, "hers are not")

	newer = n.Streams().Judge(only("bob"))
	_, bobs = n.opens("bob")
	old()
	anns.wantEnd(t, "the rules that admitted her are gone", time.Second)
	second.wantEnd(t, "the rules that admitted her are gone", time.Second)
	bobs.wantOpen(t, "his are there")
	old() // again, which releases nobody else's
	_, anns = n.opens("ann")
	anns.wantEnd(t, "only the new rules are left", time.Second)
	newer()
	_, anns = n.opens("ann")
	anns.wantOpen(t, "there are no rules")
}

func TestRulesAreAskedAtEachLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBubbleHouse(t)
		n := h.node()
		var shut atomic.Bool
		n.Streams().Judge(func(v *session.Visitor, _ string) bool { return v.Subject == "bob" || !shut.Load() })
		_, anns := n.opens("ann")
		_, bobs := n.opens("bob")
		time.Sleep(time.Minute)
		anns.wantOpen(t, "she is admitted")
		shut.Store(true)
		anns.wantEnd(t, "she is refused since", 5*time.Second)
		bobs.wantOpen(t, "he is not")
	})
}
