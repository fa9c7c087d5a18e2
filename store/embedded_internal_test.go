package store

import (
	"fmt"
	"os"
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
	err := e.transact(ctx, func(db *database) error {
		for i := range expired {
			name := fmt.Sprint("expired ", i)
			if _, err := db.put.Exec(name, []byte{}, e.millis(time.Second)); err != nil {
				return err
			}
			if _, err := db.add.Exec(name, "member", e.millis(time.Second)); err != nil {
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

// A flood fills the file. When it has expired, the disk has its space again.
func TestFileShrinksWhenAFloodHasExpired(t *testing.T) {
	path, now := filepath.Join(t.TempDir(), "store.db"), time.Now()
	e := NewEmbedded(EmbeddedOptions{Path: path, Now: func() time.Time { return now }})
	defer e.Close()
	ctx := t.Context()
	if err := e.Open(ctx); err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 8<<10)
	const flood = 2000
	err := e.transact(ctx, func(db *database) error {
		for i := range flood {
			ttl := time.Minute
			if i%100 == 0 { // what outlives the flood stands anywhere in the file
				ttl = time.Hour
			}
			if _, err := db.put.Exec(fmt.Sprint("key ", i*7919%flood), value, e.millis(ttl)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	full := pages(t, e)

	now = now.Add(time.Minute)
	if n, err := e.free(ctx); err != nil || n != flood-flood/100 {
		t.Fatalf("free = %d rows, %v, want %d", n, err, flood-flood/100)
	}
	freed, err := e.shrink(ctx)
	if err != nil {
		t.Fatal(err)
	}
	left := pages(t, e)
	// Pages that only say where others are go with them, and are not counted.
	if most := full/100*2 + sparePages; freed > full-left || left > most {
		t.Errorf("shrink freed %d of %d pages and left %d, want %d at most", freed, full, left, most)
	}
	if again, err := e.shrink(ctx); err != nil || again != 0 {
		t.Errorf("shrink again = %d pages, %v, want none: the spare ones stay", again, err)
	}
	for i := 0; i < flood; i += 100 {
		if _, err := e.Get(ctx, fmt.Sprint("key ", i*7919%flood)); err != nil {
			t.Fatalf("Get of what has not expired: %v", err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := left * 4096; info.Size() != want {
		t.Errorf("the file has %d bytes, want %d", info.Size(), want)
	}
}

func pages(t *testing.T, e *Embedded) (n int64) {
	t.Helper()
	if err := e.opened.Load().reader.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
