package directory_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

// rawPostgres connects to a database as our role does.
func rawPostgres(t testing.TB, p *directorytest.Postgres) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", p.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Transactions get their numbers in order and end in any order: a mark behind the highest
// number that is seen would pass over those that are still open.
func TestATransactionThatEndsAfterALaterOneIsNamed(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice, bob := createUser(t, d, "alice@example.com").ID, createUser(t, d, "bob@example.com").ID
	carol, dave := createUser(t, d, "carol@example.com").ID, createUser(t, d, "dave@example.com").ID
	before := settled(t, d)

	first := transaction(t, p, `UPDATE users SET name = 'first' WHERE id = '`+alice+`'`)
	second := transaction(t, p, `UPDATE users SET name = 'second' WHERE id = '`+bob+`'`)
	if err := d.SetName(t.Context(), carol, "third"); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, "while both are open", d, before, carol)
	between := changes(t, d, before).Mark

	if err := second.Commit(); err != nil {
		t.Fatal(err)
	}
	got := changes(t, d, between)
	if !got.Unbroken || !slices.Contains(got.Users, bob) || slices.Contains(got.Users, alice) {
		t.Errorf("after the second: got %+v, want %s, not %s", got, bob, alice)
	}
	if err := d.SetName(t.Context(), dave, "fourth"); err != nil {
		t.Fatal(err)
	}
	later := changes(t, d, got.Mark).Mark

	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{before, between, got.Mark, later} {
		if got := changes(t, d, mark); !got.Unbroken || !slices.Contains(got.Users, alice) {
			t.Errorf("after the first, since %s: got %+v, want %s", mark, got, alice)
		}
	}
	wantChanges(t, "in the end", d, settled(t, d))
}

// What is open may be of another database, and stay open for long.
func TestNobodyIsNamedAgainWhileATransactionIsOpen(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice, bob := createUser(t, d, "alice@example.com").ID, createUser(t, d, "bob@example.com").ID
	mark := settled(t, d)
	open := transaction(t, p, `CREATE TEMPORARY TABLE something_else (i int)`)
	for range 3 {
		if err := d.SetName(t.Context(), alice, rand.Text()); err != nil {
			t.Fatal(err)
		}
		wantChanges(t, "while it is open", d, mark, alice)
		mark = changes(t, d, mark).Mark
		wantChanges(t, "again", d, mark)
	}
	for i := range 250 { // more than a mark can tell apart
		if err := d.SetName(t.Context(), bob, fmt.Sprint("bob ", i)); err != nil {
			t.Fatal(err)
		}
		got := changes(t, d, mark)
		if !got.Unbroken || !slices.Contains(got.Users, bob) {
			t.Fatalf("after change %d: got %+v, want %s", i, got, bob)
		}
		mark = got.Mark
	}
	p.Query(`INSERT INTO users SELECT 'u' || i, 'n', FALSE, TRUE, 0, 0 FROM generate_series(1, 1200) i`)
	p.Query(`UPDATE users SET disabled = TRUE WHERE id LIKE 'u%'`)
	got := changes(t, d, mark)
	if got.Unbroken {
		t.Errorf("more than can be named: got %+v, want it broken", got)
	}
	if err := d.SetName(t.Context(), alice, "Alice"); err != nil {
		t.Fatal(err)
	}
	if got := changes(t, d, got.Mark); !got.Unbroken || !slices.Contains(got.Users, alice) {
		t.Errorf("after them: got %+v, want %s, unbroken", got, alice)
	}
	if err := open.Commit(); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, "in the end", d, settled(t, d))
}

// A part of a transaction has a number of its own in PostgreSQL.
func TestAChangeBehindASavepointIsNamed(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice := createUser(t, d, "alice@example.com").ID
	tx := transaction(t, p, `SELECT txid_current()`)
	mark := changes(t, d, "").Mark
	for _, statement := range []string{
		`SAVEPOINT a`, `UPDATE users SET name = 'a'`, `ROLLBACK TO a`, `SAVEPOINT b`, `UPDATE users SET name = 'b'`, `RELEASE b`,
	} {
		if _, err := tx.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		mark = changes(t, d, mark).Mark
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, "after it", d, mark, alice)
}

// What comes from another server, or from whoever edits with a view of their own.
func TestChangesOfUnusualTransactionsAreNamed(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice := createUser(t, d, "alice@example.com").ID
	mark := settled(t, d)
	replica := transaction(t, p, `SET LOCAL session_replication_role = replica`, `UPDATE users SET disabled = TRUE`)
	if err := replica.Commit(); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, "a replica's", d, mark, alice)

	mark = settled(t, d)
	repeatable := transaction(t, p, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`, `SELECT 1 FROM users`)
	if err := d.SetGroups(t.Context(), alice, []string{"new"}); err != nil {
		t.Fatal(err)
	}
	if _, err := repeatable.ExecContext(t.Context(), `UPDATE emails SET verified = NOT verified`); err != nil {
		t.Errorf("another row of a user who was changed meanwhile: %v", err)
	}
	mark = changes(t, d, mark).Mark
	if err := repeatable.Commit(); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, "one with a view of its own", d, mark, alice)

	for i := range 10 {
		one := transaction(t, p, `SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`, fmt.Sprintf(`UPDATE users SET name = 'name %d'`, i))
		if err := one.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Query(`SELECT count(*) FROM identity_changes`); got[0] != "1" {
		t.Errorf("one user who was changed again and again has %s rows, want one", got[0])
	}

	mark = settled(t, d)
	subscriber := transaction(t, p, // which fires no trigger for a statement
		`ALTER TABLE user_groups DISABLE TRIGGER groups_added`, `ALTER TABLE emails DISABLE TRIGGER emails_added`,
		`SET LOCAL session_replication_role = replica`, `INSERT INTO user_groups SELECT id, 'subscribed' FROM users`,
		`SET LOCAL session_replication_role = origin`,
		`ALTER TABLE user_groups ENABLE ALWAYS TRIGGER groups_added`, `ALTER TABLE emails ENABLE ALWAYS TRIGGER emails_added`)
	if err := subscriber.Commit(); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, "a subscription's", d, mark, alice)
}

// Whoever could make one of the functions the trigger of their own table would have it do
// there what they like, with the rights of the tables' owner.
func TestTheFunctionsThatNoteChangesAreForNobodyElse(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	openPostgres(t, p.URL(), time.Now)
	if got := p.Query(`SELECT proname FROM pg_proc WHERE proname LIKE 'note\_%' AND pronamespace = 'public'::regnamespace`); len(got) != 5 {
		t.Fatalf("there are functions %q, want 5", got)
	}
	if got := p.Query(`
		SELECT proname FROM pg_proc, aclexplode(COALESCE(proacl, acldefault('f', proowner))) acl
		WHERE proname LIKE 'note\_%' AND acl.privilege_type = 'EXECUTE' AND acl.grantee <> proowner`); len(got) != 0 {
		t.Errorf("others may execute %q", got)
	}
	p.Query(`DO $$ BEGIN CREATE ROLE stranger; EXCEPTION WHEN duplicate_object THEN NULL; END $$`)
	tx := transaction(t, p, `SET LOCAL ROLE stranger`, `CREATE TEMPORARY TABLE mine (id TEXT)`)
	if _, err := tx.ExecContext(t.Context(), `CREATE TRIGGER x AFTER DELETE ON mine FOR EACH ROW EXECUTE FUNCTION public.note_changed_user()`); err == nil {
		t.Error("a stranger made one the trigger of their table")
	}
}

// The transaction that began first changes a user last. Its number is the lower one.
func TestAUserWhoIsChangedByTwoTransactionsAtOnceIsNamedAfterEach(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice, bob := createUser(t, d, "alice@example.com").ID, createUser(t, d, "bob@example.com").ID
	mark := settled(t, d)
	first := transaction(t, p, `UPDATE users SET name = 'first' WHERE id = '`+bob+`'`)
	if err := d.SetGroups(t.Context(), alice, []string{"later"}); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, "after the later transaction", d, mark, alice)
	mark = changes(t, d, mark).Mark
	if _, err := first.ExecContext(t.Context(), `INSERT INTO user_groups VALUES ($1, 'first')`, alice); err != nil {
		t.Fatal(err)
	}
	// The directory changes her again, and does not wait for the operator to be done.
	if err := d.SetGroups(t.Context(), alice, []string{"last"}); err != nil {
		t.Fatal(err)
	}
	last := changes(t, d, mark).Mark
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{mark, last} {
		wantChanges(t, "after the first transaction", d, mark, alice, bob)
	}
	if err := d.SetName(t.Context(), alice, "Alice"); err != nil {
		t.Fatal(err)
	}
	if got := p.Query(`SELECT count(*) FROM identity_changes WHERE user_id = $1`, alice); got[0] != "1" {
		t.Errorf("got %s rows, want what is old taken away", got[0])
	}
}

// An operator who has changed a user's groups, and goes on to the user, would meet us the
// other way round if noting a change waited for theirs.
func TestNotingAChangeWaitsForNobody(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice := createUser(t, d, "alice@example.com").ID
	operator := transaction(t, p, `SET LOCAL lock_timeout = '5s'`, `INSERT INTO user_groups VALUES ('`+alice+`', 'operators')`)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, name := range []string{"Alice", "Alicia"} {
		if err := d.SetName(ctx, alice, name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := operator.ExecContext(t.Context(), `UPDATE users SET added = TRUE WHERE id = $1`, alice); err != nil {
		t.Fatal(err)
	}
	mark := changes(t, d, "").Mark
	if err := operator.Commit(); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, "after the operator", d, mark, alice)
}

// Whoever edits by hand may look for tables elsewhere first, may have tables of the same
// name there, and may have no privilege but for the table that they edit.
func TestOperatorsOfAnyKindAreNoted(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	u, err := d.CreateUser(t.Context(), directory.NewUser{Address: "alice@example.com", Groups: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	p.Query(`CREATE ROLE editor`)
	t.Cleanup(func() {
		p.Query(`DROP SCHEMA editor CASCADE`)
		p.Query(`DROP OWNED BY editor`)
		p.Query(`DROP ROLE editor`)
	})
	p.Query(`CREATE SCHEMA editor AUTHORIZATION editor`)
	p.Query(`CREATE TABLE editor.identity_changes (LIKE public.identity_changes INCLUDING ALL)`)
	p.Query(`GRANT SELECT, INSERT, UPDATE, DELETE ON users, emails, user_groups TO editor`)
	for _, path := range []string{`''`, `editor, public`, `"$user", public`, `pg_temp, public`} {
		for _, statement := range []string{
			`UPDATE public.users SET disabled = NOT disabled`,
			`UPDATE public.emails SET verified = NOT verified`,
			`UPDATE public.user_groups SET name = name || 'x'`,
			`INSERT INTO public.user_groups SELECT id, 'new' FROM public.users`,
			`DELETE FROM public.user_groups WHERE name = 'new'`,
		} {
			mark := settled(t, d)
			editor := transaction(t, p, `SET LOCAL ROLE editor`, `SET LOCAL search_path = `+path,
				`CREATE TEMPORARY TABLE identity_changes (user_id TEXT, tx BIGINT, UNIQUE (user_id, tx)) ON COMMIT DROP`, statement)
			if err := editor.Commit(); err != nil {
				t.Fatal(err)
			}
			wantChanges(t, statement+" with "+path, d, mark, u.ID)
		}
	}
}

func TestWhatPostgreSQLTruncatesByHandIsNamed(t *testing.T) {
	for _, statement := range []string{`TRUNCATE user_groups`, `TRUNCATE emails`, `TRUNCATE users CASCADE`} {
		p := directorytest.SharedPostgres(t)
		d := openPostgres(t, p.URL(), time.Now)
		alice, bob := createUser(t, d, "alice@example.com").ID, createUser(t, d, "bob@example.com").ID
		mark := settled(t, d)
		p.Query(statement)
		wantChanges(t, statement, d, mark, alice, bob)
	}
}
