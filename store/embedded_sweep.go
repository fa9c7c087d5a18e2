package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	// sweepEvery is how often expired rows are freed.
	sweepEvery = time.Minute

	// freeBatch is how many rows, or pages, the sweeper frees in one transaction.
	freeBatch = 500

	// sparePages is how many free pages the file keeps, 4 KiB each: what comes and
	// goes each minute is not to make it grow and shrink.
	sparePages = 1024
)

const (
	freeEntries = "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires <= ? LIMIT ?)"
	freeMembers = "DELETE FROM members WHERE (name, member) IN (SELECT name, member FROM members WHERE expires <= ? LIMIT ?)"
)

// sweep frees expired rows, and what the file does not need, until ctx ends.
// Correctness never depends on it: an expired row is never returned. When a round
// fails there is nobody to tell who is not told by their own request; the next round
// tries again.
func (e *Embedded) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, _ = e.free(ctx)
			_, _ = e.shrink(ctx)
		}
	}
}

// free deletes what has expired and returns how many rows it was. It does so in
// batches, so that requests get their turn at the write lock in between.
func (e *Embedded) free(ctx context.Context) (total int64, err error) {
	for _, statement := range []string{freeEntries, freeMembers} {
		for n := int64(freeBatch); n == freeBatch; total += n {
			err := e.transact(ctx, func(db *database) error {
				result, err := db.exec(statement, e.millis(0), freeBatch)
				if err != nil {
					return err
				}
				n, err = result.RowsAffected()
				return err
			})
			if err != nil {
				return total, fmt.Errorf("freeing expired rows: %w", err)
			}
		}
	}
	return total, nil
}

// shrink gives back to the disk what free has left of the file, but for some spare
// pages, and returns how many pages it was. Without it a flood of ceremonies that
// expired long ago would go on filling the disk.
func (e *Embedded) shrink(ctx context.Context) (total int64, err error) {
	for n := int64(freeBatch); n == freeBatch; total += n {
		err := e.transact(ctx, func(db *database) error {
			before, err := db.freePages()
			if err != nil || before <= sparePages {
				n = 0
				return err
			}
			vacuum := fmt.Sprintf("PRAGMA incremental_vacuum(%d)", min(freeBatch, before-sparePages))
			if _, err := db.exec(vacuum); err != nil {
				return err
			}
			after, err := db.freePages()
			n = before - after // 0 of a file that an older version made
			return err
		})
		if err != nil {
			return total, fmt.Errorf("shrinking the file: %w", err)
		}
	}
	return total, nil
}

func (db *database) freePages() (n int64, err error) {
	err = db.writer.QueryRowContext(context.Background(), "PRAGMA freelist_count").Scan(&n)
	return n, err
}

// exec runs a statement within a transaction. Nothing stops it halfway: that would
// undo what others have in the same transaction.
func (db *database) exec(statement string, args ...any) (sql.Result, error) {
	return db.writer.ExecContext(context.Background(), statement, args...)
}
