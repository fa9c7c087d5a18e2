package session

import (
	"context"
	"fmt"
	"time"
)

const (
	// looksApart is the least time between two looks for keys that only tokens
	// name. Anybody can send such a token.
	looksApart = 50 * time.Millisecond

	// failedFor is how long a failure to read the keys answers for the next tokens:
	// asked by each of them, a storage that hangs would hold them all in turn.
	failedFor = 5 * time.Second
)

// unknownKeyError: a token's kid is not in the set. Another node may have made
// the key since the set was read.
type unknownKeyError struct{ kid string }

func (unknownKeyError) Error() string { return "session: unknown key" }
func (unknownKeyError) Unwrap() error { return ErrInvalid }

// look reads the keys again because a token names one that is not in the set. It
// returns nil when the set has been read since it was called: whether the key is
// there then, the caller sees. So the first token of a new key is good, and who
// makes up names shares a few looks a second with all who do. While the storage is
// away it fails, because the token may be good.
func (k *KeySet) look(ctx context.Context, kid string) error {
	before := k.begun.Load()
	k.mu.Lock()
	defer k.mu.Unlock()
	_, known := k.verifier(kid)
	switch {
	case known:
		return nil
	case k.failed != nil && k.o.Now().Sub(k.refreshed).Abs() < failedFor: // Abs: the clock may have been set back
		return k.failed
	case k.begun.Load() != before:
		return nil // another has read them while we waited for our turn
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout) // for all who wait
	defer cancel()
	if wait := time.Until(k.looked.Add(looksApart)); wait > 0 {
		time.Sleep(wait)
	}
	k.looked = time.Now()
	if err := k.refresh(ctx); err != nil {
		return fmt.Errorf("reading signing keys for a token: %w", err)
	}
	return nil
}
