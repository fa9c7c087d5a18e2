// Package directory keeps what lasts: users, their e-mail addresses, groups
// and passkeys, the sealed keys that sign session tokens, and audit records.
//
// A method that answers without an error has written to disk: neither kill -9
// nor a power cut takes back what a caller was told. A method that changes
// something changes all of it or nothing.
//
// Rules that hold whoever calls, the directory holds itself: an address and a
// credential ID belong to one user, a user has one primary address from the
// beginning to the end, a sign count does not go back. All other rules are not its business. It does not decide
// who may sign up or sign in, never sends anything, verifies no signature,
// opens no sealed key, and remembers nothing that expires: that is what package
// store is for.
//
// It lives in a file of this machine (NewSQLite) or on a PostgreSQL server that
// any number of machines share (NewPostgres). One set of queries serves both.
// What differs (how to connect, what a transaction needs to be durable,
// migrations and the lock around them) stands in the files named after the
// database. Text that one of them cannot keep, both refuse.
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
	// ErrNotFound is returned when there is no such user, address or passkey. A
	// passkey of another user is not found either.
	ErrNotFound = errors.New("directory: not found")

	// ErrTaken is returned when an address, a credential ID, or the promised ID
	// of a user or an address that would be added exists already, whoever has
	// it, and for two keys with one ID.
	ErrTaken = errors.New("directory: already taken")

	// ErrAddress is returned by ParseAddress for what is not an address, or
	// could be read as two, and by CreateUser and AddEmail for an Address that
	// ParseAddress did not make.
	ErrAddress = errors.New("directory: not an acceptable e-mail address")

	// ErrTooMany is returned by AddEmail for a user who has as many addresses as
	// they may have.
	ErrTooMany = errors.New("directory: the user has as many addresses as they may")

	// ErrPrimary is returned by RemoveEmail for the primary address: a user is
	// never without one.
	ErrPrimary = errors.New("directory: the primary address")

	// ErrUnverified is returned by SetPrimary for an address that nobody has
	// proved to own.
	ErrUnverified = errors.New("directory: the address is not verified")

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

	// ErrClock is returned by ChangeKeys when the clock of this machine is more
	// than two minutes from that of the database server. What wraps it says by how
	// much and which way. One of the two is to be set.
	ErrClock = errors.New("directory: the clock of this machine is not that of the database")

	errNotOpen = errors.New("directory: not open")
)

// A Directory is a database of users. Its methods are safe for concurrent use,
// by this process and by any other that opened the same database.
//
// No call takes much longer than 10 seconds, ChangeKeys than 30, also where
// the database does not answer and the context has no end. Open, Export
// and Import take what their context gives them.
type Directory struct {
	now     func() time.Time
	skew    time.Duration // how far now may be from the database's clock when keys change
	connect func(context.Context) (*database, error)

	opening  sync.Mutex // held by Open and Close
	database atomic.Pointer[database]
}

// Open connects to the database and brings its schema up to date, holding a
// lock, so that any number of processes may do so at the same time. On an open
// Directory it does nothing.
func (d *Directory) Open(ctx context.Context) error {
	d.opening.Lock()
	defer d.opening.Unlock()
	if d.database.Load() != nil {
		return nil
	}
	db, err := d.connect(ctx)
	if err != nil {
		return fmt.Errorf("opening directory: %w", err)
	}
	d.database.Store(db)
	return nil
}

// Close disconnects. What another goroutine has begun to write it may finish;
// what it begins later fails. A closed Directory can be opened again.
func (d *Directory) Close() error {
	d.opening.Lock()
	defer d.opening.Unlock()
	db := d.database.Swap(nil)
	if db == nil {
		return nil
	}
	if err := errors.Join(db.read.Close(), db.write.Close()); err != nil {
		return fmt.Errorf("closing directory: %w", err)
	}
	return nil
}

// Ping asks the database a question that it can only answer from its tables.
func (d *Directory) Ping(ctx context.Context) error {
	_, err := read(ctx, d, "asking directory", scanOne, `SELECT 1 FROM users LIMIT 1`)
	return err
}

func scanOne(rows *sql.Rows) (int, error) {
	var one int
	err := rows.Scan(&one)
	return one, err
}
