package directory

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// migrationLock is the key of the advisory lock that a node holds while it
// migrates: "doorward" in ASCII. Keys belong to one database.
const migrationLock int64 = 0x646f6f7277617264

// insufficientPrivilege is the SQLSTATE of what a role may not do.
const insufficientPrivilege = "42501"

// migratePostgres brings the database to the schema of this program.
func migratePostgres(ctx context.Context, config *pgx.ConnConfig) error {
	db := openPostgres(config, 2) // one holds the lock, one migrates
	defer db.Close()
	role, err := askRole(ctx, db)
	if err != nil {
		return err
	}
	// The first schema of the search path, where the tables would be made, and
	// none behind it: another application may have put its own there.
	s, err := newSchema(db, goose.DialectPostgres, "postgres",
		`SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1`)
	if err != nil {
		return err
	}
	current, err := s.current(ctx)
	if isPostgresError(err, insufficientPrivilege) {
		return fmt.Errorf("%w; %s", err, role.grant("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN"))
	}
	if err != nil || current {
		return err
	}

	unlock, err := lockPostgres(ctx, db)
	if err != nil {
		return err
	}
	defer unlock()
	if current, err := s.current(ctx); err != nil || current { // another may have migrated while we waited
		return err
	}
	if !role.mayCreate {
		return fmt.Errorf("role %q may not create tables; %s", role.name, role.grant("USAGE, CREATE ON"))
	}
	return s.migrate(ctx)
}

// A postgresRole is who we are to the server.
type postgresRole struct {
	name      string
	schema    string // that tables are made in; empty if the role may use none
	mayCreate bool   // tables in schema
}

// askRole asks who we are, and whether the database can keep our text and gives
// back our bytes.
func askRole(ctx context.Context, db *sql.DB) (postgresRole, error) {
	var r postgresRole
	var encoding, bytea string
	err := db.QueryRowContext(ctx, `
		SELECT current_user, COALESCE(current_schema(), ''),
			COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE),
			current_setting('server_encoding'), current_setting('bytea_output')`).
		Scan(&r.name, &r.schema, &r.mayCreate, &encoding, &bytea)
	if err != nil {
		return postgresRole{}, fmt.Errorf("asking server: %w", err)
	}
	if encoding != "UTF8" {
		return postgresRole{}, fmt.Errorf("the encoding of the database is %s: make one with ENCODING 'UTF8'", encoding)
	}
	if bytea != "hex" { // the other is of before 2010, and the driver cannot read it
		return postgresRole{}, fmt.Errorf("bytea_output is %s: ALTER ROLE %s SET bytea_output = 'hex'", bytea, pgx.Identifier{r.name}.Sanitize())
	}
	return r, nil
}

// grant says how an operator gives the role a privilege on its schema.
func (r postgresRole) grant(privilege string) string {
	schema := r.schema
	if schema == "" { // what it is called is what cannot be asked
		schema = "public"
	}
	return fmt.Sprintf("its owner gives it: GRANT %s SCHEMA %s TO %s",
		privilege, pgx.Identifier{schema}.Sanitize(), pgx.Identifier{r.name}.Sanitize())
}

// lockPostgres waits until this process alone may migrate. The lock belongs to
// a transaction, not to a session, so that a pooler in between can neither mix
// it up nor keep it; the server lets go of it when the connection ends. It
// looks often whether the node at the other end is alive, since a node without
// power does not say goodbye.
func lockPostgres(ctx context.Context, db *sql.DB) (unlock func(), err error) {
	waiting := func(err error) error {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("waiting for another process to migrate: %w", err)
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, waiting(err)
	}
	// The limits are off: migrating takes as long as it takes.
	_, err = tx.ExecContext(ctx, `
		SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),
			set_config('idle_in_transaction_session_timeout', '0', true),
			set_config('tcp_keepalives_idle', '10', true), set_config('tcp_keepalives_interval', '5', true),
			set_config('tcp_keepalives_count', '3', true)`)
	if err == nil {
		_, err = tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationLock)
	}
	if err != nil {
		tx.Rollback()
		return nil, waiting(err)
	}
	return func() { tx.Rollback() }, nil
}
