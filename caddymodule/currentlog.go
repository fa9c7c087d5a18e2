package caddymodule

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// currentLog is the log of whatever outlives a configuration: it goes where the
// running configuration's log goes. The log of a configuration that is gone may
// be closed, and what is written there is lost.
type currentLog struct{ logger atomic.Pointer[slog.Logger] }

// follow sends what is logged from now on to l, and returns what undoes that, as
// long as nobody has followed another log meanwhile.
func (c *currentLog) follow(l *slog.Logger) (undo func()) {
	previous := c.logger.Swap(l)
	return func() { c.logger.CompareAndSwap(l, previous) }
}

// Enabled implements slog.Handler.
func (c *currentLog) Enabled(ctx context.Context, level slog.Level) bool {
	return c.logger.Load().Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (c *currentLog) Handle(ctx context.Context, r slog.Record) error {
	return c.logger.Load().Handler().Handle(ctx, r)
}

// WithAttrs implements slog.Handler. What it returns stays with the log of today.
func (c *currentLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return c.logger.Load().Handler().WithAttrs(attrs)
}

// WithGroup implements slog.Handler. What it returns stays with the log of today.
func (c *currentLog) WithGroup(name string) slog.Handler {
	return c.logger.Load().Handler().WithGroup(name)
}

// Interface guards.
var _ slog.Handler = (*currentLog)(nil)
