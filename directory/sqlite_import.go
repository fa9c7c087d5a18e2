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
