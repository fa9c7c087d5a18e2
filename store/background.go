package store

import (
	"context"
	"errors"
	"sync"
)

// errClosed is returned by a store that has been closed.
var errClosed = errors.New("store: closed")

// background owns the goroutines of a store: its receivers and its sweeper.
type background struct {
	mu      sync.Mutex
	closed  bool
	stop    chan struct{} // closed by close
	running sync.WaitGroup
}

func newBackground() *background { return &background{stop: make(chan struct{})} }

// start runs f until ctx ends or the store is closed, whichever is first: f
// returns soon after its own context has ended. It returns errClosed, and does
// not run f, when the store is closed already.
func (b *background) start(ctx context.Context, f func(ctx context.Context)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	b.running.Go(func() {
		defer cancel()
		f(ctx)
	})
	b.running.Go(func() {
		defer cancel()
		select {
		case <-ctx.Done():
		case <-b.stop:
		}
	})
	return nil
}

// close ends every goroutine and waits until it has returned. Closing again only
// waits.
func (b *background) close() {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.stop)
	}
	b.mu.Unlock()
	b.running.Wait()
}

func (b *background) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}
