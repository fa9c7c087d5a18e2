package directory

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// beginExportPostgres lifts the limits that an operator may have set for the
// role: they are meant for queries that somebody waits for. What remains is one
// for a reader that has vanished, whose snapshot keeps the server from cleaning
// up. To compile a query for each page takes far longer than to run it.
const beginExportPostgres = `
	SELECT set_config('statement_timeout', '0', true),
		set_config('idle_in_transaction_session_timeout', '150s', true),
		set_config('jit', 'off', true)`

// beginImportPostgres waits for those who are writing, and keeps out whoever
// comes later: nobody may sign up between the look for users and the commit, or
// take the ID of an audit record that the file has. Others can read. The time-out
// is for a slow file.
const beginImportPostgres = `
	SELECT set_config('idle_in_transaction_session_timeout', '150s', true);
	LOCK TABLE users, signing_keys, events IN SHARE ROW EXCLUSIVE MODE`

// endImportPostgres has the sequence go on behind the IDs that were given. A
// sequence is not part of the transaction; if that fails, it has a gap. And it
// lets the server see that the tables are not empty any more, on which its plans
// depend, before the first visitor comes.
const endImportPostgres = `
	SELECT setval(pg_get_serial_sequence('events', 'id'), max(id)) FROM events HAVING count(*) > 0;
	ANALYZE users, emails, user_groups, passkeys, events, identity_changes`

// overridingPostgres: the ID is GENERATED ALWAYS, so that nobody gives one by
// mistake.
const overridingPostgres = `OVERRIDING SYSTEM VALUE`

// copyPostgres writes rows by COPY, which takes a fraction of the time that
// INSERT takes.
func copyPostgres(ctx context.Context, b *bulk, t *bulkTable) error {
	return b.conn.Raw(func(driver any) error {
		conn, ok := driver.(*stdlib.Conn)
		if !ok {
			return errNoPostgres
		}
		_, err := conn.Conn().CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(t.rows))
		if isPostgresError(err, uniqueViolation) {
			return ErrTaken
		}
		return err
	})
}

// uniqueViolation is the SQLSTATE of a row that may be there only once.
const uniqueViolation = "23505"
