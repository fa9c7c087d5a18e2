package directory

import (
	"context"
	"database/sql"
	"time"
)

// A Key is a pair of keys that signs session tokens. The directory cannot use
// it: the private half comes sealed and leaves sealed.
type Key struct {
	ID        string // kid
	Algorithm string // alg
	Public    []byte // JWK
	Sealed    []byte // the private JWK, sealed

	CreatedAt time.Time // zero in AddKey: now
	SignsFrom time.Time // zero in AddKey: CreatedAt; verifiers know the key before it signs
	RetiresAt time.Time // when nothing it signed is valid any more; zero: not yet known
}

// Keys returns all keys, the oldest first.
func (d *Directory) Keys(ctx context.Context) ([]Key, error) {
	return read(ctx, d, "reading keys", scanKey, `
		SELECT id, algorithm, public, sealed, created_at, signs_from, retires_at
		FROM signing_keys ORDER BY created_at, id`)
}

// AddKey keeps a key. It returns ErrTaken if there is one with its ID.
func (d *Directory) AddKey(ctx context.Context, k Key) error {
	created := d.orNow(k.CreatedAt)
	signs := k.SignsFrom
	if signs.IsZero() {
		signs = created
	}
	return d.write(ctx, "adding key", func(tx *sql.Tx) error {
		return exec(ctx, tx, ErrTaken, `
			INSERT INTO signing_keys (id, algorithm, public, sealed, created_at, signs_from, retires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (id) DO NOTHING`,
			k.ID, k.Algorithm, notNil(k.Public), notNil(k.Sealed), micros(created), micros(signs), micros(k.RetiresAt))
	})
}

// RetireKey says when a key retires, or returns ErrNotFound.
func (d *Directory) RetireKey(ctx context.Context, id string, at time.Time) error {
	return d.write(ctx, "retiring key", func(tx *sql.Tx) error {
		return exec(ctx, tx, ErrNotFound, `UPDATE signing_keys SET retires_at = $2 WHERE id = $1`, id, micros(at))
	})
}

// RemoveKey forgets a key, or returns ErrNotFound.
func (d *Directory) RemoveKey(ctx context.Context, id string) error {
	return d.write(ctx, "removing key", func(tx *sql.Tx) error {
		return exec(ctx, tx, ErrNotFound, `DELETE FROM signing_keys WHERE id = $1`, id)
	})
}

func scanKey(rows *sql.Rows) (Key, error) {
	var k Key
	err := rows.Scan(&k.ID, &k.Algorithm, &k.Public, &k.Sealed,
		(*micros)(&k.CreatedAt), (*micros)(&k.SignsFrom), (*micros)(&k.RetiresAt))
	return k, err
}
