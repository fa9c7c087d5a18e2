package session

import (
	"context"
	"errors"
	"fmt"
)

// Refresh reads the keys from the storage, makes the ones that are due (the
// first, the next) and removes the ones that no living token can name. Call it
// once before the set is used; [KeySet.Follow] calls it from then on.
//
// A key that does not open is an error, and nothing is made or removed: the
// secret is missing or another one, and a new key made beside it would sign out
// everybody for no reason. The set keeps the keys that it had.
func (k *KeySet) Refresh(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.refresh(ctx)
}

// refresh does what Refresh says. k.mu must be held.
func (k *KeySet) refresh(ctx context.Context) error {
	k.begun.Add(1)
	err := k.update(ctx)
	if !errors.Is(ctx.Err(), context.Canceled) { // whoever hangs up has found out nothing
		k.failed, k.refreshed = err, k.o.Now()
	}
	return err
}

// update looks at the keys as anybody may, and has a look at them alone only if
// there is something to do.
func (k *KeySet) update(ctx context.Context) error {
	stored, err := k.o.Storage.Keys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	set, err := k.read(stored)
	if err != nil {
		return err
	}
	if len(set.own) > 0 {
		k.set.Store(set) // good to sign and verify with, whether or not a change can be made
	}
	if k.due(set.stored) { // as it is without a key of our own
		return k.change(ctx, k.plan)
	}
	return nil
}

// change has f change the keys, the oldest first, while nobody else does, and
// tells all nodes. Nothing changes if one of the keys does not open. k.mu must be
// held.
func (k *KeySet) change(ctx context.Context, f func([]StoredKey) ([]StoredKey, error)) error {
	var set *keys
	err := k.o.Storage.ChangeKeys(ctx, func(stored []StoredKey) ([]StoredKey, error) {
		before, err := k.read(stored)
		if err != nil {
			return nil, err
		}
		after, err := f(before.stored)
		if err != nil {
			return nil, err
		}
		set, err = k.read(after)
		return after, err
	})
	if err != nil {
		return fmt.Errorf("changing signing keys: %w", err)
	}
	k.set.Store(set)
	k.tell(ctx)
	return nil
}
