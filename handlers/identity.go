package handlers

import (
	"context"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/policy"
	"github.com/doorward/doorward/session"
)

// IdentityOf returns what sessions are told of a user.
func IdentityOf(u directory.User, at time.Time) session.Identity {
	id := session.Identity{
		Subject: u.ID, Name: u.Name, Groups: u.Groups, Added: u.Added, Disabled: u.Disabled, At: at,
	}
	if primary, ok := u.Primary(); ok {
		id.Email, id.EmailVerified = string(primary.Address), primary.Verified
	}
	return id
}

// Identities lets sessions ask a directory who their subjects are.
type Identities struct {
	Directory *directory.Directory
	Now       func() time.Time
}

// Of implements [session.Identities].
func (i Identities) Of(ctx context.Context, subjects ...string) ([]session.Identity, error) {
	users, err := i.Directory.UsersByID(ctx, subjects...)
	if err != nil {
		return nil, err
	}
	at := i.Now()
	identities := make([]session.Identity, len(users))
	for n, u := range users {
		identities[n] = IdentityOf(u, at)
	}
	return identities, nil
}

// Changed implements [session.Identities].
func (i Identities) Changed(ctx context.Context, mark string) (session.Changes, error) {
	changes, err := i.Directory.Changes(ctx, mark)
	if err != nil {
		return session.Changes{}, err
	}
	return session.Changes{Subjects: changes.Users, Mark: changes.Mark, Unbroken: changes.Unbroken}, nil
}

// door is a policy as ceremonies see it.
type door struct{ policy policy.Union }

// Admits implements [ceremony.Door].
func (d door) Admits(u directory.User) bool { return d.policy.Admits(IdentityOf(u, time.Time{})) }

// SignsUp implements [ceremony.Door].
func (d door) SignsUp(a directory.Address) bool { return d.policy.SignsUp(string(a), a.Domain()) }
