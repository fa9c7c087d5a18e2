package directory

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

var errNoPostgres = errors.New("not a connection to PostgreSQL")

// executePostgres runs one statement in a transaction of its own, as transact would,
// and returns how many rows it changed. What begins the transaction and the statement
// are sent together, so that there are two round trips in place of four.
//
// COMMIT is not sent with them. A server that is kept waiting by a lock would find it
// there when the lock is free, and keep what its caller has long given up.
func executePostgres(ctx context.Context, pool *sql.DB, statement string, args ...any) (changed int64, err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close() // gives it back
	err = conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return errNoPostgres
		}
		changed, err = transactStatement(ctx, c.Conn(), statement, args)
		return err
	})
	if err != nil {
		return 0, err
	}
	return changed, nil
}

func transactStatement(ctx context.Context, c *pgx.Conn, statement string, args []any) (changed int64, err error) {
	batch := &pgx.Batch{}
	batch.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted}) // not what the role defaults to: see connectPostgres
	batch.Queue(beginPostgres)
	batch.Queue(statement, args...)
	results := c.SendBatch(ctx, batch)
	tx := results.Tx()
	defer tx.Rollback(ctx) // after Commit it does nothing
	for range batch.Len() {
		tag, err := results.Exec()
		if err != nil {
			_ = results.Close() // what it says has been said
			return 0, err
		}
		changed = tag.RowsAffected() // in the end, the statement's
	}
	if err := results.Close(); err != nil {
		return 0, err
	}
	return changed, tx.Commit(ctx)
}
