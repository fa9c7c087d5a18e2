package session

import (
	"context"
	"slices"
	"time"
)

const (
	// scheduledLead is how long before it signs a key is made by the schedule:
	// time for verifiers that keep the JWKS longer than they should.
	scheduledLead = 24 * time.Hour

	// leastLead is how long a key is published at least before it signs, unless it
	// is asked to sign at once: until the last verifier that keeps to JWKSMaxAge
	// has read the JWKS again, from the node whose clock is furthest behind.
	leastLead = JWKSMaxAge + Leeway
)

// due reports whether plan would change keys, the oldest of which is first.
func (k *KeySet) due(stored []StoredKey) bool {
	if _, due := k.nextDue(stored); due {
		return true
	}
	for i, key := range stored {
		if at := k.retiresAt(stored, i); !at.IsZero() && (k.now().After(at) || !at.Equal(key.RetiresAt)) {
			return true
		}
	}
	return false
}

// plan makes the key that is due, says when the others retire, and removes the
// ones that have.
func (k *KeySet) plan(stored []StoredKey) ([]StoredKey, error) {
	stored = slices.Clone(stored)
	if at, due := k.nextDue(stored); due {
		made, err := k.make(at)
		if err != nil {
			return nil, err
		}
		stored = append(stored, made)
		slices.SortFunc(stored, bySignsFrom)
	}
	var kept []StoredKey
	for i, key := range stored {
		if at := k.retiresAt(stored, i); !at.IsZero() {
			if k.now().After(at) {
				continue
			}
			key.RetiresAt = at
		}
		kept = append(kept, key)
	}
	return kept, nil
}

// nextDue returns when a key that is to be made now shall sign, and whether one
// is to be made. The first key, and the first of another algorithm, sign at
// once: there is nothing for verifiers to go on with meanwhile. Keys of another
// algorithm do not count: a node that is still configured for it goes on making
// them.
func (k *KeySet) nextDue(stored []StoredKey) (signsFrom time.Time, due bool) {
	now := k.now()
	own := k.own(stored)
	if len(own) == 0 {
		return now, true
	}
	next := own[len(own)-1].SignsFrom.Add(k.o.RotateEvery)
	if now.Before(next.Add(-scheduledLead)) {
		return time.Time{}, false
	}
	if earliest := now.Add(scheduledLead); next.Before(earliest) {
		next = earliest // nobody was there to make it in time
	}
	return next, true
}

// own returns the keys of the algorithm that we sign with.
func (k *KeySet) own(stored []StoredKey) []StoredKey {
	return slices.DeleteFunc(slices.Clone(stored), func(s StoredKey) bool { return s.Algorithm != k.o.Algorithm })
}

// retiresAt returns when the last token that key i signed has expired: it signs
// until the next key of our algorithm does. It is zero while there is none. What
// was kept before is only ever put off: a node whose sessions last longer may
// have said so.
func (k *KeySet) retiresAt(stored []StoredKey, i int) time.Time {
	for _, successor := range k.own(stored[i+1:]) {
		return later(stored[i].RetiresAt, successor.SignsFrom.Add(k.o.TokenLifetime+Leeway))
	}
	return time.Time{}
}

// Rotate makes the next key now, and returns it. It signs as soon as verifiers
// that keep to [JWKSMaxAge] know it, in twelve minutes. Where the next key is
// there already, none is made: that one signs sooner than it would have, if it
// can, so that asking twice rotates once.
//
// With atOnce a new key is made that signs now, for the case that somebody may
// have read the keys: those that wait to sign are removed. The ones that have
// signed go on verifying until their last token has expired. A verifier that
// keeps the JWKS refuses what the new key signs until it reads it again.
func (k *KeySet) Rotate(ctx context.Context, atOnce bool) (KeyInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var id string
	err := k.change(ctx, func(stored []StoredKey) ([]StoredKey, error) {
		after, next, err := k.rotate(slices.Clone(stored), atOnce)
		if err != nil {
			return nil, err
		}
		id = next
		return k.plan(after)
	})
	if err != nil {
		return KeyInfo{}, err
	}
	list := k.list(k.set.Load())
	return list[slices.IndexFunc(list, func(info KeyInfo) bool { return info.ID == id })], nil
}

// rotate does what Rotate says to keys, and returns the ID of the next.
func (k *KeySet) rotate(stored []StoredKey, atOnce bool) (after []StoredKey, next string, err error) {
	now := k.now()
	waits := func(s StoredKey) bool { return s.Algorithm == k.o.Algorithm && s.SignsFrom.After(now) }
	if i := slices.IndexFunc(stored, waits); i >= 0 && !atOnce {
		waiting := &stored[i]
		next = waiting.ID
		waiting.SignsFrom = earlier(waiting.SignsFrom, later(now, waiting.CreatedAt.Add(leastLead)))
		slices.SortFunc(stored, bySignsFrom)
		return stored, next, nil
	}
	signsFrom := now.Add(leastLead)
	if atOnce {
		stored, signsFrom = k.overtake(stored, now), now
	}
	if own := k.own(stored); len(own) == 0 {
		signsFrom = now
	} else if newest := own[len(own)-1]; !newest.SignsFrom.Before(signsFrom) {
		signsFrom = newest.SignsFrom.Add(time.Microsecond)
	}
	made, err := k.make(signsFrom)
	if err != nil {
		return nil, "", err
	}
	stored = append(stored, made)
	slices.SortFunc(stored, bySignsFrom)
	return stored, made.ID, nil
}

// overtake removes the keys that wait to sign. One that waits for less than
// Leeway may sign already on a node whose clock is ahead of ours: it is kept, and
// signs from now, so that whatever signs next comes after it.
func (k *KeySet) overtake(stored []StoredKey, now time.Time) []StoredKey {
	var kept []StoredKey
	for _, s := range stored {
		switch wait := s.SignsFrom.Sub(now); {
		case s.Algorithm != k.o.Algorithm || wait <= 0:
			kept = append(kept, s)
		case wait <= Leeway:
			s.SignsFrom = now
			kept = append(kept, s)
		}
	}
	return kept
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
