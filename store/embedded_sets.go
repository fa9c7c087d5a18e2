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
		_, err := db.add.Exec(set, member, e.millis(ttl))
		return err
	})
	return failed("adding to a set", err)
}

// Members implements [Store].
func (e *Embedded) Members(ctx context.Context, set string) ([]string, error) {
	var members []string
	err := e.read(ctx, func(db *database) (err error) {
		members, err = scanMembers(db.members.Query(set, e.millis(0)))
		return err
	})
	return members, failed("reading a set", err)
}

// Remove implements [Store].
func (e *Embedded) Remove(ctx context.Context, set, member string) error {
	err := e.write(ctx, func(db *database) error {
		_, err := db.remove.Exec(set, member)
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
