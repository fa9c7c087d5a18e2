package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteReaders is how many queries run at the same time. They are short, and
// mostly answered from memory.
const sqliteReaders = 8

// changesSQLite: writers take turns, so that what has a lower number was committed
// before, and every number up to the highest has been seen with it.
const changesSQLite = `
	SELECT 'file', now.next, c.user_id, COALESCE(c.n, 0)
	FROM (SELECT COALESCE(max(n), 0) + 1 AS next FROM identity_changes) now
	LEFT JOIN (
		SELECT user_id, n FROM identity_changes
		WHERE n >= $1 AND n NOT IN (SELECT value FROM json_each('[' || $3 || ']')) ORDER BY n LIMIT $2
	) c ON TRUE`

// SQLiteOptions say where an embedded directory is.
type SQLiteOptions struct {
	// Path is the database file. It and its folder are made if they are
	// missing, so that only the user running the program can read them. Next
	// to it appear files of the same name with -wal, -shm and .lock behind
	// it; a copy of the first without -wal is not a backup. The file system
	// must be a local one: SQLite's locks do not work over NFS or SMB.
	Path string

	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// NewSQLite returns a Directory in a file of this machine. It does no I/O: the
// file is made by Open.
func NewSQLite(o SQLiteOptions) *Directory {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Directory{
		now:     o.Now,
		connect: func(ctx context.Context) (*database, error) { return connectSQLite(ctx, o.Path) },
	}
}

func connectSQLite(ctx context.Context, path string) (_ *database, err error) {
	if path == "" {
		return nil, errors.New("no path")
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := makeFile(path); err != nil {
		return nil, err
	}

	// SQLite has one writer at a time. Waiting for the one connection is fair
	// and ends with the context; waiting for SQLite's lock is neither.
	write, err := openSQLite(path, 1, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			write.Close()
		}
	}()
	if err := migrateSQLite(ctx, path, write); err != nil {
		return nil, err
	}

	read, err := openSQLite(path, sqliteReaders, url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	db := &database{
		read: read, write: write, query: newStatements(read),
		changes:     changesSQLite,
		beginImport: beginImportSQLite, unwatch: unwatchSQLite, copy: copySQLite, afterImport: afterImportSQLite,
	}
	db.execute = (&commits{db: db, statements: newStatements(write)}).execute
	return db, nil
}

// openSQLite returns a pool of at most n connections to the file at path. It
// does not connect.
func openSQLite(path string, n int, more url.Values) (*sql.DB, error) {
	settings := url.Values{
		"_busy_timeout": {"5000"},      // other processes write as well
		"_synchronous":  {"FULL"},      // a commit returns when the log is on disk
		"_foreign_keys": {"1"},         // off by default
		"_txlock":       {"immediate"}, // a writer waits at BEGIN, where waiting cannot deadlock
		"_dqs":          {"0"},         // "x" is a column, never a string
		"_pragma":       {"fullfsync(1)"},
	}
	for k, v := range more {
		settings[k] = v
	}
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/...
	}
	file := url.URL{Scheme: "file", Path: slashed, RawQuery: settings.Encode()}
	connector, err := sqlite.NewConnector(file.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// migrateSQLite brings the file to the write-ahead log and the schema of this
// program. The log is a property of the file, and some ways to restore a
// backup lose it.
func migrateSQLite(ctx context.Context, path string, db *sql.DB) error {
	s, err := newSchema(db, goose.DialectSQLite3, "sqlite",
		`SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`)
	if err != nil {
		return err
	}
	current, err := s.current(ctx)
	if err != nil {
		return err
	}
	if mode, err := journal(ctx, db, `PRAGMA journal_mode`); err != nil || current && mode == "wal" {
		return err
	}

	unlock, err := lockSQLite(ctx, path+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := s.current(ctx); err != nil { // another may have migrated while we waited
		return err
	}
	mode, err := journal(ctx, db, `PRAGMA journal_mode = WAL`)
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system of %s has no shared memory, which SQLite's write-ahead log needs", path)
	}
	return s.migrate(ctx)
}

// journal returns the journal mode that pragma reports.
func journal(ctx context.Context, db *sql.DB, pragma string) (mode string, err error) {
	if err := db.QueryRowContext(ctx, pragma).Scan(&mode); err != nil {
		return "", fmt.Errorf("setting up the write-ahead log: %w", err)
	}
	return mode, nil
}

// lockSQLite waits until this process alone holds the lock at path. The lock
// is an empty database held open for writing: it works wherever SQLite works,
// and the operating system lets go of it when the process dies.
func lockSQLite(ctx context.Context, path string) (unlock func(), err error) {
	if err := makeFile(path); err != nil {
		return nil, err
	}
	db, err := openSQLite(path, 1, url.Values{"_busy_timeout": {"100"}, "_txlock": {"exclusive"}})
	if err != nil {
		return nil, err
	}
	for {
		tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
		if err == nil {
			return func() { tx.Rollback(); db.Close() }, nil
		}
		var busy *sqlite.Error
		if !errors.As(err, &busy) || busy.Code()&0xff != sqlite3.SQLITE_BUSY {
			db.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if ctx.Err() != nil {
			db.Close()
			return nil, fmt.Errorf("waiting for another process to migrate: %w", ctx.Err())
		}
	}
}
