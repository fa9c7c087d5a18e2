package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// replacedAtOnce is how many entries ReplaceAll replaces in one transaction.
const replacedAtOnce = 64

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

	takeEntry = `DELETE FROM entries WHERE key = ? AND expires > ? AND count IS NULL RETURNING value`

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
	err := e.write(ctx, func(db *database) error {
		_, err := db.put.Exec(key, notNull(value), e.millis(ttl))
		return err
	})
	return failed("putting a value", err)
}

// Replace implements [Store].
func (e *Embedded) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	err := e.write(ctx, func(db *database) error {
		result, err := db.replace.Exec(notNull(value), e.millis(ttl), key, e.millis(0))
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

// ReplaceAll implements [Store]. It lets others write in between.
func (e *Embedded) ReplaceAll(ctx context.Context, entries ...Entry) error {
	for piece := range slices.Chunk(entries, replacedAtOnce) {
		err := e.transact(ctx, func(db *database) error {
			for _, entry := range piece {
				_, err := db.replace.Exec(notNull(entry.Value), e.millis(entry.TTL), entry.Key, e.millis(0))
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return failed("replacing values", err)
		}
	}
	return nil
}

// Create implements [Store].
func (e *Embedded) Create(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	err := e.write(ctx, func(db *database) error {
		result, err := db.create.Exec(key, notNull(value), e.millis(ttl), e.millis(0))
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
	var value []byte
	err := e.read(ctx, func(db *database) (err error) {
		value, err = scanValue(db.get.QueryRow(key, e.millis(0)))
		return err
	})
	return value, failed("getting a value", err)
}

// Take implements [Store].
func (e *Embedded) Take(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := e.write(ctx, func(db *database) error {
		rows, err := db.take.Query(key, e.millis(0))
		return returned(rows, err, &value)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, e.untaken(ctx, key)
	}
	if err != nil {
		// Taken or not, nobody knows: so nobody may act on it.
		return nil, failed("taking a value", err)
	}
	return notNull(value), nil
}

// untaken returns why there was no value to take: there is nothing, or a counter,
// which stays.
func (e *Embedded) untaken(ctx context.Context, key string) error {
	if _, err := e.Get(ctx, key); err != nil && !errors.Is(err, ErrNotFound) {
		return failed("taking a value", err)
	}
	return ErrNotFound
}

// Count implements [Store].
func (e *Embedded) Count(ctx context.Context, key string, ttl time.Duration) (int64, error) {
	var count sql.NullInt64
	err := e.write(ctx, func(db *database) error {
		rows, err := db.count.Query(key, e.millis(0), e.millis(ttl))
		return returned(rows, err, &count)
	})
	if err == nil && !count.Valid {
		err = errMixed
	}
	if err != nil {
		return 0, failed("counting", err)
	}
	return count.Int64, nil
}

// Delete implements [Store].
func (e *Embedded) Delete(ctx context.Context, key string) error {
	err := e.write(ctx, func(db *database) error {
		_, err := db.delete.Exec(key)
		return err
	})
	return failed("deleting a key", err)
}

// DeleteAll implements [Store].
func (e *Embedded) DeleteAll(ctx context.Context, keys ...string) error {
	err := e.transact(ctx, func(db *database) error {
		for _, key := range keys {
			if _, err := db.delete.Exec(key); err != nil {
				return err
			}
		}
		return nil
	})
	return failed("deleting keys", err)
}

// returned scans the row that a statement returns which changed something, or returns
// [sql.ErrNoRows]. It reads on behind it: SQLite returns the row first, and then
// commits, and says so by returning no more.
func returned(rows *sql.Rows, err error, into any) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	found := rows.Next()
	if found {
		if err := rows.Scan(into); err != nil {
			return err
		}
	}
	for rows.Next() {
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if !found {
		return sql.ErrNoRows
	}
	return nil
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
