package caddymodule

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

// pool holds what outlives a configuration: connections, and the letters that
// wait. A new configuration that names the same ones finds them here, before the
// old configuration lets them go, so that a reload drops nothing.
var pool = caddy.NewUsagePool()

// poolKey identifies a connection: by what it is and where it leads.
type poolKey struct{ kind, where string }

// pooledStore is opened when the configuration starts, not when it is provisioned:
// caddy validate provisions, and must change nothing. So is [pooledDirectory].
type pooledStore struct {
	store.Store
	open func(context.Context) error
}

// Destruct implements caddy.Destructor.
func (p *pooledStore) Destruct() error { return p.Close() }

// pooledStreams are the open streams of a store. Like it, they outlive a
// configuration, and the next one looks after them.
type pooledStreams struct{ *session.Streams }

// Destruct implements caddy.Destructor.
func (p *pooledStreams) Destruct() error {
	p.Close()
	return nil
}

// provisionStreams takes the streams of the store that was taken before them, and
// that is let go after them: they end before it is closed.
func (a *App) provisionStreams() (err error) {
	key := poolKey{"streams", fmt.Sprintf("of %p", a.store)}
	a.streams, err = acquire(&a.undo, key, func() (*pooledStreams, error) {
		return &pooledStreams{session.NewStreams()}, nil
	})
	return err
}

type pooledDirectory struct{ *directory.Directory }

// Destruct implements caddy.Destructor.
func (p *pooledDirectory) Destruct() error { return p.Close() }

type pooledOutbox struct {
	*mail.Outbox
	log *currentLog
}

// newPooledOutbox returns an outbox that sends by what sender makes, and logs to
// l until a configuration starts that logs elsewhere.
func newPooledOutbox(l *slog.Logger, sender func(*slog.Logger) mail.Sender) *pooledOutbox {
	current := new(currentLog)
	current.follow(l)
	logger := slog.New(current)
	return &pooledOutbox{mail.NewOutbox(sender(logger), mail.OutboxOptions{Logger: logger, Now: now}), current}
}

// Destruct implements caddy.Destructor. Letters that wait get a few seconds.
func (p *pooledOutbox) Destruct() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return p.Close(ctx)
}

// acquire returns the pooled value under key, made by construct if there is
// none, and notes in undo how to let it go.
func acquire[T caddy.Destructor](undo *[]func() error, key poolKey, construct func() (T, error)) (T, error) {
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return construct() })
	if err != nil {
		var none T
		return none, err
	}
	*undo = append(*undo, func() error {
		_, err := pool.Delete(key)
		if err != nil {
			return fmt.Errorf("closing %s: %w", key.kind, err)
		}
		return nil
	})
	return value.(T), nil
}
