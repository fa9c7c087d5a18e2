package session

import (
	"encoding/binary"
	"hash/maphash"
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
// full, the entry of a handful that was checked longest ago makes room.
type cache struct {
	shards  [64]cacheShard
	history history
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
	fresh            time.Time // the check is good until then
	session, subject uint64    // hashes of their IDs: forget reads them and not the visitor
}

func newCache(capacity int) *cache {
	c := new(cache)
	for i := range c.shards {
		c.shards[i].capacity = max(capacity/len(c.shards), 1)
		c.shards[i].index = make(map[uint64]int)
	}
	return c
}

func (c *cache) shard(d digest) *cacheShard { return &c.shards[d.sum%uint64(len(c.shards))] }

// get returns the visitor last seen with a token, and whether the check is still
// good at now.
func (c *cache) get(d digest, now time.Time) (v *Visitor, fresh bool) {
	s := c.shard(d)
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, ok := s.index[d.sum]
	if !ok || s.entries[i].digest != d {
		return nil, false
	}
	return s.entries[i].visitor, now.Before(s.entries[i].fresh)
}

// mark returns a moment for put to look back to.
func (c *cache) mark() uint64 { return c.history.n.Load() }

// put keeps v as checked until fresh, unless v was forgotten since the mark that
// was made before v was read: then what was read may have been true before, and
// is not kept. It reports whether it kept it.
func (c *cache) put(d digest, v *Visitor, fresh time.Time, since uint64) bool {
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	// What is forgotten after this look is removed by forget, which writes the
	// history first and then waits for this shard.
	if c.history.holds(v, since) {
		return false
	}
	e := cacheEntry{d, v, fresh, hashOf(v.ID), hashOf(v.Subject)}
	if i, ok := s.index[d.sum]; ok {
		s.entries[i] = e
		return true
	}
	if len(s.entries) >= s.capacity {
		s.evict()
	}
	s.index[d.sum] = len(s.entries)
	s.entries = append(s.entries, e)
	return true
}

// evict removes the stalest of a few entries.
func (s *cacheShard) evict() {
	stalest := rand.IntN(len(s.entries))
	for range 7 {
		if i := rand.IntN(len(s.entries)); s.entries[i].fresh.Before(s.entries[stalest].fresh) {
			stalest = i
		}
	}
	s.delete(stalest)
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

// forget removes the visitors that f names. It looks at all, which is rare (a
// session ended, a user changed) and quick (some twenty nanoseconds each).
func (c *cache) forget(f forgotten) {
	c.history.add(f)
	session, subject := hashOf(f.session), hashOf(f.subject)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for i := len(s.entries) - 1; i >= 0; i-- {
			e := &s.entries[i]
			if (e.session == session || e.subject == subject) && f.matches(e.visitor) {
				s.delete(i)
			}
		}
		s.mu.Unlock()
	}
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
	n atomic.Uint64 // how many were ever added

	mu   sync.Mutex // held while last is used, and n grows
	last [256]forgotten
}

func (h *history) add(f forgotten) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.n.Load()
	h.last[n%uint64(len(h.last))] = f
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
		if h.last[i%uint64(len(h.last))].matches(v) {
			return true
		}
	}
	return false
}
