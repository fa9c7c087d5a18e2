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
// be named again, or in vain, while a transaction is open that began before a change
// was made.
func (d *Directory) Changes(ctx context.Context, mark string) (Changes, error) {
	const doing = "asking for changes"
	db, err := d.opened()
	if err != nil {
		return Changes{}, fmt.Errorf("%s: %w", doing, err)
	}
	since := parseMark(mark)
	rows, err := read(ctx, d, doing, scanChange, db.changes, since.next, maxChanges+1)
	if err != nil {
		return Changes{}, err
	}
	now := rows[0].mark // there is a row also where nobody changed
	if now.place != since.place || now.next < since.next || len(rows) > maxChanges {
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
// change may have which was not seen there yet.
type changeMark struct {
	place string
	next  int64
}

// parseMark reads what String wrote. What it did not write becomes a mark that is of no
// place, and that no change comes behind.
func parseMark(s string) changeMark {
	place, number, _ := strings.Cut(s, ":")
	next, err := strconv.ParseInt(number, 10, 64)
	if err != nil || next < 0 {
		return changeMark{next: math.MaxInt64}
	}
	return changeMark{place, next}
}

func (m changeMark) String() string { return m.place + ":" + strconv.FormatInt(m.next, 10) }

// A changeRow is one of the rows that the query changes of a database answers: the mark
// of now, and one user, or none in the only row.
type changeRow struct {
	mark changeMark
	user sql.NullString
}

func scanChange(rows *sql.Rows) (changeRow, error) {
	var r changeRow
	err := rows.Scan(&r.mark.place, &r.mark.next, &r.user)
	return r, err
}
