package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// NewEmail is what AddEmail is told about an address.
type NewEmail struct {
	// ID was promised to whoever adds the address. It is a random UUID
	// (version 4), as text, that no address ever had. Default: a new one.
	ID string

	Address  Address
	Verified bool
}

// AddEmail gives a user one more address, which does not become the primary
// one, and returns it as it is kept. It returns ErrNotFound if there is no such
// user, ErrTaken if anybody has the address, the same user included, or an
// address has the ID, ErrTooMany if the user has most addresses already, and
// ErrAddress for what ParseAddress did not make.
func (d *Directory) AddEmail(ctx context.Context, userID string, n NewEmail, most int) (Email, error) {
	if !n.Address.isCanonical() {
		return Email{}, ErrAddress
	}
	id, err := idOr(n.ID)
	if err != nil {
		return Email{}, fmt.Errorf("adding address: %w", err)
	}
	now := d.moment()
	e := Email{ID: id, Address: n.Address, Verified: n.Verified, CreatedAt: now, UpdatedAt: now}
	err = d.change(ctx, "adding address", userID, func(ctx context.Context, tx *sql.Tx) error {
		if err := insertEmail(ctx, tx, userID, e); err != nil {
			return err
		}
		// Changes of one user take turns, so nobody else adds one after the count.
		var has int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM emails WHERE user_id = $1`, userID).Scan(&has); err != nil {
			return err
		}
		if has > most {
			return ErrTooMany
		}
		return nil
	})
	if err != nil {
		return Email{}, err
	}
	return e, nil
}

// MarkVerified notes that a user receives mail at an address of theirs. An
// address that is not theirs is ErrNotFound.
func (d *Directory) MarkVerified(ctx context.Context, userID string, a Address) error {
	if !isText(string(a)) {
		return ErrNotFound
	}
	return d.change(ctx, "verifying address", userID, func(ctx context.Context, tx *sql.Tx) error {
		return exec(ctx, tx, ErrNotFound,
			`UPDATE emails SET verified = $3, updated_at = $4 WHERE user_id = $1 AND address = $2`,
			userID, string(a), true, micros(d.moment()))
	})
}

// SetPrimary makes an address of a user the primary one. It returns ErrNotFound
// for an address that is not theirs, and ErrUnverified for one that nobody has
// proved to own: mail about the account would go to a stranger. What is the
// primary one already stays so, verified or not.
func (d *Directory) SetPrimary(ctx context.Context, userID, emailID string) error {
	return d.change(ctx, "setting primary address", userID, func(ctx context.Context, tx *sql.Tx) error {
		e, err := emailOf(ctx, tx, userID, emailID)
		switch {
		case err != nil:
			return err
		case e.Primary:
			return nil
		case !e.Verified:
			return ErrUnverified
		}
		// The index one_primary_email is looked at row by row: the old one goes first.
		now := micros(d.moment())
		_, err = tx.ExecContext(ctx,
			`UPDATE emails SET is_primary = FALSE, updated_at = $2 WHERE user_id = $1 AND is_primary`, userID, now)
		if err != nil {
			return err
		}
		return exec(ctx, tx, ErrNotFound,
			`UPDATE emails SET is_primary = TRUE, updated_at = $3 WHERE user_id = $1 AND id = $2`, userID, emailID, now)
	})
}

// RemoveEmail takes an address from a user. It returns ErrNotFound for an
// address that is not theirs, and ErrPrimary for the primary one.
func (d *Directory) RemoveEmail(ctx context.Context, userID, emailID string) error {
	return d.change(ctx, "removing address", userID, func(ctx context.Context, tx *sql.Tx) error {
		e, err := emailOf(ctx, tx, userID, emailID)
		switch {
		case err != nil:
			return err
		case e.Primary:
			return ErrPrimary
		}
		return exec(ctx, tx, ErrNotFound, `DELETE FROM emails WHERE user_id = $1 AND id = $2`, userID, emailID)
	})
}

// emailOf returns what SetPrimary and RemoveEmail ask of an address of a user,
// or ErrNotFound. It stays true until the end of a change, which keeps every
// other change of the user waiting.
func emailOf(ctx context.Context, tx *sql.Tx, userID, emailID string) (Email, error) {
	if !isID(emailID) {
		return Email{}, ErrNotFound
	}
	e := Email{ID: emailID}
	err := tx.QueryRowContext(ctx, `SELECT verified, is_primary FROM emails WHERE user_id = $1 AND id = $2`, userID, emailID).
		Scan(&e.Verified, &e.Primary)
	if errors.Is(err, sql.ErrNoRows) {
		return Email{}, ErrNotFound
	}
	return e, err
}

// insertEmail gives a user an address, or returns ErrTaken if there is one with
// its ID or its text.
func insertEmail(ctx context.Context, tx *sql.Tx, userID string, e Email) error {
	return exec(ctx, tx, ErrTaken, `
		INSERT INTO emails (id, user_id, address, verified, is_primary, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`,
		e.ID, userID, string(e.Address), e.Verified, e.Primary, micros(e.CreatedAt), micros(e.UpdatedAt))
}
