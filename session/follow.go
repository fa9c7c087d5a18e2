package session

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// keysTopic is where nodes tell each other that the keys have changed. The
// message says nothing: what the keys are, the storage knows.
const keysTopic = "keys"

// followEvery is how often the keys are looked at in case that nobody could tell
// of a change: far more often than one is published before it signs.
const followEvery = 10 * time.Second

// Follow keeps the set up to date until ctx ends: it hears what other nodes make
// and remove, looks for itself every ten seconds or so, and makes the keys that
// are due. It returns when it listens.
//
// While the storage is away, the set keeps the keys that it has. report is called
// with the error when that begins, and with nil when it is over.
func (k *KeySet) Follow(ctx context.Context, report func(error)) error {
	told := make(chan struct{}, 1)
	if k.o.Store != nil {
		err := k.o.Store.Subscribe(ctx, keysTopic, func([]byte) {
			select {
			case told <- struct{}{}:
			default: // a look is due already
			}
		})
		if err != nil {
			return fmt.Errorf("listening for signing keys: %w", err)
		}
	}
	go k.follow(ctx, told, report)
	return nil
}

func (k *KeySet) follow(ctx context.Context, told <-chan struct{}, report func(error)) {
	for away := false; ; {
		// Nodes that were started together do not all look at the same time.
		wait := time.NewTimer(followEvery*9/10 + rand.N(followEvery/5))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-told:
			wait.Stop()
		case <-wait.C:
		}
		err := k.refreshWithin(ctx, checkTimeout)
		if failed := err != nil; failed != away && ctx.Err() == nil {
			away = failed
			report(err)
		}
	}
}

// refreshWithin is Refresh, given up after a while: whoever waits for the set
// meanwhile waits no longer than that.
func (k *KeySet) refreshWithin(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return k.Refresh(ctx)
}

// tell tells all nodes that the keys have changed. Where they cannot be told they
// find out when they look, and a token of a key that they do not know makes them
// look at once.
func (k *KeySet) tell(ctx context.Context) {
	if k.o.Store != nil {
		_ = k.o.Store.Publish(ctx, keysTopic, nil)
	}
}
