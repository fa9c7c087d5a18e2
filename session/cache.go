package session

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A digest names a session token in the cache, which holds no token. It is the end of
// the token's signature, which nobody knows who has not seen the token, and a keyed
// hash of the whole. The first is what keeps others out; the second has a token with
// other claims before that signature verified, and refused, like any other. It is no
// MAC, so nothing is ever read from a token that was found here and not verified.
// A cryptographic hash of the whole would take most of the time that a request costs.
type digest struct {
	sum uint64
	end [40]byte // 240 bits, in base64url
}

var seed = maphash.MakeSeed()

func digestOf(token string) digest {
	d := digest{sum: maphash.String(seed, token)}
	copy(d.end[:], token[max(0, len(token)-len(d.end)):])
	return d
}

// key returns d as a string.
func (d digest) key() string { return string(binary.LittleEndian.AppendUint64(d.end[:], d.sum)) }

// cache keeps the visitors that were checked lately. It is bounded: where it is
// full, the entry of a handful that was in use longest ago makes room.
type cache struct {
	shards  [64]cacheShard
	history history
	base    time.Time               // what the times of entries are counted from, with a monotonic reading
	vouched atomic.Pointer[vouched] // for checks, by the journal
	told    atomic.Pointer[vouched] // for who the subjects are, by the directory: see Sessions.hearChanges
	usedAt  atomic.Int64            // when any check was used, or made of a token not seen before, to usedWithin
}

// vouched says what somebody vouches for who tells what changes: what was found out at
// from or later, and until when. A nil one is for nothing.
type vouched struct {
	from, until time.Duration
	before      *vouched // what was vouched for before a series broke, which may still hold
}

// holds reports whether what was found out then is so at a later time.
func (v *vouched) holds(then, at time.Duration) bool {
	for ; v != nil; v = v.before {
		if v.from <= then && at < v.until {
			return true
		}
	}
	return false
}

type cacheShard struct {
	mu       sync.RWMutex
	capacity int
	entries  []cacheEntry   // in any order, without gaps
	index    map[uint64]int // of entries, by the sum of their digests
}

type cacheEntry struct {
	digest           digest
	visitor          *Visitor
	session, subject uint64 // hashes of their IDs: forget reads them and not the visitor
	used             int32  // when a request came with the token, in seconds since the base, to usedWithin; atomic
	validity
}

// validity says until when a check is good, in time since the base of the cache.
type validity struct {
	began time.Duration // when the check did
	fresh time.Duration // good until then, whatever the journal says
	lasts time.Duration // good until then where the journal vouches for it
	renewal
}

// renewal says when something is to be done about a check that lasts, see Sessions.renew.
type renewal struct {
	asked time.Duration // when this node asked the directory who the subject is; never, if another did
	asks  time.Duration // when it is to be asked, unless it says who changes
	due   time.Duration // when something is to be done in any case
}

// never is before all else.
const never = math.MinInt64

// A standing says what a check that is kept is worth.
type standing int

const (
	stale standing = iota // nothing, or there is none
	due                   // the session is good, and to be renewed
	good
)

func newCache(capacity int, base time.Time) *cache {
	c := &cache{base: base}
	c.usedAt.Store(int64(-2 * restAfter)) // never
	for i := range c.shards {
		c.shards[i].capacity = max(capacity/len(c.shards), 1)
		c.shards[i].index = make(map[uint64]int)
	}
	return c
}

func (c *cache) shard(d digest) *cacheShard { return &c.shards[d.sum%uint64(len(c.shards))] }

// usedWithin is how exactly it is known when a check was used.
const usedWithin = 10 * time.Second

// use is get for a request that comes with the token.
func (c *cache) use(d digest, now time.Time) (*Visitor, standing) { return c.find(d, now, true) }

// get returns the visitor last seen with a token, and what the check is worth at now.
func (c *cache) get(d digest, now time.Time) (*Visitor, standing) { return c.find(d, now, false) }

func (c *cache) find(d digest, now time.Time, used bool) (*Visitor, standing) {
	at, vouched, told := c.at(now), c.vouched.Load(), c.told.Load()
	s := c.shard(d)
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, ok := s.index[d.sum]
	if !ok || s.entries[i].digest != d {
		return nil, stale
	}
	e := &s.entries[i]
	if used && at-e.lastUsed() >= usedWithin { // others read it, too
		atomic.StoreInt32(&e.used, int32(at/time.Second))
		c.usedAt.Store(int64(at))
	}
	return e.visitor, e.standing(at, vouched, told)
}

// lastUsed returns when a request came with the token, to usedWithin.
func (e *cacheEntry) lastUsed() time.Duration {
	return time.Duration(atomic.LoadInt32(&e.used)) * time.Second
}

// standing returns what a check is worth at a time, by what the journal and the directory
// vouch for.
func (e *cacheEntry) standing(at time.Duration, vouched, told *vouched) standing {
	switch {
	case at < e.fresh:
		return good
	case at >= e.lasts || !vouched.holds(e.began, at):
		return stale
	case at >= e.due, at >= e.asks && !told.holds(e.asked, at):
		return due
	}
	return good
}

// at returns a time as entries have it.
func (c *cache) at(t time.Time) time.Duration { return t.Sub(c.base) }

// vouch says that what was ended or changed before read has been forgotten, and
// that what was not is good for that much longer. An unbroken series of such words
// is about all checks that began since the first of them.
func (c *cache) vouch(read time.Time, longer time.Duration, unbroken bool) {
	v := vouched{from: c.at(read), until: c.at(read) + longer}
	if last := c.vouched.Load(); unbroken && last != nil {
		v.from = last.from
	}
	c.vouched.Store(&v)
}

// tell says that the directory has named who changed until asked, and that they have been
// forgotten. An unbroken series of such words is about all whom this node asked for since
// the answer to the first. If it broke, what was said before holds as long as it would
// have, so that not everybody is to be asked for at once.
func (c *cache) tell(asked, answered time.Time, unbroken bool) {
	v, last := vouched{from: c.at(answered) + 1, until: c.at(asked) + identityRefresh}, c.told.Load()
	switch {
	case last == nil:
	case unbroken:
		v.from, v.before = last.from, last.before
	default:
		v.before = last.still(c.at(asked))
	}
	c.told.Store(&v)
}

// still returns what holds of v at a time. What was vouched for before ended before.
func (v *vouched) still(at time.Duration) *vouched {
	if v == nil || at >= v.until {
		return nil
	}
	return &vouched{v.from, v.until, v.before.still(at)}
}

// mark returns a moment for put to look back to.
func (c *cache) mark() uint64 { return c.history.n.Load() }

// put keeps v as checked, unless v was forgotten since the mark that was made before
// v was read: then what was read may have been true before, and is not kept. It
// reports whether it kept it.
func (c *cache) put(d digest, v *Visitor, valid validity, since uint64) bool {
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	// What is forgotten after this look is removed by forget, which writes the
	// history first and then waits for this shard.
	if c.history.holds(v, since) {
		return false
	}
	e := cacheEntry{d, v, hashOf(v.ID), hashOf(v.Subject), int32(valid.began / time.Second), valid}
	if i, ok := s.index[d.sum]; ok {
		if s.entries[i].digest == d {
			e.used = s.entries[i].used // who checks it again need not use it
		}
		s.entries[i] = e
		return true
	}
	c.usedAt.Store(int64(valid.began))
	if len(s.entries) >= s.capacity {
		s.evict()
	}
	s.index[d.sum] = len(s.entries)
	s.entries = append(s.entries, e)
	return true
}

// renew replaces the visitor of a check that is kept, and says when that is due again,
// unless the check has been forgotten or replaced.
func (c *cache) renew(d digest, old, v *Visitor, next renewal) {
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[d.sum]; ok && s.entries[i].visitor == old {
		s.entries[i].visitor, s.entries[i].renewal = v, next
	}
}

// evict removes the one of a few entries that was used longest ago.
func (s *cacheShard) evict() {
	oldest := rand.IntN(len(s.entries))
	for range 7 {
		if i := rand.IntN(len(s.entries)); s.entries[i].used < s.entries[oldest].used {
			oldest = i
		}
	}
	s.delete(oldest)
}

// delete removes one entry, and puts the last in its place.
func (s *cacheShard) delete(i int) {
	last := len(s.entries) - 1
	delete(s.index, s.entries[i].digest.sum)
	if i != last {
		s.entries[i] = s.entries[last]
		s.index[s.entries[i].digest.sum] = i
	}
	s.entries[last] = cacheEntry{}
	s.entries = s.entries[:last]
}

// remove forgets one token.
func (c *cache) remove(d digest) {
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[d.sum]; ok && s.entries[i].digest == d {
		s.delete(i)
	}
}

// hashOf returns what the cache tells IDs apart by at first.
func hashOf(id string) uint64 { return maphash.String(seed, id) }

// forget removes the visitors that are named. It looks at all, which is rare (a
// session ended, a user changed) and quick (some thirty nanoseconds each).
func (c *cache) forget(all names) {
	hashes := make(map[uint64]struct{}, len(all))
	c.history.add(all)
	for f := range all {
		hashes[hashOf(f.id())] = struct{}{}
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for i := len(s.entries) - 1; i >= 0; i-- {
			e := &s.entries[i]
			_, session := hashes[e.session]
			_, subject := hashes[e.subject]
			if (session || subject) && all.have(e.visitor) {
				s.delete(i)
			}
		}
		s.mu.Unlock()
	}
}

// subjects returns those of the named subjects of whom there are visitors.
func (c *cache) subjects(all names) (here []string) {
	hashes := make(map[uint64]string, len(all))
	for f := range all {
		hashes[hashOf(f.subject)] = f.subject
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		for i := range s.entries {
			if subject, ok := hashes[s.entries[i].subject]; ok && s.entries[i].visitor.Subject == subject {
				here = append(here, subject)
				delete(hashes, s.entries[i].subject)
			}
		}
		s.mu.RUnlock()
	}
	return here
}

// len returns how many visitors are kept.
func (c *cache) len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}

// history is what was forgotten lately, the latest of each remainder of n.
type history struct {
	n atomic.Uint64 // how often something was

	mu   sync.Mutex // held while last is used, and n grows
	last [256]names // nil for anybody
}

// historyMost is how many names are remembered of what was forgotten at once.
const historyMost = 1000

func (h *history) add(all names) {
	if len(all) > historyMost {
		all = nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.n.Load()
	h.last[n%uint64(len(h.last))] = all
	h.n.Store(n + 1)
}

// holds reports whether v was forgotten since n was since, or may have been.
func (h *history) holds(v *Visitor, since uint64) bool {
	if h.n.Load() == since {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.n.Load()
	if n-since > uint64(len(h.last)) {
		return true
	}
	for i := since; i < n; i++ {
		if all := h.last[i%uint64(len(h.last))]; all == nil || all.have(v) {
			return true
		}
	}
	return false
}
