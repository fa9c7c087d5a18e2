package session

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func testDigest(i int) digest { return digestOf(strconv.Itoa(i)) }

// freshUntil returns the validity of a check that the journal does not vouch for.
func (c *cache) freshUntil(t time.Time) validity {
	return validity{fresh: c.at(t), renewal: renewal{asks: c.at(t), due: c.at(t)}}
}

func visitorOf(i int) *Visitor {
	return &Visitor{Session: Session{ID: "session" + strconv.Itoa(i), Subject: "subject" + strconv.Itoa(i%10)}}
}

// The cache tells tokens apart by a part of each and a hash, and each of the two says
// so alone.
func TestTwoTokensOfOneSumAreTwo(t *testing.T) {
	now := time.Now()
	c := newCache(64, now)
	d := testDigest(1)
	other := d
	other.end[0]++
	c.put(d, visitorOf(1), c.freshUntil(now.Add(time.Hour)), c.mark())
	if v, standing := c.get(other, now); v != nil || standing != stale {
		t.Errorf("a token whose signature ends otherwise is taken for that of %v", v.ID)
	}
	c.remove(other)
	if v, _ := c.get(d, now); v == nil {
		t.Error("forgetting one has the other forgotten")
	}
	// The one that came last is kept: of two sums that meet, which does not happen.
	c.put(other, visitorOf(2), c.freshUntil(now.Add(time.Hour)), c.mark())
	if v, _ := c.get(d, now); v != nil {
		t.Errorf("a token is taken for that of %v, which came after it", v.ID)
	}
	if v, standing := c.get(other, now); v == nil || v.ID != visitorOf(2).ID || standing != good {
		t.Errorf("the entry put last = %v, want it kept", v)
	}
	if got := c.len(); got != 1 {
		t.Errorf("%d entries are kept, want 1", got)
	}
}

func TestCacheIsBounded(t *testing.T) {
	const capacity = 1 << 10
	now := time.Now()
	c := newCache(capacity, now)
	for i := range 20 * capacity {
		c.put(testDigest(i), visitorOf(i), c.freshUntil(now.Add(time.Duration(i)*time.Second)), c.mark())
		if got := c.len(); got > capacity {
			t.Fatalf("after %d entries %d are kept, want %d at most", i+1, got, capacity)
		}
	}
	if got := c.len(); got != capacity {
		t.Errorf("%d entries are kept, want %d", got, capacity)
	}
	// The one put last is there, and putting it again takes nobody's place.
	last := 20*capacity - 1
	c.put(testDigest(last), visitorOf(last), c.freshUntil(now), c.mark())
	if v, _ := c.get(testDigest(last), now); v == nil || v.ID != visitorOf(last).ID {
		t.Errorf("the entry put last = %v, want it kept", v)
	}
	if got := c.len(); got != capacity {
		t.Errorf("%d entries are kept after one was replaced, want %d", got, capacity)
	}
}

func TestSmallestCacheWorks(t *testing.T) {
	c := newCache(1, time.Now())
	for i := range 1000 {
		if !c.put(testDigest(i), visitorOf(i), c.freshUntil(time.Now()), c.mark()) {
			t.Fatal("put = false, want true")
		}
		if v, _ := c.get(testDigest(i), time.Now()); v == nil {
			t.Fatal("the entry put last is gone")
		}
	}
	if got := c.len(); got > 64 {
		t.Errorf("%d entries are kept, want one for each shard at most", got)
	}
}

// Who has been asked for in the background since is not in use for that.
func TestEntriesUsedLongAgoMakeRoomFirst(t *testing.T) {
	const capacity = 8 << 10
	now := time.Now()
	c := newCache(capacity, now)
	put := func(i int) {
		at := c.at(now)
		c.put(testDigest(i), visitorOf(i), validity{began: at, fresh: at + time.Hour}, c.mark())
	}
	var kept []int
	for i := range capacity {
		put(i)
	}
	for i := range capacity {
		if v, _ := c.get(testDigest(i), now); v != nil { // shards fill at random
			kept = append(kept, i)
		}
	}
	now = now.Add(time.Minute)
	for n, i := range kept {
		if v, _ := c.get(testDigest(i), now); n%2 == 0 {
			c.use(testDigest(i), now)
		} else {
			c.renew(testDigest(i), v, v.copy(), renewal{})
		}
	}
	now = now.Add(time.Second)
	for i := range capacity / 4 {
		put(capacity + i)
	}
	lost := [2]int{}
	for n, i := range kept {
		if v, _ := c.get(testDigest(i), now); v == nil {
			lost[n%2]++
		}
	}
	// By chance alone they would be as many.
	if used, gone := lost[0], lost[1]; used > gone/8 || gone < capacity/8 {
		t.Errorf("%d of those in use and %d of the others made room, want hardly any in use", used, gone)
	}
}

// A check is renewed if it is the one that was asked for, and no other.
func TestCheckThatWasReplacedIsNotRenewed(t *testing.T) {
	now := time.Now()
	c := newCache(64, now)
	d, old, replaced := testDigest(1), visitorOf(1), visitorOf(2)
	c.put(d, old, c.freshUntil(now.Add(time.Hour)), c.mark())
	c.put(d, replaced, c.freshUntil(now.Add(time.Hour)), c.mark())
	c.renew(d, old, old.copy(), renewal{})
	if v, _ := c.get(d, now); v != replaced {
		t.Errorf("the check is of %v, want that of %v", v.ID, replaced.ID)
	}
}

func TestRemovingEntriesLosesNoOther(t *testing.T) {
	now := time.Now()
	c := newCache(1<<12, now)
	for i := range 1000 {
		c.put(testDigest(i), visitorOf(i), c.freshUntil(now.Add(time.Hour)), c.mark())
	}
	for i := 0; i < 1000; i += 3 {
		c.remove(testDigest(i))
		c.remove(testDigest(i)) // nobody is there any more
	}
	for i := range 1000 {
		v, _ := c.get(testDigest(i), now)
		if gone := i%3 == 0; gone != (v == nil) || v != nil && v.ID != visitorOf(i).ID {
			t.Errorf("entry %d = %v, want it gone: %v", i, v, gone)
		}
	}
	if got, want := c.len(), 666; got != want {
		t.Errorf("%d entries are left, want %d", got, want)
	}
}

func TestForgettingHitsTheOneThatIsMeant(t *testing.T) {
	now := time.Now()
	c := newCache(1<<10, now)
	for i := range 100 {
		c.put(testDigest(i), visitorOf(i), c.freshUntil(now.Add(time.Hour)), c.mark())
	}
	c.forget(names{forgotten{session: "session7"}: {}})
	c.forget(names{forgotten{subject: "subject3"}: {}})
	for i := range 100 {
		_, standing := c.get(testDigest(i), now)
		if want := i != 7 && i%10 != 3; (standing == good) != want {
			t.Errorf("session%d of subject%d is good: %v, want %v", i, i%10, standing == good, want)
		}
	}
}

// What was read before somebody was forgotten is not kept after it, and what
// others had forgotten does not matter.
func TestPutAfterForgetKeepsNothing(t *testing.T) {
	for name, test := range map[string]struct {
		between []forgotten
		want    bool
	}{
		"nothing":             {nil, true},
		"its session":         {[]forgotten{{session: "session7"}}, false},
		"its subject":         {[]forgotten{{subject: "subject7"}}, false},
		"another session":     {[]forgotten{{session: "session8"}}, true},
		"another subject":     {[]forgotten{{subject: "subject8"}}, true},
		"a name of the other": {[]forgotten{{subject: "session7"}, {session: "subject7"}}, true},
		"it, among others":    {append(make([]forgotten, 100), forgotten{session: "session7"}, forgotten{session: "x"}), false},
		"too many to know":    {make([]forgotten, 257), false},
		"just not too many":   {make([]forgotten, 256), true},
	} {
		c := newCache(1<<10, time.Now())
		c.forget(names{forgotten{session: "session7"}: {}}) // before: it may have begun anew
		since := c.mark()
		for _, f := range test.between {
			if f == (forgotten{}) {
				f.session = "somebody"
			}
			c.forget(names{f: {}})
		}
		if got := c.put(testDigest(7), visitorOf(7), c.freshUntil(time.Now().Add(time.Hour)), since); got != test.want {
			t.Errorf("%s was forgotten between: put = %v, want %v", name, got, test.want)
		}
		if _, standing := c.get(testDigest(7), time.Now()); (standing == good) != test.want {
			t.Errorf("%s was forgotten between: kept is %v, want %v", name, standing == good, test.want)
		}
	}
}

func TestForgetRacingPutKeepsNothing(t *testing.T) {
	c := newCache(1<<10, time.Now())
	for i := range 2000 {
		since := c.mark()
		var group sync.WaitGroup
		group.Go(func() { c.put(testDigest(i), visitorOf(i), c.freshUntil(time.Now().Add(time.Hour)), since) })
		group.Go(func() { c.forget(names{forgotten{session: visitorOf(i).ID}: {}}) })
		group.Wait()
		if v, _ := c.get(testDigest(i), time.Now()); v != nil {
			t.Fatalf("round %d: a session that was ended is kept", i)
		}
	}
}

// A cached check ends by the monotonic clock, also where the session's own end,
// which comes from the store without one, is what limits it: setting the wall
// clock back does not make it last.
func TestCachedCheckEndsByTheMonotonicClock(t *testing.T) {
	s := New(Options{})
	for name, ends := range map[string]time.Duration{"of CheckInterval": time.Hour, "of the session's end": time.Second} {
		d := testDigest(len(name))
		began := s.now()
		s.keep(d, &Visitor{Session: Session{
			LastSeenAt: began.Round(0), ExpiresAt: began.Round(0).Add(ends), Idle: time.Hour,
		}, Identity: Identity{At: began}}, began, s.cache.mark())
		shard := s.cache.shard(d)
		fresh := shard.entries[shard.index[d.sum]].fresh
		if got, want := fresh-s.cache.at(began), min(5*time.Second, ends); got > want || got < want-time.Millisecond {
			t.Errorf("a check that is good because %s is good for %v, want %v", name, got, want)
		}
	}
	if base := s.cache.base; !strings.Contains(base.String(), "m=") {
		t.Errorf("times are counted from %v, want a monotonic reading", base)
	}
}
