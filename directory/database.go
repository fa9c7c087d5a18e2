package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	// patience is how long a call may take, whatever its context says: a
	// server that hangs must not hold every request that meets it.
	patience = 10 * time.Second

	// attempts is how often a transaction is tried that the database itself
	// undoes because another one is in its way.
	attempts = 3
)

// A database is the connections to an open one, and what the one set of
// queries cannot say for every kind.
type database struct {
	read  *sql.DB
	write *sql.DB // the same pool where the database does not care who writes

	// query answers the queries of read, and execute runs one statement as transact
	// would, with less ado. It returns how many rows were changed.
	query   querier
	execute func(ctx context.Context, statement string, args ...any) (changed int64, err error)

	isolation sql.IsolationLevel // of transactions that write
	begin     string             // their first statement; may be empty
	changes   string             // asks for what Changes answers: where we are, and who was changed since $1, at most $2, but for what has the numbers $3
	clock     string             // asks for the database's time; empty where its clock is ours
	lockKeys  string             // takes signing_keys for one transaction; empty where writers take turns anyway
	undone    func(error) bool   // tells that the database undid a transaction, which may be tried again; nil for never

	beginExport string // what Export says first; may be empty, as may all of these
	beginImport string // what Import says first: nobody else writes until the end
	endImport   string // what it says before it commits
	overriding  string // stands behind the columns of an INSERT that gives events IDs

	unwatch     func(context.Context, *sql.Tx) (*watch, error) // stops the triggers that note changes for Import; nil where they cost little
	copy        func(context.Context, *bulk, *bulkTable) error // writes the rows that a table holds, or returns ErrTaken
	afterImport func(context.Context, *sql.Conn)               // tidies up, whatever came of it; nil for nothing to do
}

// opened returns the database, for as long as the Directory is open.
func (d *Directory) opened() (*database, error) {
	db := d.database.Load()
	if db == nil {
		return nil, errNotOpen
	}
	return db, nil
}

// write runs change in a transaction, which is on disk when write returns nil.
// An error of change has left no trace. Nor has any other error, except that a
// connection which is lost, or a context which ends, while the database commits
// leaves open whether it did.
//
// change may be called again after the database has undone what it did, and
// must use the context that it is given, which ends in time.
func (d *Directory) write(ctx context.Context, doing string, change func(context.Context, *sql.Tx) error) error {
	return d.writeWithin(ctx, patience, doing, change)
}

func (d *Directory) writeWithin(ctx context.Context, limit time.Duration, doing string, change func(context.Context, *sql.Tx) error) error {
	return d.try(ctx, limit, doing, func(ctx context.Context, db *database) error { return db.transact(ctx, change) })
}

// execute is write for a change that is one statement. It returns how many rows were
// changed.
func (d *Directory) execute(ctx context.Context, doing, statement string, args ...any) (changed int64, err error) {
	err = d.try(ctx, patience, doing, func(ctx context.Context, db *database) (err error) {
		changed, err = db.execute(ctx, statement, args...)
		return err
	})
	return changed, err
}

// try does something that is one transaction, again if the database has undone it,
// and not for longer than limit.
func (d *Directory) try(ctx context.Context, limit time.Duration, doing string, do func(context.Context, *database) error) error {
	db, err := d.opened()
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for range attempts {
		err = do(ctx, db)
		if err == nil {
			return nil
		}
		if db.undone == nil || !db.undone(err) {
			break
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func (db *database) transact(ctx context.Context, change func(context.Context, *sql.Tx) error) error {
	return db.transactOn(ctx, db.write, change)
}

// transactOn is transact on one connection, or on any of a pool.
func (db *database) transactOn(ctx context.Context, on beginner, change func(context.Context, *sql.Tx) error) error {
	tx, err := on.BeginTx(ctx, &sql.TxOptions{Isolation: db.isolation})
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if db.begin != "" {
		if _, err := tx.ExecContext(ctx, db.begin); err != nil {
			return err
		}
	}
	err = change(ctx, tx)
	if err == nil {
		err = tx.Commit()
	}
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return ctx.Err() // which had the transaction rolled back before change came to notice
	}
	return err
}

// A beginner is a pool of connections or one of them.
type beginner interface {
	BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error)
}

// read returns the rows of one query, made into values by scan. One query sees
// the database at one moment, so readers need no transaction.
func read[T any](ctx context.Context, d *Directory, doing string, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	db, err := d.opened()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	values, err := rows(ctx, db.query, scan, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return values, nil
}

// A querier is a pool of connections or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func rows[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
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
