package directory_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

func TestTenNodesOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	nodes := make([]*directory.Directory, 10)
	for i := range nodes {
		nodes[i] = newPostgres(t, directory.PostgresOptions{URL: p.URL(), MaxConnections: 1})
	}
	errs := concurrently(len(nodes), func(i int) error {
		if err := nodes[i].Open(t.Context()); err != nil {
			return err
		}
		_, err := nodes[i].CreateUser(t.Context(), directory.NewUser{Address: directory.Address(fmt.Sprintf("user%d@example.com", i))})
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if users, err := nodes[0].Users(t.Context(), "", 100); err != nil || len(users) != len(nodes) {
		t.Errorf("got %d users, %v, want %d", len(users), err, len(nodes))
	}
	if got, want := p.Query(`SELECT version_id FROM doorward_schema ORDER BY id`), []string{"0", "1", "2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got migrations %q, want each once: %q", got, want)
	}
}

// A program that is rolled back must not write to tables that it does not
// know.
func TestANewerPostgresSchemaIsRefusedAndLeftAlone(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	createUser(t, d, "alice@example.com")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	p.Query(`INSERT INTO doorward_schema (version_id, is_applied) VALUES (999999, TRUE)`)
	p.Query(`ALTER ROLE doorward IN DATABASE ` + databaseOf(t, p.URL()) + ` SET default_transaction_read_only = on`) // so that writing would be another error

	wantErr(t, "Open", d.Open(t.Context()), directory.ErrNewerSchema)
	if _, err := d.UserByAddress(t.Context(), "alice@example.com"); err == nil || errors.Is(err, directory.ErrNotFound) {
		t.Errorf("UserByAddress after a refused Open: got error %v, want a failure", err)
	}

	p.Query(`DELETE FROM doorward_schema WHERE version_id = 999999`)
	p.Query(`ALTER ROLE doorward IN DATABASE ` + databaseOf(t, p.URL()) + ` RESET default_transaction_read_only`)
	if err := d.Open(t.Context()); err != nil {
		t.Fatalf("Open of the schema that this program knows: %v", err)
	}
	if _, err := d.UserByAddress(t.Context(), "alice@example.com"); err != nil {
		t.Error(err)
	}
}

func TestARoleThatMayNotCreateTablesIsToldWhatToGrant(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	p.Query(`CREATE ROLE "app-" LOGIN PASSWORD 'x'`)
	t.Cleanup(func() {
		p.Query(`DROP OWNED BY "app-"`)
		p.Query(`DROP ROLE "app-"`)
	})
	p.Query(`REVOKE ALL ON SCHEMA public FROM PUBLIC`)
	app := changeURL(t, p.URL(), func(u *url.URL) { u.User = url.UserPassword("app-", "x") })
	open := func(want string) {
		t.Helper()
		d := newPostgres(t, directory.PostgresOptions{URL: app})
		err := d.Open(t.Context())
		if want == "" && err == nil {
			createUser(t, d, fmt.Sprintf("%d@example.com", time.Now().UnixNano()))
			addKeys(t, d, directory.Key{ID: fmt.Sprint(time.Now().UnixNano())})
			if err := d.Record(t.Context(), directory.Event{Type: "test"}); err != nil {
				t.Error(err)
			}
			return
		}
		if want == "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open: got error %v, want one that says %q", err, want)
		}
	}
	open(`GRANT USAGE, CREATE ON SCHEMA "public" TO "app-"`)
	p.Query(`GRANT USAGE ON SCHEMA public TO "app-"`)
	open(`GRANT USAGE, CREATE ON SCHEMA "public" TO "app-"`)

	// Another role migrates, ours works.
	openPostgres(t, p.URL(), time.Now)
	open(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "public" TO "app-"`)
	p.Query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "app-"`)
	open("")

	p.Query(`CREATE SCHEMA "app-" AUTHORIZATION "app-"`) // "$user" of the search path
	open("")
	if n := p.Query(`SELECT count(*) FROM "app-".users`)[0]; n != "1" {
		t.Errorf("got %s users in a schema of their own, want 1", n)
	}
}

func TestADatabaseThatCannotKeepOurTextIsRefused(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	s := p.URL()
	p.Query(`CREATE DATABASE latin OWNER doorward TEMPLATE template0 ENCODING 'LATIN1'`)
	latin := newPostgres(t, directory.PostgresOptions{URL: changeURL(t, s, func(u *url.URL) { u.Path = "/latin" })})
	if err := latin.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "ENCODING 'UTF8'") {
		t.Errorf("LATIN1: got error %v, want one that says what to do", err)
	}
	escaped := newPostgres(t, directory.PostgresOptions{URL: withParameter(t, s, "bytea_output", "escape")})
	if err := escaped.Open(t.Context()); err == nil || !strings.Contains(err.Error(), `ALTER ROLE "doorward" SET bytea_output = 'hex'`) {
		t.Errorf("bytea_output: got error %v, want one that says what to do", err)
	}
	if got := p.Query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`); len(got) != 0 {
		t.Errorf("got tables %q, want none", got)
	}
}

// Another application in the same database may have tables of the same names.
func TestASchemaOfItsOwnHoldsTheTables(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	p.Query(`CREATE TABLE users (id INTEGER)`)
	p.Query(`CREATE TABLE doorward_schema (version_id INTEGER)`)
	p.Query(`CREATE SCHEMA "door ward" AUTHORIZATION doorward`)
	d := openPostgres(t, withParameter(t, p.URL(), "search_path", `"door ward",public`), time.Now)
	createUser(t, d, "alice@example.com")
	if got := p.Query(`SELECT (SELECT count(*) FROM "door ward".users), (SELECT count(*) FROM public.users)`)[0]; got != "1|0" {
		t.Errorf("got %s users in our schema and theirs, want 1|0", got)
	}
}

func TestANodeStopsWaitingForTheMigrationOfAnother(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	holder := transaction(t, p, `SELECT pg_advisory_xact_lock(x'646f6f7277617264'::bigint)`)
	d := newPostgres(t, directory.PostgresOptions{URL: p.URL()})
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan error, 1)
	go func() { opened <- d.Open(ctx) }()
	waitForLock(t, p)
	cancel()
	if err := <-opened; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "waiting for another process to migrate") {
		t.Errorf("Open: got error %v, want it to say what it waited for", err)
	}
	if got := p.Query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`); len(got) != 0 {
		t.Errorf("a node without the lock made tables: %q", got)
	}
	waitFor(t, "the server to forget the node", func() bool {
		return p.Query(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'doorward'`)[0] == "0"
	})

	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := d.Open(t.Context()); err != nil {
		t.Errorf("Open when nobody holds the lock: %v", err)
	}
}

// The other node may be a newer program.
func TestANodeThatWaitedLooksAgain(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	newer := transaction(t, p,
		`SELECT pg_advisory_xact_lock(x'646f6f7277617264'::bigint)`,
		`CREATE TABLE doorward_schema (id INTEGER, version_id BIGINT, is_applied BOOLEAN)`,
		`INSERT INTO doorward_schema VALUES (1, 0, TRUE), (2, 1, TRUE), (3, 999999, TRUE)`,
		`GRANT SELECT ON doorward_schema TO PUBLIC`)
	d := newPostgres(t, directory.PostgresOptions{URL: p.URL()})
	opened := make(chan error, 1)
	go func() { opened <- d.Open(t.Context()) }()
	waitForLock(t, p)
	if err := newer.Commit(); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "Open", <-opened, directory.ErrNewerSchema)
}

// An index over text that is sorted by the rules of a language is wrong after
// an upgrade of the operating system that changes the rules: what it holds may
// then be found twice, or not at all.
func TestNoIndexDependsOnTheRulesOfALanguage(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	openPostgres(t, p.URL(), time.Now)
	got := p.Query(`
		SELECT i.indexrelid::regclass, a.attname
		FROM pg_index i
		JOIN pg_class c ON c.oid = i.indexrelid AND c.relnamespace = 'public'::regnamespace
		JOIN pg_attribute a ON a.attrelid = i.indexrelid
		JOIN pg_collation l ON l.oid = a.attcollation
		WHERE l.collname <> 'C'`)
	if len(got) != 0 {
		t.Errorf("got %q, want COLLATE \"C\" on each of these columns", got)
	}
	if n := p.Query(`
		SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid AND c.relnamespace = 'public'::regnamespace
		JOIN pg_attribute a ON a.attrelid = i.indexrelid WHERE a.attcollation <> 0`)[0]; n == "0" {
		t.Error("the query finds no index over text: the test tests nothing")
	}
}
