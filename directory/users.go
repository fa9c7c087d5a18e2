package directory

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// CreateUser adds a user who has one address. It returns ErrTaken if the
// address belongs to somebody, or an ID that was promised is in use: of any
// number of concurrent calls for one address or one ID, one creates a user. It
// returns ErrAddress, ErrName or ErrGroup for what no user may have.
func (d *Directory) CreateUser(ctx context.Context, n NewUser) (User, error) {
	if !n.Address.isCanonical() {
		return User{}, ErrAddress
	}
	name, err := cleanName(n.Name)
	if err != nil {
		return User{}, err
	}
	groups, err := cleanGroups(n.Groups)
	if err != nil {
		return User{}, err
	}

	id, err := idOr(n.ID)
	if err != nil {
		return User{}, fmt.Errorf("creating user: %w", err)
	}
	emailID, err := idOr(n.EmailID)
	if err != nil {
		return User{}, fmt.Errorf("creating user: its address has %w", err)
	}

	now := d.moment()
	email := Email{ID: emailID, Address: n.Address, Verified: n.Verified, Primary: true, CreatedAt: now, UpdatedAt: now}
	u := User{ID: id, Name: name, Added: n.Added, Groups: groups, Emails: []Email{email}, CreatedAt: now, UpdatedAt: now}
	err = d.write(ctx, "creating user", func(ctx context.Context, tx *sql.Tx) error {
		err := exec(ctx, tx, ErrTaken, `
			INSERT INTO users (id, name, disabled, added, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (id) DO NOTHING`,
			u.ID, u.Name, u.Disabled, u.Added, micros(u.CreatedAt), micros(u.UpdatedAt))
		if err != nil {
			return err
		}
		if err := insertEmail(ctx, tx, u.ID, email); err != nil {
			return err
		}
		return insertGroups(ctx, tx, u.ID, u.Groups)
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// User returns the user with this ID, or ErrNotFound.
func (d *Directory) User(ctx context.Context, id string) (User, error) {
	if !isID(id) {
		return User{}, ErrNotFound
	}
	return d.user(ctx, "looking up user", `u.id = $1`, id)
}

// UsersByID returns those of the users with these IDs who exist, in no particular order.
// Asking for many at once takes a fraction of the time that as many calls of User do.
func (d *Directory) UsersByID(ctx context.Context, ids ...string) ([]User, error) {
	possible := make([]any, 0, len(ids))
	for _, id := range ids {
		if isID(id) {
			possible = append(possible, id)
		}
	}
	var found []User
	for few := range slices.Chunk(possible, idsAtOnce) {
		condition := `u.id = $1`
		if len(few) > 1 {
			condition = byIDs
			for len(few) < idsAtOnce {
				few = append(few, few[0])
			}
		}
		users, err := d.users(ctx, "looking up users", condition, few...)
		if err != nil {
			return nil, err
		}
		found = append(found, users...)
	}
	return found, nil
}

// idsAtOnce is how many users one query of UsersByID is about. It always has as many
// arguments, so that there is one statement to prepare.
const idsAtOnce = 64

// byIDs is the condition for the users with the IDs $1 and so on.
var byIDs = func() string {
	places := make([]string, idsAtOnce)
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	return `u.id IN (` + strings.Join(places, ", ") + `)`
}()

// UserByAddress returns the user who has this address, verified or not, or
// ErrNotFound.
func (d *Directory) UserByAddress(ctx context.Context, a Address) (User, error) {
	if !isText(string(a)) {
		return User{}, ErrNotFound
	}
	return d.user(ctx, "looking up user by address", `u.id = (SELECT user_id FROM emails WHERE address = $1)`, string(a))
}

// Users returns at most limit users in the order of their IDs, beginning with
// the one behind after: the last ID of the page before, or "" for the first
// page. A page is one query, however long it is. An after that cannot be an ID
// is ErrNotFound.
func (d *Directory) Users(ctx context.Context, after string, limit int) ([]User, error) {
	if after != "" && !isID(after) {
		return nil, ErrNotFound
	}
	if limit < 1 {
		return nil, nil
	}
	return d.users(ctx, "listing users", page, after, limit)
}

// SetDisabled disables a user, or enables one again.
func (d *Directory) SetDisabled(ctx context.Context, id string, disabled bool) error {
	return d.change(ctx, "disabling or enabling user", id, func(ctx context.Context, tx *sql.Tx) error {
		return exec(ctx, tx, ErrNotFound, `UPDATE users SET disabled = $2 WHERE id = $1`, id, disabled)
	})
}

// SetAdded says whether an operator added or confirmed a user.
func (d *Directory) SetAdded(ctx context.Context, id string, added bool) error {
	return d.change(ctx, "confirming user", id, func(ctx context.Context, tx *sql.Tx) error {
		return exec(ctx, tx, ErrNotFound, `UPDATE users SET added = $2 WHERE id = $1`, id, added)
	})
}

// SetName names a user. It returns ErrName for what is no name.
func (d *Directory) SetName(ctx context.Context, id, name string) error {
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	return d.change(ctx, "naming user", id, func(ctx context.Context, tx *sql.Tx) error {
		return exec(ctx, tx, ErrNotFound, `UPDATE users SET name = $2 WHERE id = $1`, id, name)
	})
}

// SetGroups puts a user into these groups and no others. It returns ErrGroup
// for what is no name of a group.
func (d *Directory) SetGroups(ctx context.Context, id string, groups []string) error {
	groups, err := cleanGroups(groups)
	if err != nil {
		return err
	}
	return d.change(ctx, "setting groups", id, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM user_groups WHERE user_id = $1`, id); err != nil {
			return err
		}
		return insertGroups(ctx, tx, id, groups)
	})
}

// RemoveUser removes a user with all addresses, groups and passkeys. What the
// audit records tell about them stays.
func (d *Directory) RemoveUser(ctx context.Context, id string) error {
	return d.change(ctx, "removing user", id, func(ctx context.Context, tx *sql.Tx) error {
		// The rest goes by ON DELETE CASCADE.
		return exec(ctx, tx, ErrNotFound, `DELETE FROM users WHERE id = $1`, id)
	})
}

// change writes to what belongs to a user, or returns ErrNotFound. It notes
// the time at the user first, which makes concurrent changes of one user take
// turns also where the database has many writers.
func (d *Directory) change(ctx context.Context, doing, userID string, change func(context.Context, *sql.Tx) error) error {
	if !isID(userID) {
		return ErrNotFound
	}
	return d.write(ctx, doing, func(ctx context.Context, tx *sql.Tx) error {
		err := exec(ctx, tx, ErrNotFound, `UPDATE users SET updated_at = $2 WHERE id = $1`, userID, micros(d.moment()))
		if err != nil {
			return err
		}
		return change(ctx, tx)
	})
}

func insertGroups(ctx context.Context, tx *sql.Tx, userID string, groups []string) error {
	for _, group := range groups {
		_, err := tx.ExecContext(ctx, `INSERT INTO user_groups (user_id, name) VALUES ($1, $2)`, userID, group)
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) user(ctx context.Context, doing, where string, args ...any) (User, error) {
	users, err := d.users(ctx, doing, where, args...)
	if err != nil {
		return User{}, err
	}
	if len(users) == 0 {
		return User{}, ErrNotFound
	}
	return users[0], nil
}

// users returns whole users by one query.
func (d *Directory) users(ctx context.Context, doing, where string, args ...any) ([]User, error) {
	rows, err := read(ctx, d, doing, scanUser, selectUsers(where), args...)
	if err != nil {
		return nil, err
	}
	return wholeUsers(rows), nil
}

// page is the condition for the $2 users behind $1, in the order of their IDs.
const page = `u.id IN (SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2)`

// userColumns are what a userRow holds. Names of groups hold no space, so that one
// string carries them.
const userColumns = `u.id, u.name, u.disabled, u.added, u.created_at, u.updated_at,
	COALESCE((SELECT string_agg(name, ' ') FROM user_groups WHERE user_id = u.id), ''),
	COALESCE(e.id, ''), COALESCE(e.address, ''), COALESCE(e.verified, FALSE), COALESCE(e.is_primary, FALSE),
	e.created_at, e.updated_at`

const userOrder = ` ORDER BY u.id, e.is_primary DESC, e.created_at, e.id`

// selectUsers is a query that answers a row for each address.
func selectUsers(where string) string {
	return `SELECT ` + userColumns + ` FROM users u LEFT JOIN emails e ON e.user_id = u.id WHERE ` + where + userOrder
}

// wholeUsers makes users of the rows of selectUsers.
func wholeUsers(rows []User) []User {
	var users []User
	for _, u := range rows {
		if n := len(users); n > 0 && users[n-1].ID == u.ID {
			users[n-1].Emails = append(users[n-1].Emails, u.Emails...)
		} else {
			users = append(users, u)
		}
	}
	return users
}

// scanUser returns a user with the one address of this row, or none.
func scanUser(rows *sql.Rows) (User, error) {
	var r userRow
	if err := rows.Scan(r.columns()...); err != nil {
		return User{}, err
	}
	return r.whole(), nil
}

// A userRow is a row of userColumns.
type userRow struct {
	user   User
	email  Email
	groups string
}

// columns returns where the values of userColumns belong.
func (r *userRow) columns() []any {
	u, e := &r.user, &r.email
	return []any{
		&u.ID, &u.Name, &u.Disabled, &u.Added, (*micros)(&u.CreatedAt), (*micros)(&u.UpdatedAt),
		&r.groups,
		&e.ID, (*string)(&e.Address), &e.Verified, &e.Primary, (*micros)(&e.CreatedAt), (*micros)(&e.UpdatedAt),
	}
}

// whole returns the user of the row.
func (r *userRow) whole() User {
	u := r.user
	if r.groups != "" {
		u.Groups = strings.Split(r.groups, " ")
		slices.Sort(u.Groups)
	}
	if r.email.ID != "" {
		u.Emails = []Email{r.email}
	}
	return u
}
