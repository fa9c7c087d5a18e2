package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/handlers"
	"github.com/doorward/doorward/session"
)

// operator is what an operator can do to users and sessions. Each change is
// written to the directory first and then told to the sessions, so that it takes
// effect at once on all nodes; if telling fails, the operator hears of it and
// does it again.
type operator struct {
	directory *directory.Directory
	sessions  *session.Sessions
	keys      *session.KeySet
	passcodes *ceremony.Passcodes
	passkeys  *ceremony.Passkeys
	accounts  *ceremony.Accounts
}

// operator returns what an operator can do to a running app.
func (a *App) operator() operator {
	return operator{a.directory.Directory, a.core.sessions, a.core.keys, a.core.passcodes, a.core.passkeys, a.core.accounts}
}

// errNoUser and errNoSession tell an operator what is not there.
var (
	errNoUser    = errors.New("no such user")
	errNoSession = errors.New("no such session of this user")
)

// find returns a user by ID or address.
func (o operator) find(ctx context.Context, who string) (u directory.User, err error) {
	if a, parseErr := directory.ParseAddress(who); parseErr == nil {
		u, err = o.directory.UserByAddress(ctx, a)
	} else {
		u, err = o.directory.User(ctx, who)
	}
	if errors.Is(err, directory.ErrNotFound) {
		return directory.User{}, fmt.Errorf("%s: %w", who, errNoUser)
	}
	return u, err
}

// endSession ends one session of a user. Whoever mistypes an ID hears of it: a
// session that they meant to end is still open.
func (o operator) endSession(ctx context.Context, who, id string) error {
	u, err := o.find(ctx, who)
	if err != nil {
		return err
	}
	live, err := o.sessions.List(ctx, u.ID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(live, func(s session.Session) bool { return s.ID == id }) {
		return fmt.Errorf("%s: %w", id, errNoSession)
	}
	if err := o.sessions.End(ctx, u.ID, id); err != nil {
		return err
	}
	return o.note(ctx, u.ID, "session_ended", "")
}

// add makes a user, or confirms one who signed up. Name and groups of an
// existing user are replaced where they are given.
func (o operator) add(ctx context.Context, address, name string, groups []string) (directory.User, bool, error) {
	a, err := directory.ParseAddress(address)
	if err != nil {
		return directory.User{}, false, err
	}
	created, err := o.directory.CreateUser(ctx, directory.NewUser{Address: a, Name: name, Added: true, Groups: groups})
	if err == nil {
		return created, true, o.note(ctx, created.ID, "user_added", "")
	}
	if !errors.Is(err, directory.ErrTaken) {
		return directory.User{}, false, err
	}
	u, err := o.directory.UserByAddress(ctx, a)
	if err != nil {
		return directory.User{}, false, err
	}
	if err := o.directory.SetAdded(ctx, u.ID, true); err != nil {
		return directory.User{}, false, err
	}
	if name != "" {
		if err := o.directory.SetName(ctx, u.ID, name); err != nil {
			return directory.User{}, false, err
		}
	}
	if len(groups) > 0 {
		if err := o.directory.SetGroups(ctx, u.ID, groups); err != nil {
			return directory.User{}, false, err
		}
	}
	u, err = o.changed(ctx, u.ID, "user_added", "")
	return u, false, err
}

// disable signs a user out everywhere and lets them sign in no more; enable lets
// them again.
func (o operator) disable(ctx context.Context, who string, disabled bool) (directory.User, error) {
	u, err := o.find(ctx, who)
	if err != nil {
		return directory.User{}, err
	}
	if err := o.directory.SetDisabled(ctx, u.ID, disabled); err != nil {
		return directory.User{}, err
	}
	what := "user_enabled"
	if disabled {
		what = "user_disabled"
	}
	return o.changed(ctx, u.ID, what, "")
}

// unlock gives a user whole budgets again: of letters, of tries, and of wrong
// passcodes.
func (o operator) unlock(ctx context.Context, who string) (directory.User, error) {
	u, err := o.find(ctx, who)
	if err != nil {
		return directory.User{}, err
	}
	if err := o.passcodes.Unlock(ctx, u); err != nil {
		return directory.User{}, err
	}
	return u, o.note(ctx, u.ID, "user_unlocked", "")
}

// setGroups replaces the groups of a user.
func (o operator) setGroups(ctx context.Context, who string, groups []string) (directory.User, error) {
	u, err := o.find(ctx, who)
	if err != nil {
		return directory.User{}, err
	}
	if err := o.directory.SetGroups(ctx, u.ID, groups); err != nil {
		return directory.User{}, err
	}
	return o.changed(ctx, u.ID, "groups_changed", "")
}

// remove removes a user with all they have, and signs them out everywhere.
func (o operator) remove(ctx context.Context, who string) error {
	u, err := o.find(ctx, who)
	if err != nil {
		return err
	}
	if err := o.directory.RemoveUser(ctx, u.ID); err != nil {
		return err
	}
	identity := handlers.IdentityOf(u, now())
	identity.Disabled = true
	return errors.Join(
		o.sessions.IdentityChanged(ctx, identity),
		o.passcodes.Forget(ctx, u.ID), o.passkeys.Forget(ctx, u.ID), o.accounts.Forget(ctx, u.ID),
		o.note(ctx, u.ID, "user_removed", ""),
	)
}

// changed tells the sessions of a change to a user, and returns them as they are
// now.
func (o operator) changed(ctx context.Context, id, what, detail string) (directory.User, error) {
	u, err := o.directory.User(ctx, id)
	if err != nil {
		return directory.User{}, err
	}
	if err := o.sessions.IdentityChanged(ctx, handlers.IdentityOf(u, now())); err != nil {
		return directory.User{}, fmt.Errorf("the change is made, but open sessions could not be told; do it again: %w", err)
	}
	return u, o.note(ctx, id, what, detail)
}

// note writes an audit record of what an operator did.
func (o operator) note(ctx context.Context, userID, what, detail string) error {
	err := o.directory.Record(ctx, directory.Event{At: now(), Type: what, UserID: userID, Detail: detail, Client: "operator"})
	if err != nil {
		return fmt.Errorf("recording %s: %w", what, err)
	}
	return nil
}
