package session

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Reseal seals again what an older secret has sealed, and returns how many keys
// that were. Afterwards the newest secret alone opens all of them. It does nothing
// if one of them does not open.
func (k *KeySet) Reseal(ctx context.Context) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var resealed int
	err := k.change(ctx, func(stored []StoredKey) ([]StoredKey, error) {
		resealed = 0
		after := slices.Clone(stored)
		for i, s := range after {
			if k.o.Sealer.Current(s.Sealed) {
				continue
			}
			private, err := k.o.Sealer.Open(s.Sealed, []byte(s.ID))
			if err != nil {
				return nil, fmt.Errorf("opening signing key %s: %w", s.ID, err)
			}
			after[i].Sealed = k.o.Sealer.Seal(private, []byte(s.ID))
			resealed++
		}
		return after, nil
	})
	if err != nil {
		return 0, err
	}
	return resealed, nil
}

// Resealed returns when the newest secret alone opens all that the store has of
// living sessions, if all nodes seal with it from now on. Whatever is used is
// sealed again, and a session that is not used has ended by then.
//
// Whoever drops an older secret sooner leaves sessions in the store that do not
// open. That is a failure and no refusal, as the node may be the one whose secret
// is wrong; it ends when the session does, at its idle limit.
func (s *Sessions) Resealed() time.Time {
	// A session that is used is written anew within a thirtieth of the idle limit and
	// some seconds, and who its user is when the store is asked after identityKept.
	return s.now().Add(s.o.Idle + s.identityKept() + lastingMost + 2*identityRefresh)
}
