package store

import (
	"context"
	"database/sql"
	"time"
)

const (
	addMember = `
INSERT INTO members (name, member, expires) VALUES (?, ?, ?)
ON CONFLICT (name, member) DO UPDATE SET expires = excluded.expires`

	liveMembers = `SELECT member FROM members WHERE name = ? AND expires > ?`

	removeMember = `DELETE FROM members WHERE name = ? AND member = ?`
)

// Add implements [Store].
func (e *Embedded) Add(ctx context.Context, set, member string, ttl time.Duration) error {
	err := e.write(ctx, func(db *database) error {
		_, err := db.add.ExecContext(ctx, set, member, e.millis(ttl))
		return err
	})
	return failed("adding to a set", err)
}

// Members implements [Store].
func (e *Embedded) Members(ctx context.Context, set string) ([]string, error) {
	db, err := e.database()
	if err != nil {
		return nil, err
	}
	members, err := scanMembers(db.members.QueryContext(ctx, set, e.millis(0)))
	return members, failed("reading a set", err)
}

// Remove implements [Store].
func (e *Embedded) Remove(ctx context.Context, set, member string) error {
	err := e.write(ctx, func(db *database) error {
		_, err := db.remove.ExecContext(ctx, set, member)
		return err
	})
	return failed("removing from a set", err)
}

func scanMembers(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var members []string
	for rows.Next() {
		var member string
		if err := rows.Scan(&member); err != nil {
			return nil, err
		}
		members = append(members, member)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return members, nil
}
