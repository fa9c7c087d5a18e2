package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// bulkRows is how many rows of a table are held before they are written.
const bulkRows = 2000

// A bulk writes many rows to several tables, in one transaction and in the order
// in which foreign keys want them.
type bulk struct {
	conn   *sql.Conn // that tx is on
	tx     *sql.Tx
	copy   func(context.Context, *bulk, *bulkTable) error // as in database
	tables []*bulkTable
}

// A bulkTable holds rows to be written to one table.
type bulkTable struct {
	name    string
	columns []string
	rows    [][]any
	insert  *sql.Stmt // inserts one row, where that is how it is done
}

func newBulkTable(name, columns string) *bulkTable {
	t := &bulkTable{name: name}
	for column := range strings.SplitSeq(columns, ",") {
		t.columns = append(t.columns, strings.TrimSpace(column))
	}
	return t
}

func (t *bulkTable) add(values ...any) { t.rows = append(t.rows, values) }

// full reports whether it is time to flush.
func (b *bulk) full() bool {
	for _, t := range b.tables {
		if len(t.rows) >= bulkRows {
			return true
		}
	}
	return false
}

// flush writes all rows that were added. It returns ErrTaken if one of them may
// be there only once, and is there.
func (b *bulk) flush(ctx context.Context) error {
	for _, t := range b.tables {
		if len(t.rows) == 0 {
			continue
		}
		if err := b.copy(ctx, b, t); err != nil {
			if errors.Is(err, ErrTaken) {
				return ErrTaken
			}
			return fmt.Errorf("writing %s: %w", t.name, err)
		}
		clear(t.rows)
		t.rows = t.rows[:0]
	}
	return nil
}
