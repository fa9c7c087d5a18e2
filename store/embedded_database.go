package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// schemaVersion is kept in the file's user_version. What is in the file expires,
// so a new version needs no migration: it may drop the tables and start anew.
const schemaVersion = 1

// The tables. An entry has a value or a count, never both and never neither.
const schema = `
CREATE TABLE IF NOT EXISTS entries (
	key     TEXT PRIMARY KEY NOT NULL,
	value   BLOB,
	count   INTEGER,
	expires INTEGER NOT NULL, -- milliseconds since 1970
	CHECK ((value IS NULL) <> (count IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires);
CREATE TABLE IF NOT EXISTS members (
	name    TEXT NOT NULL, -- of the set
	member  TEXT NOT NULL,
	expires INTEGER NOT NULL, -- milliseconds since 1970
	PRIMARY KEY (name, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_expires ON members (expires);
`

const (
	readers = 4

	// lockTimeout is how long to wait for the lock of another process, which is as
	// long as a request waits for Redis. SQLite
	// itself sleeps for a lock deaf to the context of the request, so it is told
	// to sleep for busyTimeout only, and untilFree asks again.
	lockTimeout = 4 * time.Second
	busyTimeout = 50 * time.Millisecond
)

// database is the open file. SQLite has one writer at a time: here they queue
// for one connection, which is fairer and sooner than polling for its lock. It is for
// whoever leads a commit.
type database struct {
	writers, reader *sql.DB
	writer          *sql.Conn // of writers, which has no other
	commits         commits
	reading         chan struct{} // has room for those who read

	begin, commit, rollback                        *sql.Stmt
	put, replace, create, get, take, count, delete *sql.Stmt
	add, members, remove                           *sql.Stmt
}

// openDatabase opens the file at path, and makes what is missing.
func openDatabase(ctx context.Context, path string) (*database, error) {
	if err := createFile(path); err != nil {
		return nil, err
	}
	db := &database{reading: make(chan struct{}, readers)}
	db.commits.db = db
	if err := db.open(ctx, path); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

func (db *database) open(ctx context.Context, path string) (err error) {
	if db.writers, err = connect(path, 1, "synchronous(FULL)"); err != nil {
		return err
	}
	if db.writer, err = db.writers.Conn(ctx); err != nil {
		return err
	}
	// SQLite does not wait at all where that might be a deadlock, and the switch to
	// WAL is such a place: when several open a new file at once, some are told that
	// it is busy.
	if err := untilFree(ctx, func() error { return db.setUp(ctx) }); err != nil {
		return err
	}
	if db.reader, err = connect(path, readers, "query_only(ON)"); err != nil {
		return err
	}
	return db.prepare(ctx)
}

// creating is held while createFile has a file of its own open. Closing a file
// drops the locks that the whole process has on it, SQLite's too (POSIX, fcntl):
// so nobody in this process may have locked it yet.
var creating sync.Mutex

// createFile makes the folder and the file, if missing, readable by nobody else.
// Left to SQLite, the file would have the mode that the umask leaves.
func createFile(path string) error {
	if path == "" {
		return errors.New("no path")
	}
	creating.Lock()
	defer creating.Unlock()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// connect returns a pool of at most size connections to the file.
func connect(path string, size int, pragma string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := filepath.ToSlash(absolute)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name // C:/data becomes file:///C:/data
	}
	options := url.Values{
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), pragma},
		"_txlock": {"immediate"},
	}
	location := url.URL{Scheme: "file", Path: name, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", location.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// setUp has the file give back what it does not need, switches it to WAL, and makes
// the tables.
func (db *database) setUp(ctx context.Context) error {
	// It is for a file that has nothing in it yet: any other stays as it is.
	if _, err := db.writer.ExecContext(ctx, "PRAGMA auto_vacuum = INCREMENTAL"); err != nil {
		return fmt.Errorf("switching to incremental vacuum: %w", err)
	}
	var mode string
	if err := db.writer.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return fmt.Errorf("switching to WAL: %w", err)
	}
	if mode != "wal" {
		return fmt.Errorf("switching to WAL: the file stays in journal mode %q", mode)
	}
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("reading the schema version: %w", err)
	}
	if version > schemaVersion {
		return fmt.Errorf("the file has schema version %d and this program knows %d: it was made by a newer one", version, schemaVersion)
	}
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("making the tables: %w", err)
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)); err != nil {
		return fmt.Errorf("writing the schema version: %w", err)
	}
	return tx.Commit()
}

// prepare compiles the statements that requests wait for.
func (db *database) prepare(ctx context.Context) error {
	for _, p := range []struct {
		in        preparer
		statement **sql.Stmt
		query     string
	}{
		{db.writer, &db.begin, "BEGIN IMMEDIATE"},
		{db.writer, &db.commit, "COMMIT"},
		{db.writer, &db.rollback, "ROLLBACK"},
		{db.writer, &db.put, putEntry},
		{db.writer, &db.replace, replaceEntry},
		{db.writer, &db.create, createEntry},
		{db.reader, &db.get, getEntry},
		{db.writer, &db.take, takeEntry},
		{db.writer, &db.count, countEntry},
		{db.writer, &db.delete, deleteEntry},
		{db.writer, &db.add, addMember},
		{db.reader, &db.members, liveMembers},
		{db.writer, &db.remove, removeMember},
	} {
		statement, err := p.in.PrepareContext(ctx, p.query)
		if err != nil {
			return fmt.Errorf("preparing %q: %w", p.query, err)
		}
		*p.statement = statement
	}
	return nil
}

// A preparer is a pool of connections or one of them.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// close frees what has been opened, when nobody commits any more.
func (db *database) close() error {
	db.commits.close()
	var errs []error
	// Those of a pool are freed with it, and those of a single connection are not.
	for _, statement := range []*sql.Stmt{
		db.begin, db.commit, db.rollback, db.put, db.replace, db.create, db.take, db.count, db.delete, db.add, db.remove,
	} {
		if statement != nil {
			errs = append(errs, statement.Close())
		}
	}
	if db.writer != nil {
		errs = append(errs, db.writer.Close())
	}
	for _, pool := range []*sql.DB{db.reader, db.writers} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// untilFree calls f until it does not fail because someone else holds the file's
// lock, ctx has ended, or lockTimeout has passed.
func untilFree(ctx context.Context, f func() error) error {
	err := f()
	if !isBusy(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	for isBusy(err) {
		select {
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
		err = f()
	}
	return err
}

func isBusy(err error) bool {
	var failure *sqlite.Error
	return errors.As(err, &failure) && failure.Code()&0xff == sqlite3.SQLITE_BUSY
}
