package directory

import (
	"testing"

	"github.com/doorward/doorward/directory/directorytest"
)

// What a transaction needs is said in it, and ends with it: behind a pooler the
// connection is somebody else's the moment after.
func TestATransactionLeavesNothingBehindOnTheServer(t *testing.T) {
	d, err := NewPostgres(PostgresOptions{URL: directorytest.SharedPostgres(t).URL(), MaxConnections: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	db := d.database.Load()
	const settings = `
		SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
		WHERE name IN ('synchronous_commit', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_isolation')`
	ask := func(query string) (answer string) {
		t.Helper()
		if err := db.read.QueryRowContext(t.Context(), query).Scan(&answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if _, err := db.read.ExecContext(t.Context(), `SET synchronous_commit = off`); err != nil { // there is but one connection
		t.Fatal(err)
	}
	before := ask(settings)

	u, err := d.CreateUser(t.Context(), NewUser{Address: "alice@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := d.User(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), db.begin); err != nil {
		t.Fatal(err)
	}
	var inside string
	if err := tx.QueryRowContext(t.Context(), settings).Scan(&inside); err != nil {
		t.Fatal(err)
	}
	want := "idle_in_transaction_session_timeout=30000 lock_timeout=30000 synchronous_commit=on transaction_isolation=read committed"
	if inside != want {
		t.Errorf("inside: got %s, want %s", inside, want)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	n, err := db.execute(t.Context(), `INSERT INTO events (at, type, user_id, detail, client) SELECT $1, 'settings', '', (`+settings+`), ''`, int64(1))
	if err != nil || n != 1 {
		t.Fatalf("executing one statement: %d rows, %v, want 1", n, err)
	}
	if inside := ask(`SELECT detail FROM events WHERE type = 'settings'`); inside != want {
		t.Errorf("inside one statement: got %s, want %s", inside, want)
	}
	if _, err := db.execute(t.Context(), `INSERT INTO users (id) VALUES ($1)`, u.ID); err == nil {
		t.Error("a statement that cannot be done: got no error")
	}

	if after := ask(settings); after != before {
		t.Errorf("after: got %s, want what it was: %s", after, before)
	}
	if n := ask(`SELECT count(*)::text FROM pg_prepared_statements`); n != "0" {
		t.Errorf("got %s prepared statements, want 0", n)
	}
	if n := ask(`SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory'`); n != "0" {
		t.Errorf("got %s advisory locks, want 0", n)
	}
}

// The operator who asks for more than we do gets it.
func TestAStrongerCommitIsLeftAlone(t *testing.T) {
	d, err := NewPostgres(PostgresOptions{URL: directorytest.SharedPostgres(t).URL() + "&synchronous_commit=remote_apply"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	db := d.database.Load()
	tx, err := db.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), db.begin); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := tx.QueryRowContext(t.Context(), `SHOW synchronous_commit`).Scan(&got); err != nil || got != "remote_apply" {
		t.Errorf("got %s, %v, want remote_apply", got, err)
	}
}
