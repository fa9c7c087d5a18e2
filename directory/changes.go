package directory

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxChanges is how many users Changes names at most. Whoever keeps more than that in
// memory does better to ask about those who are in use.
const maxChanges = 1000

// Changes are those whose identity may have changed: their name, addresses, groups, and
// whether they are disabled, added or there at all.
type Changes struct {
	Users    []string // IDs of those who may have been changed or removed, each once
	Mark     string   // where to go on the next time
	Unbroken bool     // Users are all who were changed since the mark that was asked with
}

// Changes returns whose identity may have changed since a mark, which an earlier call
// returned. It is for whoever keeps users in memory, and is one cheap query, to be asked
// every second. With "" or with a mark that cannot be gone on from (another server, a
// database restored, more than 1,000 users changed) it returns a Mark and Unbroken false:
// nothing is known of what was before. An error is a failure of the directory; the mark
// stays good.
//
// A change that is committed before the call begins, and that the call which returned
// the mark did not see, is in Users, or Unbroken is false. It does not matter who made
// it: triggers of the database note changes, also those that are made by hand. Signing
// in, passkeys and audit records are no changes; a new user may be named. Somebody may
// be named again, or in vain, if very many transactions have changed users while one is
// open that began before them.
func (d *Directory) Changes(ctx context.Context, mark string) (Changes, error) {
	const doing = "asking for changes"
	db, err := d.opened()
	if err != nil {
		return Changes{}, fmt.Errorf("%s: %w", doing, err)
	}
	since := parseMark(mark)
	rows, err := read(ctx, d, doing, scanChange, db.changes, since.next, maxChanges+1, numbers(since.seen))
	if err != nil {
		return Changes{}, err
	}
	now := rows[0].mark // there is a row also where nobody changed
	if now.place != since.place || now.next < since.next {
		return Changes{Mark: now.String()}, nil
	}
	now.seen = slices.DeleteFunc(since.seen, func(n int64) bool { return n < now.next })
	for _, r := range rows {
		if r.user.Valid && r.n >= now.next {
			now.see(r.n)
		}
	}
	if len(rows) > maxChanges {
		return Changes{Mark: now.String()}, nil
	}
	return Changes{Users: changedUsers(rows), Mark: now.String(), Unbroken: true}, nil
}

// changedUsers returns each user of these rows once. A user has several rows if
// transactions that ran at the same time have changed them.
func changedUsers(rows []changeRow) []string {
	var users []string
	for _, r := range rows {
		if r.user.Valid {
			users = append(users, r.user.String)
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// A changeMark is a place, whose numbers are comparable, and the least number that a
// change may have which was not seen there yet. Above it there may be some that were: a
// transaction of which anything is to be seen has ended, and changes nothing more.
type changeMark struct {
	place string
	next  int64
	seen  []int64
}

// maxSeen is how many numbers a mark has at most, the latest. Changes with others are named
// again.
const maxSeen = 100

func (m *changeMark) see(n int64) {
	if slices.Contains(m.seen, n) {
		return
	}
	if m.seen = append(m.seen, n); len(m.seen) > maxSeen {
		m.seen = m.seen[1:]
	}
}

// parseMark reads what String wrote. What it did not write becomes a mark that is of no
// place, and that no change comes behind.
func parseMark(s string) changeMark {
	place, rest, _ := strings.Cut(s, ":")
	m := changeMark{place: place}
	for i, number := range strings.Split(rest, ",") {
		n, err := strconv.ParseInt(number, 10, 64)
		switch {
		case err != nil || n < 0 || len(m.seen) == maxSeen:
			return changeMark{next: math.MaxInt64}
		case i == 0:
			m.next = n
		default:
			m.seen = append(m.seen, n)
		}
	}
	return m
}

func (m changeMark) String() string {
	return m.place + ":" + numbers(append([]int64{m.next}, m.seen...))
}

// numbers writes numbers with commas in between.
func numbers(all []int64) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, ",")
}

// A changeRow is one of the rows that the query changes of a database answers: the mark
// of now, and one user, or none in the only row.
type changeRow struct {
	mark changeMark
	user sql.NullString
	n    int64 // of the change
}

func scanChange(rows *sql.Rows) (changeRow, error) {
	var r changeRow
	err := rows.Scan(&r.mark.place, &r.mark.next, &r.user, &r.n)
	return r, err
}
