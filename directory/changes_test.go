package directory_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

func changes(t testing.TB, d *directory.Directory, mark string) directory.Changes {
	t.Helper()
	c, err := d.Changes(t.Context(), mark)
	if err != nil {
		t.Fatal(err)
	}
	if c.Mark == "" || !c.Unbroken && len(c.Users) > 0 {
		t.Fatalf("got %+v, want a mark, and nobody if it is broken", c)
	}
	return c
}

// settled returns a mark since which nobody has changed. A server that others use may
// name who changed again, for as long as they are at work.
func settled(t testing.TB, d *directory.Directory) (mark string) {
	t.Helper()
	mark = changes(t, d, "").Mark
	waitFor(t, "changes to be named no more", func() bool {
		c := changes(t, d, mark)
		mark = c.Mark
		return c.Unbroken && len(c.Users) == 0
	})
	return mark
}

// wantChanges fails the test unless these and no others have changed since the mark of
// settled.
func wantChanges(t testing.TB, what string, d *directory.Directory, mark string, want ...string) {
	t.Helper()
	got := changes(t, d, mark)
	slices.Sort(want)
	if !got.Unbroken || !slices.Equal(slices.Sorted(slices.Values(got.Users)), want) {
		t.Errorf("%s: got %+v, want changes of %q, unbroken", what, got, want)
	}
}

func TestEachKindOfChangeNamesItsUser(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d, asking := open(t), open(t)
		alice, second := createUser(t, d, "alice@example.com").ID, ""
		createUser(t, d, "bob@example.com")
		for _, tt := range []struct {
			name   string
			change func() error
		}{
			{"SetName", func() error { return d.SetName(t.Context(), alice, "Alice") }},
			{"SetName again", func() error { return d.SetName(t.Context(), alice, "Alicia") }},
			{"SetDisabled", func() error { return d.SetDisabled(t.Context(), alice, true) }},
			{"SetDisabled back", func() error { return d.SetDisabled(t.Context(), alice, false) }},
			{"SetAdded", func() error { return d.SetAdded(t.Context(), alice, true) }},
			{"SetGroups", func() error { return d.SetGroups(t.Context(), alice, []string{"staff", "admins"}) }},
			{"SetGroups to none", func() error { return d.SetGroups(t.Context(), alice, nil) }},
			{"AddEmail", func() error {
				second = addEmail(t, d, alice, "second@example.com", false).ID
				return nil
			}},
			{"MarkVerified", func() error { return d.MarkVerified(t.Context(), alice, "second@example.com") }},
			{"SetPrimary", func() error { return d.SetPrimary(t.Context(), alice, second) }},
			{"RemoveEmail", func() error {
				u, err := d.User(t.Context(), alice)
				return errors.Join(err, d.RemoveEmail(t.Context(), alice, u.Emails[1].ID))
			}},
			{"SetGroups before removal", func() error { return d.SetGroups(t.Context(), alice, []string{"a", "b"}) }},
			{"RemoveUser", func() error { return d.RemoveUser(t.Context(), alice) }},
		} {
			mark := settled(t, asking)
			if err := tt.change(); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			wantChanges(t, tt.name, asking, mark, alice)
		}
	})
}

// What is written all the time, or tells nothing of who somebody is, would have every
// node ask for nothing.
func TestSigningInIsNoChange(t *testing.T) {
	onEachRaw(t, nil, func(t *testing.T, open opener, exec func(string, ...any)) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		if err := d.MarkVerified(t.Context(), alice.ID, "alice@example.com"); err != nil {
			t.Fatal(err)
		}
		mark := settled(t, d)
		addPasskey(t, d, directory.Passkey{ID: []byte("passkey"), UserID: alice.ID})
		for what, err := range map[string]error{
			"UsePasskey":    d.UsePasskey(t.Context(), directory.PasskeyUse{ID: []byte("passkey"), UserID: alice.ID, SignCount: 1}),
			"RenamePasskey": d.RenamePasskey(t.Context(), alice.ID, []byte("passkey"), "Phone"),
			"RemovePasskey": d.RemovePasskey(t.Context(), alice.ID, []byte("passkey")),
			"Record":        d.Record(t.Context(), directory.Event{Type: "signed_in", UserID: alice.ID}),
			"MarkVerified":  d.MarkVerified(t.Context(), alice.ID, "alice@example.com"), // as with each passcode
			"SetName":       d.SetName(t.Context(), alice.ID, alice.Name),
			"SetDisabled":   d.SetDisabled(t.Context(), alice.ID, alice.Disabled),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		addKeys(t, d, key("a", 0))
		exec(`UPDATE users SET updated_at = updated_at + 1`)
		exec(`UPDATE emails SET updated_at = updated_at + 1`)
		wantChanges(t, "after a sign-in", d, mark)

		_, err := d.CreateUser(t.Context(), directory.NewUser{Address: "alice@example.com"})
		wantErr(t, "CreateUser", err, directory.ErrTaken)
		wantErr(t, "RemoveEmail", d.RemoveEmail(t.Context(), alice.ID, alice.Emails[0].ID), directory.ErrPrimary)
		_, err = d.AddEmail(t.Context(), alice.ID, directory.NewEmail{Address: "second@example.com"}, 1) // which is written, and rolled back
		wantErr(t, "AddEmail", err, directory.ErrTooMany)
		wantChanges(t, "after what was refused", d, mark)

		exec(`INSERT INTO users VALUES ($1, '', FALSE, TRUE, 0, 0)`, neverUsed)
		wantChanges(t, "after a new user, by hand", d, mark)
		bob := createUser(t, d, "bob@example.com")
		wantChanges(t, "after a new user, who has an address", d, mark, bob.ID)
	})
}

func TestChangesMadeByHandAreNamed(t *testing.T) {
	onEachRaw(t, nil, func(t *testing.T, open opener, exec func(string, ...any)) {
		d := open(t)
		var ids []string
		for _, name := range []string{"alice", "bob", "carol"} {
			u, err := d.CreateUser(t.Context(), directory.NewUser{Address: address(t, name+"@example.com"), Groups: []string{name}})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, u.ID)
		}
		alice, bob, carol := ids[0], ids[1], ids[2]
		for _, tt := range []struct {
			statement string
			args      []any
			want      []string
		}{
			{`UPDATE users SET name = 'A' WHERE id = $1`, []any{alice}, []string{alice}},
			{`UPDATE users SET disabled = TRUE WHERE id = $1`, []any{alice}, []string{alice}},
			{`UPDATE users SET added = TRUE WHERE id = $1`, []any{alice}, []string{alice}},
			{`UPDATE users SET name = 'A' WHERE id IN ($1, $2)`, []any{alice, bob}, []string{bob}},
			{`UPDATE users SET name = 'all'`, nil, ids},
			{`UPDATE emails SET address = 'a@example.com' WHERE user_id = $1`, []any{alice}, []string{alice}},
			{`UPDATE emails SET verified = TRUE WHERE user_id = $1`, []any{alice}, []string{alice}},
			{`UPDATE emails SET is_primary = FALSE WHERE user_id IN ($1, $2)`, []any{alice, bob}, []string{alice, bob}},
			{`UPDATE emails SET user_id = $2 WHERE user_id = $1`, []any{alice, bob}, []string{alice, bob}},
			{`INSERT INTO emails VALUES ('1', $1, 'new@example.com', TRUE, TRUE, 0, 0)`, []any{alice}, []string{alice}},
			{`INSERT INTO emails VALUES ('2', $1, 'x@example.com', TRUE, FALSE, 0, 0), ('3', $2, 'y@example.com', TRUE, FALSE, 0, 0)`,
				[]any{alice, bob}, []string{alice, bob}},
			{`INSERT INTO emails VALUES ('2', $1, 'x@example.com', TRUE, FALSE, 0, 0) ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id`,
				[]any{carol}, []string{alice, carol}},
			{`DELETE FROM emails WHERE user_id = $1`, []any{bob}, []string{bob}},
			{`INSERT INTO user_groups VALUES ($1, 'new')`, []any{alice}, []string{alice}},
			{`UPDATE user_groups SET name = 'newer' WHERE user_id = $1 AND name = 'new'`, []any{alice}, []string{alice}},
			{`UPDATE user_groups SET user_id = $2 WHERE user_id = $1 AND name = 'newer'`, []any{alice, bob}, []string{alice, bob}},
			{`DELETE FROM user_groups WHERE name = 'newer'`, nil, []string{bob}},
			{`DELETE FROM emails WHERE user_id = $1`, []any{carol}, []string{carol}},
			{`DELETE FROM user_groups WHERE user_id = $1`, []any{carol}, []string{carol}},
			{`DELETE FROM users WHERE id = $1`, []any{carol}, []string{carol}},
			{`INSERT INTO users SELECT $1, name, disabled, added, 0, 0 FROM users WHERE id = $2`, []any{neverUsed, bob}, nil},
			{`DELETE FROM emails`, nil, []string{alice}},
			{`DELETE FROM user_groups`, nil, []string{alice, bob}},
			{`UPDATE users SET id = $2 WHERE id = $1`, []any{alice, alsoPromised}, []string{alice, alsoPromised}},
		} {
			mark := settled(t, d)
			exec(tt.statement, tt.args...)
			wantChanges(t, tt.statement, d, mark, tt.want...)
		}
	})
}

// REPLACE removes rows without a trigger for DELETE, and an OR in a statement goes before
// those in its triggers.
func TestWhatSQLiteReplacesByHandIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory.db")
	d := openSQLite(t, path, time.Now)
	alice, bob := createUser(t, d, "alice@example.com"), createUser(t, d, "bob@example.com")
	both := []string{alice.ID, bob.ID}
	for _, tt := range []struct {
		statement string
		args      []any
		want      []string
	}{
		{`INSERT OR REPLACE INTO users VALUES ($1, 'Alice', 0, 0, 0, 0)`, []any{alice.ID}, []string{alice.ID}},
		{`INSERT OR REPLACE INTO emails VALUES ('1', $1, 'bob@example.com', 1, 0, 0, 0)`, []any{alice.ID}, both},
		{`INSERT OR REPLACE INTO emails VALUES ('1', $1, 'other@example.com', 1, 0, 0, 0)`, []any{bob.ID}, both},
		{`UPDATE OR REPLACE emails SET address = 'other@example.com' WHERE user_id = $1 AND is_primary`, []any{alice.ID}, both},
		{`INSERT OR IGNORE INTO user_groups VALUES ($1, 'a')`, []any{alice.ID}, []string{alice.ID}},
		{`INSERT OR IGNORE INTO user_groups VALUES ($1, 'a')`, []any{alice.ID}, nil},
		{`INSERT OR IGNORE INTO user_groups VALUES ($1, 'b')`, []any{alice.ID}, []string{alice.ID}},
		{`UPDATE OR IGNORE user_groups SET name = 'c' WHERE name = 'b'`, nil, []string{alice.ID}},
		{`UPDATE OR FAIL users SET name = 'Bob' WHERE id = $1`, []any{bob.ID}, []string{bob.ID}},
		{`UPDATE OR ROLLBACK users SET name = 'Bobby' WHERE id = $1`, []any{bob.ID}, []string{bob.ID}},
		{`UPDATE OR REPLACE users SET id = $2 WHERE id = $1`, []any{alice.ID, bob.ID}, both},
	} {
		mark := settled(t, d)
		execRaw(t, path, tt.statement, tt.args...) // without foreign keys, as the shell is
		wantChanges(t, tt.statement, d, mark, tt.want...)
	}
}

func TestAChangeThatIsRolledBackIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory.db")
	p := directorytest.SharedPostgres(t)
	for _, tt := range []struct {
		name string
		d    *directory.Directory
		raw  *sql.DB
	}{
		{"SQLite", openSQLite(t, path, time.Now), raw(t, path)},
		{"PostgreSQL", openPostgres(t, p.URL(), time.Now), rawPostgres(t, p)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alice := createUser(t, tt.d, "alice@example.com")
			bob := createUser(t, tt.d, "bob@example.com")
			mark := settled(t, tt.d)
			tx, err := tt.raw.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			if _, err := tx.ExecContext(t.Context(), `UPDATE users SET name = 'Mallory' WHERE id = $1`, alice.ID); err != nil {
				t.Fatal(err)
			}
			wantChanges(t, "while a transaction is open", tt.d, mark)
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			wantChanges(t, "after it was rolled back", tt.d, mark)
			mark = settled(t, tt.d) // the next number may be one that was given before
			if err := tt.d.SetName(t.Context(), bob.ID, "Bob"); err != nil {
				t.Fatal(err)
			}
			wantChanges(t, "after a change", tt.d, mark, bob.ID)
		})
	}
}

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

func TestTooManyChangesBreakTheFeed(t *testing.T) {
	onEachRaw(t, nil, func(t *testing.T, open opener, exec func(string, ...any)) {
		d := open(t)
		before := settled(t, d)
		importFile(t, d, file(t, records(41, 1001)...))
		got := changes(t, d, before)
		if got.Unbroken || len(got.Users) != 0 {
			t.Errorf("1001 users imported: got %d users, unbroken %t, want none, broken", len(got.Users), got.Unbroken)
		}
		users, err := d.Users(t.Context(), "", 2000)
		if err != nil || len(users) != 1001 {
			t.Fatalf("got %d users, %v", len(users), err)
		}
		mark := settled(t, d)
		exec(`UPDATE users SET name = 'all' WHERE id <> $1`, users[500].ID)
		if got := changes(t, d, mark); !got.Unbroken || len(got.Users) != 1000 || slices.Contains(got.Users, users[500].ID) {
			t.Errorf("1000 users changed: got %d users, unbroken %t", len(got.Users), got.Unbroken)
		}
		exec(`UPDATE users SET name = 'another' WHERE id = $1`, users[500].ID)
		if got := changes(t, d, mark); got.Unbroken || len(got.Users) != 0 {
			t.Errorf("1001 users changed: got %d users, unbroken %t, want none, broken", len(got.Users), got.Unbroken)
		}
		mark = settled(t, d) // from where a broken one goes on
		exec(`UPDATE users SET name = 'one' WHERE id = $1`, users[0].ID)
		wantChanges(t, "after too many", d, mark, users[0].ID)
	})
}

func TestAnImportNamesWhomItBrings(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d, asking := open(t), open(t)
		gone := createUser(t, d, "gone@example.com").ID
		if err := d.RemoveUser(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		mark := settled(t, asking)
		importFile(t, d, file(t, records(43, 5)...))
		users, err := d.Users(t.Context(), "", 10)
		if err != nil || len(users) != 5 {
			t.Fatalf("got %d users, %v", len(users), err)
		}
		var ids []string
		for _, u := range users {
			ids = append(ids, u.ID)
		}
		wantChanges(t, "after an import", asking, mark, ids...)

		// And what comes after it, also after one that failed.
		if _, err := d.Import(t.Context(), bytes.NewReader(file(t, records(43, 5)...)), directory.ImportOptions{}); !errors.Is(err, directory.ErrNotEmpty) {
			t.Errorf("importing again: got error %v, want ErrNotEmpty", err)
		}
		mark = settled(t, asking)
		if err := d.SetGroups(t.Context(), ids[0], []string{"new"}); err != nil {
			t.Fatal(err)
		}
		if err := d.SetName(t.Context(), ids[1], "New"); err != nil {
			t.Fatal(err)
		}
		addEmail(t, d, ids[2], "new@example.com", true)
		if err := d.RemoveUser(t.Context(), ids[3]); err != nil {
			t.Fatal(err)
		}
		wantChanges(t, "after the import", asking, mark, ids[:4]...)
	})
}

func TestAMarkThatCannotBeGoneOnFromIsBroken(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice := createUser(t, d, "alice@example.com")
		mark := settled(t, d)
		place, number, _ := strings.Cut(mark, ":")
		for _, bad := range []string{
			"", ":", "x", "0", number, place, place + ":", place + ":x", place + ":-1", place + ":1e3", place + ": 1", place + ":" + number + ":",
			place + ":9223372036854775808", place + ":9223372036854775807", place + ":" + number + "0000", // of a later state
			":" + number, "x" + mark, "elsewhere:" + number, "1-1-1:" + number, strings.Replace(mark, ":", "1:", 1), "\x00", "\xff:1",
			place + ":" + number + ",x", place + ":" + number + ",", place + ":" + number + strings.Repeat(","+number, 101),
		} {
			got := changes(t, d, bad)
			if got.Unbroken || len(got.Users) != 0 {
				t.Errorf("mark %q: got %+v, want it broken", bad, got)
			}
			if got := changes(t, d, got.Mark); !got.Unbroken {
				t.Errorf("the mark after mark %q: got %+v, want it unbroken", bad, got)
			}
		}
		wantChanges(t, "with a mark that is good", d, mark)
		if err := d.SetName(t.Context(), alice.ID, "Alice"); err != nil {
			t.Fatal(err)
		}
		wantChanges(t, "with a mark that is good, after a change", d, mark, alice.ID)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Changes(ctx, mark); !errors.Is(err, context.Canceled) {
			t.Errorf("when nobody waits: got error %v", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Changes(t.Context(), mark); err == nil {
			t.Error("closed: got no error")
		}
	})
}

// Numbers of another server, database or table say nothing here.
func TestAMarkIsOfOneLifeOfOneDatabase(t *testing.T) {
	p := directorytest.StartPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	alice := createUser(t, d, "alice@example.com")
	wantBroken := func(what string, d *directory.Directory, mark string) {
		t.Helper()
		if got := changes(t, d, mark); got.Unbroken || got.Mark == mark {
			t.Errorf("%s: got %+v, want it broken", what, got)
		}
	}
	mark := settled(t, d)
	wantBroken("another database", openPostgres(t, p.NewDatabase(), time.Now), mark)

	// A dump that is put back brings its rows to a new table.
	p.Query(`ALTER TABLE identity_changes RENAME TO before`)
	p.Query(`CREATE TABLE identity_changes (LIKE before INCLUDING ALL)`)
	p.Query(`ALTER TABLE identity_changes OWNER TO doorward`)
	p.Query(`INSERT INTO identity_changes SELECT user_id, tx + 1000000000 FROM before`)
	wantBroken("a dump that was put back", d, mark)
	mark = settled(t, d) // though the numbers in it are higher than any here
	if err := d.SetName(t.Context(), alice.ID, "Alice"); err != nil {
		t.Fatal(err)
	}
	wantChanges(t, "after the dump", d, mark, alice.ID)

	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	p.Restart()
	wantBroken("another life of the server", openPostgres(t, p.URL(), time.Now), mark)
}

// Programs of before go on with a database that a newer one has brought up to date.
func TestADatabaseOfBeforeLearnsToNoteChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory.db")
	p := directorytest.SharedPostgres(t)
	for _, tt := range []struct {
		name, folder, version string
		raw                   *sql.DB
		open                  func() *directory.Directory
	}{
		{"SQLite", "sqlite", `id INTEGER PRIMARY KEY AUTOINCREMENT`, raw(t, path),
			func() *directory.Directory { return openSQLite(t, path, time.Now) }},
		{"PostgreSQL", "postgres", `id INTEGER PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY`, rawPostgres(t, p),
			func() *directory.Directory { return openPostgres(t, p.URL(), time.Now) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("migrations", tt.folder, "00001_directory.sql"))
			if err != nil {
				t.Fatal(err)
			}
			statements := strings.Split(string(text), ";\n")
			statements = append(statements[:len(statements)-1],
				`CREATE TABLE doorward_schema (`+tt.version+`, version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL,
					tstamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
				`INSERT INTO doorward_schema (version_id, is_applied) VALUES (0, TRUE), (1, TRUE)`,
				`INSERT INTO users VALUES ('`+promised+`', 'Alice', FALSE, TRUE, 0, 0)`,
				`INSERT INTO emails VALUES ('`+alsoPromised+`', '`+promised+`', 'alice@example.com', TRUE, TRUE, 0, 0)`,
				`INSERT INTO user_groups VALUES ('`+promised+`', 'staff')`)
			for _, statement := range statements {
				if _, err := tt.raw.ExecContext(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			d := tt.open()
			u, err := d.UserByAddress(t.Context(), "alice@example.com")
			if err != nil || u.ID != promised || !u.Added || !reflect.DeepEqual(u.Groups, []string{"staff"}) {
				t.Errorf("got %+v, %v, want what was there", u, err)
			}
			mark := settled(t, d)
			for _, change := range []string{
				`UPDATE users SET name = 'Bob'`, `UPDATE emails SET verified = FALSE`, `DELETE FROM user_groups`, `DELETE FROM users`,
			} {
				if _, err := tt.raw.ExecContext(t.Context(), change); err != nil {
					t.Fatal(err)
				}
				wantChanges(t, change, d, mark, promised)
				mark = settled(t, d)
			}
		})
	}
}

// Many write, some of them by hand and to many users at once, and one reads all the while.
// Each change has to be named after it was committed: what the reader makes of what it is
// told is what is there in the end.
func TestEveryChangeIsNamedWhileManyWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory.db")
	p := directorytest.SharedPostgres(t)
	for _, tt := range []struct {
		name string
		d    *directory.Directory
		raw  *sql.DB
	}{
		{"SQLite", openSQLite(t, path, time.Now), raw(t, "file:"+path+"?_pragma=busy_timeout(20000)&_txlock=immediate")},
		{"PostgreSQL", openPostgres(t, p.URL(), time.Now), rawPostgres(t, p)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ids []string
			for i := range 8 {
				ids = append(ids, createUser(t, tt.d, fmt.Sprintf("user%d@example.com", i)).ID)
			}
			mark := changes(t, tt.d, "").Mark
			done := make(chan error, 1)
			go func() {
				done <- errors.Join(concurrently(8, func(i int) error { return renameAll(t, tt.d, tt.raw, ids, i) })...)
			}()

			told := make(map[string]string) // the name of each, as a node would keep it
			for over := false; !over; {
				select {
				case err := <-done:
					if err != nil {
						t.Fatal(err)
					}
					over = true // the next answer is after everything
				default:
				}
				got := changes(t, tt.d, mark)
				if !got.Unbroken {
					t.Fatalf("got %+v, want it unbroken", got)
				}
				mark = got.Mark
				users, err := tt.d.UsersByID(t.Context(), got.Users...)
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range users {
					told[u.ID] = u.Name
				}
			}
			users, err := tt.d.Users(t.Context(), "", 100)
			if err != nil || len(users) != len(ids) {
				t.Fatalf("got %d users, %v", len(users), err)
			}
			for _, u := range users {
				if told[u.ID] != u.Name {
					t.Errorf("%s is called %q, and the last that was told is %q", u.ID, u.Name, told[u.ID])
				}
			}
		})
	}
}

// renameAll is what one of many writers does: the first two write by hand.
func renameAll(t *testing.T, d *directory.Directory, raw *sql.DB, ids []string, writer int) error {
	for round := range 25 {
		id, name := ids[(writer+round)%len(ids)], fmt.Sprintf("%d of %d", round, writer)
		var err error
		switch {
		case writer == 0 && round%5 == 0:
			_, err = raw.ExecContext(t.Context(), `UPDATE users SET name = $1`, name)
		case writer < 2:
			_, err = raw.ExecContext(t.Context(), `UPDATE users SET name = $1 WHERE id = $2`, name, id)
		default:
			err = d.SetName(t.Context(), id, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
