package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	defaultConnections = 16

	// After how long a connection is given back. Behind a name or a proxy that
	// leads to another server since, new connections go there.
	connectionLifetime = 5 * time.Minute
	connectionIdle     = time.Minute

	// A connection that was not used for trusted is asked whether it still is
	// one. A server that was restarted says no at once; one that lost its power
	// says nothing, and is given up after pingPatience.
	trusted      = 100 * time.Millisecond
	pingPatience = 2 * time.Second
)

// beginPostgres makes sure that a commit is worth what it says, whatever is
// configured for the role, the database or the server.
//
// Commits wait for the disk, and for the synchronous standby where there is
// one. A server that is told to wait for less is told better; remote_apply,
// which is more, stays.
//
// The limits are for a caller that has vanished without a word, whose locks
// others wait for; one that is there ends with its context. No limit of the
// server ends a COMMIT that waits for the standby, which it would then call done.
//
// All of it is for one transaction (the third argument), so that it is true
// behind a pooler that gives each transaction another connection.
const beginPostgres = `
	SELECT set_config('synchronous_commit',
			CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),
		set_config('lock_timeout', '30s', true),
		set_config('idle_in_transaction_session_timeout', '30s', true)`

// lockKeysPostgres keeps out other writers, not readers.
const lockKeysPostgres = `LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE`

// clockPostgres asks for the time now, and not when the transaction began.
const clockPostgres = `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)`

// changesPostgres: a change is noted with the number of its transaction. Transactions
// get their numbers in order and end in any order, so that the highest that is seen says
// nothing of those below. xmin does: the statement's snapshot sees the end of every
// transaction below it, and what it does not see is not below it.
//
// The mark goes no further than behind the highest number that is noted, which is as
// good, and better where the server crashes: it then gives numbers again that only
// transactions had which left nothing on disk.
//
// Numbers are comparable in one life of one server. The place is that, the database and
// the table, which are others after a dump was restored. Such a dump brings along numbers
// of another server; those from xmax on nobody here has had yet.
const changesPostgres = `
	SELECT now.place, now.next, c.user_id, COALESCE(c.tx, 0)
	FROM (
		SELECT concat_ws('-', CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS bigint),
				(SELECT oid FROM pg_database WHERE datname = current_database()),
				CAST(CAST('identity_changes' AS regclass) AS oid)) AS place,
			LEAST(txid_snapshot_xmin(txid_current_snapshot()), (
				SELECT COALESCE(max(tx), 0) + 1 FROM identity_changes
				WHERE tx < txid_snapshot_xmax(txid_current_snapshot()))) AS next
	) now
	LEFT JOIN (
		SELECT user_id, tx FROM identity_changes
		WHERE tx >= $1 AND tx < txid_snapshot_xmax(txid_current_snapshot())
			AND tx <> ALL (CAST(string_to_array($3, ',') AS bigint[])) ORDER BY tx LIMIT $2
	) c ON TRUE`

// PostgresOptions say where a directory on a PostgreSQL server is.
type PostgresOptions struct {
	// URL is postgres://user:password@host:port/database?parameters, as libpq
	// and pgx know it. A character of the user or the password that is neither
	// letter nor digit is written as %XX.
	//
	// sslmode=verify-full is what a network asks for; without it the server is
	// not authenticated. Several hosts (a:5432,b:5432) are tried in order, and
	// the first that takes writes is used. connect_timeout is per host, in
	// seconds; default: 3. application_name defaults to doorward.
	// default_query_exec_mode defaults to exec, which leaves nothing behind on
	// the server, so that a pooler may be in between; cache_statement saves the
	// server some work where there is none.
	//
	// The role needs a database in UTF8, and a schema (the first of its
	// search_path) in which it may create tables.
	URL string

	// MaxConnections is how many connections one node may have open at the
	// same time. Default: 16. The server's max_connections (100, unless
	// configured) has to be enough for all nodes, and while one starts it has
	// two more.
	MaxConnections int

	// Now is the clock. Default: time.Now. While it is more than two minutes from
	// the server's, keys cannot be changed: see ErrClock.
	Now func() time.Time
}

// NewPostgres returns a Directory on a PostgreSQL server, version 12 or later.
// It does no I/O but to read the files that the URL or the environment names
// (certificates, a password file): the server is asked by Open. An error says
// what is wrong with the options and holds nothing of the URL.
func NewPostgres(o PostgresOptions) (*Directory, error) {
	config, err := parsePostgresURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("reading PostgreSQL URL: %w", err)
	}
	if o.MaxConnections < 0 {
		return nil, fmt.Errorf("directory: %d connections to PostgreSQL are too few", o.MaxConnections)
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = defaultConnections
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Directory{
		now:     o.Now,
		skew:    maxSkew,
		connect: func(ctx context.Context) (*database, error) { return connectPostgres(ctx, config, o.MaxConnections) },
	}, nil
}

func connectPostgres(ctx context.Context, config *pgx.ConnConfig, connections int) (*database, error) {
	if err := migratePostgres(ctx, config); err != nil {
		return nil, err
	}
	pool := openPostgres(config, connections)
	return &database{
		read:  pool,
		write: pool,
		query: pool,
		execute: func(ctx context.Context, statement string, args ...any) (int64, error) {
			return executePostgres(ctx, pool, statement, args...)
		},
		// Not what the role defaults to: change waits for another change of the
		// same user and then sees what that one did.
		isolation: sql.LevelReadCommitted,
		begin:     beginPostgres,
		changes:   changesPostgres,
		lockKeys:  lockKeysPostgres,
		clock:     clockPostgres,
		undone:    undoneByPostgres,

		beginExport: beginExportPostgres,
		beginImport: beginImportPostgres,
		endImport:   endImportPostgres,
		overriding:  overridingPostgres,
		copy:        copyPostgres,
	}, nil
}

// openPostgres returns a pool of at most n connections. It does not connect.
func openPostgres(config *pgx.ConnConfig, n int) *sql.DB {
	connector := stdlib.GetConnector(*config,
		stdlib.OptionShouldPing(func(ctx context.Context, p stdlib.ShouldPingParams) bool {
			if p.IdleDuration > trusted {
				ping(ctx, p.Conn)
			}
			return false // done, and with a limit that pgx does not know
		}))
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxIdleTime(connectionIdle)
	db.SetConnMaxLifetime(connectionLifetime)
	return db
}

// ping closes a connection that does not answer in time. The pool takes another
// one instead of a closed one.
func ping(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	if err := conn.PgConn().Ping(ctx); err != nil {
		conn.Close(ctx)
	}
}

// undoneByPostgres reports whether the server has rolled a transaction back
// because of another one (SQLSTATE 40001, 40P01). It says neither of a
// transaction that it may have committed.
func undoneByPostgres(err error) bool {
	return isPostgresError(err, "40001", "40P01")
}

// isPostgresError reports whether the server answered with one of these
// SQLSTATE codes.
func isPostgresError(err error, codes ...string) bool {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return false
	}
	for _, code := range codes {
		if refusal.Code == code {
			return true
		}
	}
	return false
}
