package directory

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Migrations are never edited once released, and there is no way back: who
// wants the older program restores the older backup.
//
//go:embed migrations
var migrations embed.FS

// versionTable is named after the program, because a database server may be
// shared with applications that use the same migration library.
const versionTable = "doorward_schema"

// A schema is the tables that this program expects in a database.
type schema struct {
	provider *goose.Provider
	db       *sql.DB
	exists   string // asks how many tables are called $1
	target   int64  // the version that this program knows
}

// newSchema reads the migrations in the folder that is named after the
// database. It does not talk to db.
func newSchema(db *sql.DB, dialect goose.Dialect, folder, exists string) (*schema, error) {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return nil, fmt.Errorf("reading migrations: %w", err)
	}
	provider, err := goose.NewProvider(dialect, db, files,
		goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("reading migrations: %w", err)
	}
	sources := provider.ListSources()
	return &schema{provider, db, exists, sources[len(sources)-1].Version}, nil
}

// current reports whether the database needs no migration, or returns
// ErrNewerSchema. It writes nothing, which is why it does not ask the
// provider: that one makes the version table before it answers.
func (s *schema) current(ctx context.Context) (bool, error) {
	var tables int
	if err := s.db.QueryRowContext(ctx, s.exists, versionTable).Scan(&tables); err != nil {
		return false, fmt.Errorf("looking for the schema version: %w", err)
	}
	if tables == 0 {
		return false, nil
	}
	var version int64
	err := s.db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM `+versionTable).Scan(&version)
	if err != nil {
		return false, fmt.Errorf("reading the schema version: %w", err)
	}
	if version > s.target {
		return false, fmt.Errorf("%w: its schema is version %d, this program knows %d", ErrNewerSchema, version, s.target)
	}
	return version == s.target, nil
}

// migrate applies the migrations that are missing. The caller holds the lock
// of the database.
func (s *schema) migrate(ctx context.Context) error {
	if _, err := s.provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}
