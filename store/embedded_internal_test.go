package store

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// A power cut cannot be had in a test. What stands between it and an ended
// session that comes back is this setting, and that the writer has it.
func TestEveryWriteWaitsForTheDisk(t *testing.T) {
	e := NewEmbedded(EmbeddedOptions{Path: filepath.Join(t.TempDir(), "store.db")})
	defer e.Close()
	if err := e.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := e.opened.Load()
	const full = "2"
	for pragma, want := range map[string]string{"synchronous": full, "journal_mode": "wal"} {
		var got string
		if err := db.writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s of the writer = %s, %v, want %s", pragma, got, err, want)
		}
	}
	if _, err := db.reader.ExecContext(t.Context(), deleteEntry, "key"); err == nil {
		t.Error("the reader deletes, want that only the writer can")
	}
}

func TestSweeperFreesWhatHasExpired(t *testing.T) {
	now := time.Now()
	e := NewEmbedded(EmbeddedOptions{
		Path: filepath.Join(t.TempDir(), "store.db"),
		Now:  func() time.Time { return now },
	})
	defer e.Close()
	ctx := t.Context()
	if err := e.Open(ctx); err != nil {
		t.Fatal(err)
	}
	const expired = 2*freeBatch + 1
	err := e.write(ctx, func(db *database, tx *sql.Tx) error {
		for i := range expired {
			name := fmt.Sprint("expired ", i)
			if _, err := tx.StmtContext(ctx, db.put).Exec(name, []byte{}, e.millis(time.Second)); err != nil {
				return err
			}
			if _, err := tx.StmtContext(ctx, db.add).Exec(name, "member", e.millis(time.Second)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Put(ctx, "live", nil, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := e.Add(ctx, "set", "live", time.Hour); err != nil {
		t.Fatal(err)
	}

	now = now.Add(time.Second)
	if n, err := e.free(ctx); err != nil || n != 2*expired {
		t.Errorf("free = %d rows, %v, want %d", n, err, 2*expired)
	}
	for _, table := range []string{"entries", "members"} {
		var left int
		err := e.opened.Load().reader.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&left)
		if err != nil || left != 1 {
			t.Errorf("%s has %d rows, %v, want 1", table, left, err)
		}
	}
}
