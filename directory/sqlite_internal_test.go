package directory

import (
	"path/filepath"
	"testing"
)

// No test can cut the power. This one holds the settings on which the promise
// rests, on every connection that a pool may make.
func TestEveryConnectionWaitsForTheDisk(t *testing.T) {
	d := NewSQLite(SQLiteOptions{Path: filepath.Join(t.TempDir(), "directory.db")})
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	p := d.database.Load()
	for range sqliteReaders {
		conn, err := p.read.Conn(t.Context()) // not closed, so that the next is another one
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var queryOnly int
		if err := conn.QueryRowContext(t.Context(), `PRAGMA query_only`).Scan(&queryOnly); err != nil || queryOnly != 1 {
			t.Errorf("reader: query_only is %d, %v, want 1", queryOnly, err)
		}
	}
	if n := p.write.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("got %d connections that write, want 1", n)
	}
	for _, tt := range []struct{ pragma, want string }{
		{"journal_mode", "wal"},
		{"synchronous", "2"}, // FULL
		{"foreign_keys", "1"},
		{"busy_timeout", "5000"},
		{"query_only", "0"},
	} {
		var got string
		if err := p.write.QueryRowContext(t.Context(), `PRAGMA `+tt.pragma).Scan(&got); err != nil || got != tt.want {
			t.Errorf("writer: %s is %s, %v, want %s", tt.pragma, got, err, tt.want)
		}
	}
}

// A transaction that becomes a writer halfway can meet a writer that waits for
// it, and then SQLite refuses it at once.
func TestAWriterHoldsTheLockFromTheBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory.db")
	d, other := NewSQLite(SQLiteOptions{Path: path}), NewSQLite(SQLiteOptions{Path: path})
	for _, d := range []*Directory{d, other} {
		if err := d.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
	}
	tx, err := d.database.Load().write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	conn, err := other.database.Load().write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), `PRAGMA busy_timeout = 0`); err != nil {
		t.Fatal(err)
	}
	if tx, err := conn.BeginTx(t.Context(), nil); err == nil {
		tx.Rollback()
		t.Error("two transactions that write began at the same time")
	}
}
