package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Each statement decides and acts in one step: none relies on what was read
// before it.
const (
	putEntry = `
INSERT INTO entries (key, value, expires) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, count = NULL, expires = excluded.expires`

	replaceEntry = `UPDATE entries SET value = ?, count = NULL, expires = ? WHERE key = ? AND expires > ?`

	// ?4 is now. An expired row, of either kind, is as good as none; a live one
	// stays, and no row has changed.
	createEntry = `
INSERT INTO entries (key, value, expires) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, count = NULL, expires = excluded.expires
WHERE expires <= ?4`

	getEntry = `SELECT value, count FROM entries WHERE key = ? AND expires > ?`

	takeEntry = `DELETE FROM entries WHERE key = ? AND expires > ? RETURNING value, count`

	// ?1 is the key, ?2 is now, ?3 is when a new counter expires. An expired row,
	// of either kind, starts anew. A live value has no count to add to: it stays,
	// and NULL comes back.
	countEntry = `
INSERT INTO entries (key, expires, count) VALUES (?1, ?3, 1)
ON CONFLICT (key) DO UPDATE SET
	count   = CASE WHEN expires > ?2 THEN count + 1 ELSE 1 END,
	value   = CASE WHEN expires > ?2 THEN value END,
	expires = CASE WHEN expires > ?2 THEN expires ELSE ?3 END
RETURNING count`

	deleteEntry = `DELETE FROM entries WHERE key = ?`
)

// Put implements [Store].
func (e *Embedded) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	err := e.write(ctx, func(db *database, tx *sql.Tx) error {
		_, err := tx.StmtContext(ctx, db.put).ExecContext(ctx, key, notNull(value), e.millis(ttl))
		return err
	})
	return failed("putting a value", err)
}

// Replace implements [Store].
func (e *Embedded) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	err := e.write(ctx, func(db *database, tx *sql.Tx) error {
		result, err := tx.StmtContext(ctx, db.replace).ExecContext(ctx, notNull(value), e.millis(ttl), key, e.millis(0))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
	return failed("replacing a value", err)
}

// Create implements [Store].
func (e *Embedded) Create(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	err := e.write(ctx, func(db *database, tx *sql.Tx) error {
		result, err := tx.StmtContext(ctx, db.create).ExecContext(ctx, key, notNull(value), e.millis(ttl), e.millis(0))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			return ErrExists
		}
		return err
	})
	return failed("creating a value", err)
}

// Get implements [Store].
func (e *Embedded) Get(ctx context.Context, key string) ([]byte, error) {
	db, err := e.database()
	if err != nil {
		return nil, err
	}
	value, err := scanValue(db.get.QueryRowContext(ctx, key, e.millis(0)))
	return value, failed("getting a value", err)
}

// Take implements [Store].
func (e *Embedded) Take(ctx context.Context, key string) (value []byte, err error) {
	err = e.write(ctx, func(db *database, tx *sql.Tx) (err error) {
		value, err = scanValue(tx.StmtContext(ctx, db.take).QueryRowContext(ctx, key, e.millis(0)))
		return err
	})
	if err != nil {
		// Not on disk, so not taken: nobody may act on it.
		return nil, failed("taking a value", err)
	}
	return value, nil
}

// Count implements [Store].
func (e *Embedded) Count(ctx context.Context, key string, ttl time.Duration) (int64, error) {
	var count sql.NullInt64
	err := e.write(ctx, func(db *database, tx *sql.Tx) error {
		err := tx.StmtContext(ctx, db.count).QueryRowContext(ctx, key, e.millis(0), e.millis(ttl)).Scan(&count)
		if err == nil && !count.Valid {
			return errMixed
		}
		return err
	})
	if err != nil {
		return 0, failed("counting", err)
	}
	return count.Int64, nil
}

// Delete implements [Store].
func (e *Embedded) Delete(ctx context.Context, key string) error {
	err := e.write(ctx, func(db *database, tx *sql.Tx) error {
		_, err := tx.StmtContext(ctx, db.delete).ExecContext(ctx, key)
		return err
	})
	return failed("deleting a key", err)
}

// scanValue reads the value of an entry. The driver returns nil for an empty
// value as for NULL: it is the count that tells them apart.
func scanValue(row *sql.Row) ([]byte, error) {
	var value []byte
	var count sql.NullInt64
	if err := row.Scan(&value, &count); err != nil {
		return nil, err
	}
	if count.Valid {
		return nil, errMixed
	}
	return notNull(value), nil
}

// notNull returns value, or an empty slice for nil, which the driver would store
// as NULL.
func notNull(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// failed says what was being done when err happened. It passes an answer through
// as it is: ErrNotFound and ErrExists are no failures.
func failed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound), errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case errors.Is(err, ErrExists):
		return ErrExists
	}
	return fmt.Errorf("%s: %w", doing, err)
}
