package mail

import (
	"context"
	"log/slog"
)

// Log is a [Sender] that writes each letter into the log, passcode and all. It
// is for a demonstration on one's own machine: whoever reads the log can sign
// in as anybody.
type Log struct{ logger *slog.Logger }

// NewLog returns a Log that writes to l.
func NewLog(l *slog.Logger) *Log { return &Log{logger: l} }

// Send implements [Sender]. It never fails.
func (l *Log) Send(ctx context.Context, m Message) error {
	l.logger.InfoContext(ctx, "letter", "to", m.To, "subject", m.Subject, "text", m.Text)
	return nil
}

var _ Sender = (*Log)(nil)
