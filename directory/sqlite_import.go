package directory

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// beginImportSQLite gives the connection memory (in KiB) for the indexes that
// rows come into at random: without it their pages are written again and again.
const beginImportSQLite = `PRAGMA cache_size = -131072`

// afterImportSQLite gives back the memory, and the disk that the write-ahead log
// took. Readers that are still looking at what was before keep it from doing the
// second; then the log shrinks when the directory is closed.
func afterImportSQLite(ctx context.Context, conn *sql.Conn) {
	for _, pragma := range []string{`PRAGMA cache_size = -2000`, `PRAGMA wal_checkpoint(TRUNCATE)`} {
		_, _ = conn.ExecContext(ctx, pragma)
	}
}

// copySQLite inserts row by row: a statement with many rows has many parameters,
// and SQLite looks for each of them from the first on.
func copySQLite(ctx context.Context, b *bulk, t *bulkTable) error {
	if t.insert == nil {
		parameters := make([]string, len(t.columns))
		for i := range parameters {
			parameters[i] = fmt.Sprintf("$%d", i+1)
		}
		statement := fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO NOTHING`,
			t.name, strings.Join(t.columns, ", "), strings.Join(parameters, ", "))
		var err error
		if t.insert, err = b.tx.PrepareContext(ctx, statement); err != nil { // closed with the transaction
			return err
		}
	}
	for _, row := range t.rows {
		result, err := t.insert.ExecContext(ctx, row...)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrTaken
		}
	}
	return nil
}

// A watch is the statements that make the triggers which note changes.
type watch struct{ triggers []string }

// unwatchSQLite takes away the triggers that note changes, which take several times as
// long as the rows themselves. It is undone with the transaction, and nobody else ever
// sees the tables without them.
func unwatchSQLite(ctx context.Context, tx *sql.Tx) (*watch, error) {
	w := &watch{}
	drops, err := rows(ctx, tx, w.scan, `
		SELECT 'DROP TRIGGER ' || name, sql FROM sqlite_master
		WHERE type = 'trigger' AND sql LIKE '%INTO identity_changes%'`)
	if err != nil {
		return nil, err
	}
	for _, drop := range drops {
		if _, err := tx.ExecContext(ctx, drop); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// scan keeps how a trigger is made, and returns how it is taken away.
func (w *watch) scan(rows *sql.Rows) (drop string, err error) {
	var create string
	err = rows.Scan(&drop, &create)
	w.triggers = append(w.triggers, create)
	return drop, err
}

// resume makes the triggers again, and notes that everybody there is has changed.
func (w *watch) resume(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range append(w.triggers, `
		INSERT INTO identity_changes (user_id, n)
		SELECT id, (SELECT COALESCE(max(n), 0) + 1 FROM identity_changes) FROM users WHERE TRUE ORDER BY id
		ON CONFLICT (user_id) DO UPDATE SET n = excluded.n`) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
