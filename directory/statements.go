package directory

import (
	"context"
	"database/sql"
	"sync"
)

// A statements is a pool of connections that prepares each statement once and then
// keeps it: to read the text of a query takes SQLite longer than to answer it. The
// texts are constants of this package, so that there are not many.
type statements struct {
	pool *sql.DB

	mu       sync.Mutex
	prepared map[string]*sql.Stmt // by their text; freed with the pool
}

func newStatements(pool *sql.DB) *statements {
	return &statements{pool: pool, prepared: make(map[string]*sql.Stmt)}
}

// QueryContext implements querier.
func (s *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := s.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, args...)
}

// prepare returns the prepared statement with a text. It waits for a connection with
// the lock free: whoever is given one for the same text at the same time has made
// one too many, and closes it.
func (s *statements) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	s.mu.Lock()
	statement := s.prepared[text]
	s.mu.Unlock()
	if statement != nil {
		return statement, nil
	}
	statement, err := s.pool.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.prepared[text]; first != nil {
		_ = statement.Close() // not in use by anybody
		return first, nil
	}
	s.prepared[text] = statement
	return statement, nil
}

var _ querier = (*statements)(nil)
