package directory

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// maxCredentialID is the length that no credential ID exceeds, WebAuthn L3,
// 7.1, step 25.
const maxCredentialID = 1023

// A Passkey is a credential record, WebAuthn L3, 4.
type Passkey struct {
	ID     []byte // the credential ID
	UserID string
	RPID   string // the relying party that it was made for, and works for
	Name   string // for people to read; may be empty and is not unique

	PublicKey         []byte // COSE_Key
	AAGUID            []byte // the make of authenticator
	AttestationType   string
	AttestationFormat string
	Attachment        string   // platform, cross-platform, or empty
	Transports        []string // as the browser told, in its order

	SignCount   uint32 // as of the last use; 0 if the authenticator does not count
	UserPresent bool

	// UserVerified tells that some ceremony of this passkey verified the user
	// (uvInitialized). Once true it stays true.
	UserVerified bool

	BackupEligible bool
	BackupState    bool
	Discoverable   bool

	CreatedAt  time.Time // zero in AddPasskey: now
	LastUsedAt time.Time // zero: never
}

// A PasskeyUse is a ceremony in which a passkey proved its user.
type PasskeyUse struct {
	ID           []byte
	UserID       string
	SignCount    uint32
	UserVerified bool
	BackupState  bool
	At           time.Time // zero: now
}

// AddPasskey gives a user a passkey. It returns ErrNotFound if there is no
// such user, ErrName for what is no name, and ErrTaken if anybody has a
// credential with this ID, the same user included (WebAuthn L3, 7.1, step 26):
// otherwise who learns a credential ID could register it with another key.
func (d *Directory) AddPasskey(ctx context.Context, p Passkey) error {
	name, err := cleanName(p.Name)
	if err != nil {
		return err
	}
	p.Name = name
	if err := p.check(); err != nil {
		return fmt.Errorf("adding passkey: %w", err)
	}
	p.CreatedAt = d.orNow(p.CreatedAt)
	return d.change(ctx, "adding passkey", p.UserID, func(ctx context.Context, tx *sql.Tx) error {
		return exec(ctx, tx, ErrTaken, `
			INSERT INTO passkeys (`+passkeyColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
			ON CONFLICT (id) DO NOTHING`, p.values()...)
	})
}

// check returns an error for what no passkey consists of. The name is not
// looked at.
func (p Passkey) check() error {
	if len(p.ID) == 0 || len(p.ID) > maxCredentialID {
		return fmt.Errorf("a credential ID is 1 to %d bytes, not %d", maxCredentialID, len(p.ID))
	}
	if len(p.PublicKey) == 0 {
		return errors.New("no public key")
	}
	for _, s := range []string{p.RPID, p.AttestationType, p.AttestationFormat, p.Attachment} {
		if !isText(s) {
			return errors.New("what describes it is not text")
		}
	}
	return nil
}

// Passkeys returns the passkeys of a user, the oldest first, whatever relying
// party they are for. A user that does not exist has none.
func (d *Directory) Passkeys(ctx context.Context, userID string) ([]Passkey, error) {
	if !isID(userID) {
		return nil, nil
	}
	return read(ctx, d, "listing passkeys", scanPasskey,
		selectPasskey+` WHERE user_id = $1 ORDER BY created_at, id`, userID)
}

// Passkey returns the passkey with this credential ID, or ErrNotFound.
func (d *Directory) Passkey(ctx context.Context, id []byte) (Passkey, error) {
	passkeys, err := read(ctx, d, "looking up passkey", scanPasskey,
		selectPasskey+` WHERE id = $1`, notNil(id))
	if err != nil {
		return Passkey{}, err
	}
	if len(passkeys) == 0 {
		return Passkey{}, ErrNotFound
	}
	return passkeys[0], nil
}

// PasskeyOwner returns the passkey with this credential ID and the user who has it,
// as they are at one moment, or ErrNotFound.
func (d *Directory) PasskeyOwner(ctx context.Context, id []byte) (Passkey, User, error) {
	owned, err := read(ctx, d, "looking up passkey and its owner", scanOwned, selectOwned, notNil(id))
	if err != nil {
		return Passkey{}, User{}, err
	}
	if len(owned) == 0 {
		return Passkey{}, User{}, ErrNotFound
	}
	var rows []User
	for _, o := range owned {
		rows = append(rows, o.user)
	}
	return owned[0].passkey, wholeUsers(rows)[0], nil
}

// UsePasskey notes what a verified assertion told. It returns ErrNotFound if
// the user has no such passkey, and ErrSignCount, changing nothing, if the
// authenticator counts and the count did not grow (WebAuthn L3, 7.2, step 22).
//
// Count and comparison are one statement, so that of two assertions with one
// count, as a cloned authenticator makes them, one is refused even if they
// arrive together.
func (d *Directory) UsePasskey(ctx context.Context, u PasskeyUse) error {
	if !isID(u.UserID) {
		return ErrNotFound
	}
	changed, err := d.execute(ctx, "using passkey", `
			UPDATE passkeys
			SET sign_count = $3, user_verified = (user_verified OR $4), backup_state = $5, last_used_at = $6
			WHERE id = $1 AND user_id = $2
				AND (sign_count < $3 OR (sign_count = $3 AND sign_count = 0))`,
		notNil(u.ID), u.UserID, int64(u.SignCount), u.UserVerified, u.BackupState, micros(d.orNow(u.At)))
	if err != nil || changed > 0 {
		return err
	}
	passkey, err := d.Passkey(ctx, u.ID)
	switch {
	case err != nil:
		return err
	case passkey.UserID != u.UserID:
		return ErrNotFound
	}
	return ErrSignCount
}

// RenamePasskey names a passkey of a user. It returns ErrNotFound if they have
// no such passkey, and ErrName for what is no name.
func (d *Directory) RenamePasskey(ctx context.Context, userID string, id []byte, name string) error {
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	return d.change(ctx, "renaming passkey", userID, func(ctx context.Context, tx *sql.Tx) error {
		return exec(ctx, tx, ErrNotFound, `UPDATE passkeys SET name = $3 WHERE id = $1 AND user_id = $2`, notNil(id), userID, name)
	})
}

// RemovePasskey takes a passkey from a user, or returns ErrNotFound if they
// have no such passkey.
func (d *Directory) RemovePasskey(ctx context.Context, userID string, id []byte) error {
	return d.change(ctx, "removing passkey", userID, func(ctx context.Context, tx *sql.Tx) error {
		return exec(ctx, tx, ErrNotFound, `DELETE FROM passkeys WHERE id = $1 AND user_id = $2`, notNil(id), userID)
	})
}

const passkeyColumns = `id, user_id, rp_id, name, public_key, aaguid,
	attestation_type, attestation_format, attachment, transports,
	sign_count, user_present, user_verified, backup_eligible, backup_state, discoverable,
	created_at, last_used_at`

const selectPasskey = `SELECT ` + passkeyColumns + ` FROM passkeys`

// selectOwned is a query that answers a row for each address of a passkey's owner.
const selectOwned = `SELECT p.*, ` + userColumns + `
	FROM (` + selectPasskey + ` WHERE id = $1) p
		JOIN users u ON u.id = p.user_id LEFT JOIN emails e ON e.user_id = u.id` + userOrder

// An owned passkey is one with its user, who has one of their addresses here.
type owned struct {
	passkey Passkey
	user    User
}

func scanOwned(rows *sql.Rows) (owned, error) {
	var p passkeyRow
	var u userRow
	if err := rows.Scan(append(p.columns(), u.columns()...)...); err != nil {
		return owned{}, err
	}
	passkey, err := p.whole()
	return owned{passkey, u.whole()}, err
}

// values returns what goes into passkeyColumns.
func (p Passkey) values() []any {
	transports := []byte("[]")
	if len(p.Transports) > 0 {
		transports, _ = json.Marshal(p.Transports) // strings can always be encoded
	}
	return []any{
		p.ID, p.UserID, p.RPID, p.Name, p.PublicKey, notNil(p.AAGUID),
		p.AttestationType, p.AttestationFormat, p.Attachment, string(transports),
		int64(p.SignCount), p.UserPresent, p.UserVerified, p.BackupEligible, p.BackupState, p.Discoverable,
		micros(p.CreatedAt), micros(p.LastUsedAt),
	}
}

func scanPasskey(rows *sql.Rows) (Passkey, error) {
	var r passkeyRow
	if err := rows.Scan(r.columns()...); err != nil {
		return Passkey{}, err
	}
	return r.whole()
}

// A passkeyRow is a row of passkeyColumns.
type passkeyRow struct {
	passkey    Passkey
	transports string
}

// columns returns where the values of passkeyColumns belong.
func (r *passkeyRow) columns() []any {
	p := &r.passkey
	return []any{
		&p.ID, &p.UserID, &p.RPID, &p.Name, &p.PublicKey, &p.AAGUID,
		&p.AttestationType, &p.AttestationFormat, &p.Attachment, &r.transports,
		&p.SignCount, &p.UserPresent, &p.UserVerified, &p.BackupEligible, &p.BackupState, &p.Discoverable,
		(*micros)(&p.CreatedAt), (*micros)(&p.LastUsedAt),
	}
}

// whole returns the passkey of the row.
func (r *passkeyRow) whole() (Passkey, error) {
	p := r.passkey
	if err := json.Unmarshal([]byte(r.transports), &p.Transports); err != nil {
		return Passkey{}, fmt.Errorf("reading transports: %w", err)
	}
	if len(p.Transports) == 0 {
		p.Transports = nil
	}
	return p, nil
}

// notNil returns b, or no bytes for nil, which the database would take for
// NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
