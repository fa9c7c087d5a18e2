package directory

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// keysPatience is how long ChangeKeys may take. It waits for every other node
// that makes a key, and making one takes some seconds where a machine is slow.
const keysPatience = 3 * patience

// maxSkew is how far the clocks of this machine and of the database may be apart
// when keys change. Sessions bear as much between two nodes.
const maxSkew = 2 * time.Minute

// A Key is a pair of keys that signs session tokens. The directory cannot use
// it: the private half comes sealed and leaves sealed.
type Key struct {
	ID        string // kid
	Algorithm string // alg
	Public    []byte // JWK
	Sealed    []byte // the private JWK, sealed

	CreatedAt time.Time // zero in a key that ChangeKeys adds: now
	SignsFrom time.Time // zero: CreatedAt; verifiers know the key before it signs
	RetiresAt time.Time // when nothing it signed is valid any more; zero: not yet known
}

const selectKeys = `
	SELECT id, algorithm, public, sealed, created_at, signs_from, retires_at
	FROM signing_keys ORDER BY created_at, id`

// Keys returns all keys, the oldest first.
func (d *Directory) Keys(ctx context.Context) ([]Key, error) {
	return read(ctx, d, "reading keys", scanKey, selectKeys)
}

// ChangeKeys gives change the keys as they are, the oldest first, and makes
// them what it returns: keys with new IDs are added, those whose Sealed,
// SignsFrom or RetiresAt differ are updated, and those that are missing are
// removed. No other ChangeKeys, here or on another node, runs in between.
//
// If change returns an error nothing changes, and ChangeKeys returns that
// error, wrapped. It returns ErrTaken if two of the keys have one ID. What else
// a key consists of never changes; a key that tries is an error.
//
// It returns ErrClock, and does not call change, if the clock of this machine is
// far from that of the database server, where there is one. change decides by the
// time what signs and what goes: a node that is a month ahead would remove the
// key that all others sign with.
//
// change is called again if the database has undone the transaction, so it must
// decide from the keys it is given, and do nothing that cannot be done twice.
// It must not write to the directory, which would wait for it.
func (d *Directory) ChangeKeys(ctx context.Context, change func(keys []Key) ([]Key, error)) error {
	return d.writeWithin(ctx, keysPatience, "changing keys", func(ctx context.Context, tx *sql.Tx) error {
		db, err := d.opened()
		if err != nil {
			return err
		}
		if db.lockKeys != "" {
			if _, err := tx.ExecContext(ctx, db.lockKeys); err != nil {
				return err
			}
		}
		if err := d.compareClocks(ctx, tx, db); err != nil {
			return err
		}
		before, err := rows(ctx, tx, scanKey, selectKeys)
		if err != nil {
			return err
		}
		after, err := change(cloneKeys(before))
		if err != nil {
			return err
		}
		return d.replaceKeys(ctx, tx, before, after)
	})
}

// compareClocks returns ErrClock if our clock is surely further from the
// database's than it may be. The answer was true at some time between the
// question and its arrival, so that a slow answer is given the benefit of the
// doubt.
func (d *Directory) compareClocks(ctx context.Context, tx *sql.Tx, db *database) error {
	if db.clock == "" {
		return nil
	}
	var theirs micros
	asked := d.now()
	if err := tx.QueryRowContext(ctx, db.clock).Scan(&theirs); err != nil {
		return fmt.Errorf("asking for the time: %w", err)
	}
	answered := d.now()
	if ahead := asked.Sub(time.Time(theirs)); ahead > d.skew {
		return fmt.Errorf("%w: it is %v ahead: set it", ErrClock, ahead.Round(time.Second))
	}
	if behind := time.Time(theirs).Sub(answered); behind > d.skew {
		return fmt.Errorf("%w: it is %v behind: set it", ErrClock, behind.Round(time.Second))
	}
	return nil
}

// replaceKeys makes the keys in the database, which are those of before, those
// of after.
func (d *Directory) replaceKeys(ctx context.Context, tx *sql.Tx, before, after []Key) error {
	old := make(map[string]Key, len(before))
	for _, k := range before {
		old[k.ID] = k
	}
	kept := make(map[string]bool, len(after))
	for _, k := range after {
		if kept[k.ID] {
			return fmt.Errorf("key %q: %w", k.ID, ErrTaken)
		}
		kept[k.ID] = true
		was, found := old[k.ID]
		var err error
		if found {
			err = updateKey(ctx, tx, was, k)
		} else {
			err = d.insertKey(ctx, tx, k)
		}
		if err != nil {
			return fmt.Errorf("key %q: %w", k.ID, err)
		}
	}
	for _, k := range before {
		if kept[k.ID] {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM signing_keys WHERE id = $1`, k.ID); err != nil {
			return fmt.Errorf("removing key %q: %w", k.ID, err)
		}
	}
	return nil
}

func (d *Directory) insertKey(ctx context.Context, tx *sql.Tx, k Key) error {
	if !isText(k.ID) || !isText(k.Algorithm) {
		return errors.New("its ID or its algorithm is not text")
	}
	k.CreatedAt = d.orNow(k.CreatedAt)
	_, err := tx.ExecContext(ctx, `
		INSERT INTO signing_keys (id, algorithm, public, sealed, created_at, signs_from, retires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		k.ID, k.Algorithm, notNil(k.Public), notNil(k.Sealed), micros(k.CreatedAt), micros(k.signsFrom()), micros(k.RetiresAt))
	return err
}

func updateKey(ctx context.Context, tx *sql.Tx, was, k Key) error {
	if !k.same(was) {
		return errors.New("its algorithm, its public half and its age do not change")
	}
	if bytes.Equal(k.Sealed, was.Sealed) && sameMoment(k.signsFrom(), was.SignsFrom) && sameMoment(k.RetiresAt, was.RetiresAt) {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		UPDATE signing_keys SET sealed = $2, signs_from = $3, retires_at = $4 WHERE id = $1`,
		k.ID, notNil(k.Sealed), micros(k.signsFrom()), micros(k.RetiresAt))
	return err
}

// same reports whether two keys are one. What else they consist of may change.
func (k Key) same(other Key) bool {
	return k.ID == other.ID && k.Algorithm == other.Algorithm && bytes.Equal(k.Public, other.Public) &&
		sameMoment(k.CreatedAt, other.CreatedAt)
}

func (k Key) signsFrom() time.Time {
	if k.SignsFrom.IsZero() {
		return k.CreatedAt
	}
	return k.SignsFrom
}

// cloneKeys returns keys that share nothing with the given ones.
func cloneKeys(keys []Key) []Key {
	clones := make([]Key, len(keys))
	for i, k := range keys {
		k.Public, k.Sealed = bytes.Clone(k.Public), bytes.Clone(k.Sealed)
		clones[i] = k
	}
	return clones
}

func scanKey(rows *sql.Rows) (Key, error) {
	var k Key
	err := rows.Scan(&k.ID, &k.Algorithm, &k.Public, &k.Sealed,
		(*micros)(&k.CreatedAt), (*micros)(&k.SignsFrom), (*micros)(&k.RetiresAt))
	return k, err
}
