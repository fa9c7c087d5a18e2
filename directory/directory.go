// Package directory keeps what lasts: users, their e-mail addresses, groups
// and passkeys, the sealed keys that sign session tokens, and audit records.
//
// A method that answers without an error has written to disk: neither kill -9
// nor a power cut takes back what a caller was told. A method that changes
// something changes all of it or nothing.
//
// Rules that hold whoever calls, the directory holds itself: an address and a
// credential ID belong to one user, a user comes with an address, a sign count
// does not go back. All other rules are not its business. It does not decide
// who may sign up or sign in, never sends anything, verifies no signature,
// opens no sealed key, and remembers nothing that expires: that is what package
// store is for.
//
// One set of queries serves every database. What differs between them (how to
// connect, migrations, the lock around them) stands in the file named after
// the database.
package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Refusals. They may come wrapped in what was being done, and are matched with
// errors.Is; every other error means that the directory itself failed, and the
// caller must refuse the request, not guess.
var (
	// ErrNotFound is returned when there is no such user, address, passkey or
	// key. A passkey of another user is not found either.
	ErrNotFound = errors.New("directory: not found")

	// ErrTaken is returned when an address, a credential ID or a key ID that
	// would be added exists already, whoever has it.
	ErrTaken = errors.New("directory: already taken")

	// ErrAddress is returned by ParseAddress for what is not an address, or
	// could be read as two, and by CreateUser for an Address that ParseAddress
	// did not make.
	ErrAddress = errors.New("directory: not an acceptable e-mail address")

	// ErrName is returned for the name of a user or a passkey that is longer
	// than 64 characters, or holds something that is not text on one line.
	ErrName = errors.New("directory: a name is at most 64 characters on one line")

	// ErrGroup is returned for a group name that is not 1 to 64 characters of
	// a-z, A-Z, 0-9, '-', '_', '.' and ':'.
	ErrGroup = errors.New("directory: a group name is 1 to 64 letters, digits, '-', '_', '.' or ':'")

	// ErrSignCount is returned by UsePasskey when the sign count did not grow:
	// the authenticator may have been cloned.
	ErrSignCount = errors.New("directory: sign count did not grow")

	// ErrNewerSchema is returned by Open when a newer version of the program
	// has migrated the database. Nothing is written to it.
	ErrNewerSchema = errors.New("directory: the database belongs to a newer version of this program")

	errNotOpen = errors.New("directory: not open")
)

// A Directory is a database of users. Its methods are safe for concurrent use,
// by this process and by any other that opened the same database.
type Directory struct {
	now     func() time.Time
	connect func(context.Context) (*pools, error)

	opening sync.Mutex // held by Open and Close
	pools   atomic.Pointer[pools]
}

// pools are the connections to an open database. They are one and the same
// pool where the database does not care who writes.
type pools struct {
	read  *sql.DB
	write *sql.DB
}

// Open connects to the database and brings its schema up to date, holding a
// lock, so that any number of processes may do so at the same time. On an open
// Directory it does nothing.
func (d *Directory) Open(ctx context.Context) error {
	d.opening.Lock()
	defer d.opening.Unlock()
	if d.pools.Load() != nil {
		return nil
	}
	p, err := d.connect(ctx)
	if err != nil {
		return fmt.Errorf("opening directory: %w", err)
	}
	d.pools.Store(p)
	return nil
}

// Close disconnects. What another goroutine has begun to write it may finish;
// what it begins later fails. A closed Directory can be opened again.
func (d *Directory) Close() error {
	d.opening.Lock()
	defer d.opening.Unlock()
	p := d.pools.Swap(nil)
	if p == nil {
		return nil
	}
	if err := errors.Join(p.read.Close(), p.write.Close()); err != nil {
		return fmt.Errorf("closing directory: %w", err)
	}
	return nil
}

// Ping asks the database a question that it can only answer from its tables.
func (d *Directory) Ping(ctx context.Context) error {
	p := d.pools.Load()
	if p == nil {
		return fmt.Errorf("asking directory: %w", errNotOpen)
	}
	var one int
	err := p.read.QueryRowContext(ctx, `SELECT 1 FROM users LIMIT 1`).Scan(&one)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("asking directory: %w", err)
	}
	return nil
}

// write runs change in a transaction, which is on disk when write returns nil
// and has left no trace when it returns an error.
func (d *Directory) write(ctx context.Context, doing string, change func(*sql.Tx) error) error {
	p := d.pools.Load()
	if p == nil {
		return fmt.Errorf("%s: %w", doing, errNotOpen)
	}
	tx, err := p.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := change(tx); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// read returns the rows of one query, made into values by scan. One query sees
// the database at one moment, so readers need no transaction.
func read[T any](ctx context.Context, d *Directory, doing string, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	p := d.pools.Load()
	if p == nil {
		return nil, fmt.Errorf("%s: %w", doing, errNotOpen)
	}
	rows, err := p.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	defer rows.Close()
	var values []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return values, nil
}

// exec runs a statement that is about one row, and returns refusal if there
// was no such row.
func exec(ctx context.Context, tx *sql.Tx, refusal error, statement string, args ...any) error {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return refusal
	}
	return nil
}
