package directory_test

import (
	"bytes"
	"context"
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
