package directory

import (
	"context"
	"database/sql"
	"time"
)

// An Event is an audit record: something happened to an account.
type Event struct {
	ID     int64     // given by Record; a record that is made after another was answered has the greater one
	At     time.Time // zero in Record: now
	Type   string
	UserID string // empty if it concerns nobody in particular
	Detail string // short; no secret, no whole address
	Client string // where it came from, in the client's own words
}

// Record keeps an audit record. Its texts may come from anywhere: what would
// not stand on one line is replaced, and after 512 characters they are cut.
func (d *Directory) Record(ctx context.Context, e Event) error {
	_, err := d.execute(ctx, "recording event",
		`INSERT INTO events (at, type, user_id, detail, client) VALUES ($1, $2, $3, $4, $5)`,
		micros(d.orNow(e.At)), cleanNote(e.Type), cleanNote(e.UserID), cleanNote(e.Detail), cleanNote(e.Client))
	return err
}

// Events returns at most limit records about a user, or about everybody if
// userID is empty, the newest first. Records outlive the user.
func (d *Directory) Events(ctx context.Context, userID string, limit int) ([]Event, error) {
	if limit < 1 {
		return nil, nil
	}
	if userID == "" {
		return read(ctx, d, "reading events", scanEvent, selectEvents+` ORDER BY id DESC LIMIT $1`, limit)
	}
	return read(ctx, d, "reading events", scanEvent,
		selectEvents+` WHERE user_id = $1 ORDER BY id DESC LIMIT $2`, cleanNote(userID), limit)
}

const selectEvents = `SELECT id, at, type, user_id, detail, client FROM events`

func scanEvent(rows *sql.Rows) (Event, error) {
	var e Event
	err := rows.Scan(&e.ID, (*micros)(&e.At), &e.Type, &e.UserID, &e.Detail, &e.Client)
	return e, err
}
