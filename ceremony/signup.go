package ceremony

import (
	"context"
	"errors"
	"fmt"

	"github.com/doorward/doorward/directory"
)

// A SignUp is an account in the making: the IDs that it will have.
type SignUp struct{ UserID, EmailID string }

// SignUp promises an account to whoever will prove that they own address, for an
// hour since it was last asked about. It makes nothing that lasts: who asks again
// is promised the same, also if the account was made meanwhile, or deleted. It is
// made with these IDs once; later they only stand for whoever has the address.
//
// Where strangers may not look addresses up, everybody is promised something:
// the owner of an address that has an account is signed in to it in the end, and
// whoever may not sign up is sent no passcode. Where they may, it returns
// ErrAccountExists for an address that somebody has proved to own, and
// ErrNotAllowed if its owner could not sign up; an account that waits for its
// first sign-in is not promised, but named.
//
// It returns [directory.ErrAddress], a [LimitError], or a failure, too.
func (a *Accounts) SignUp(ctx context.Context, door Door, c Client, address string) (SignUp, Limit, error) {
	parsed, err := directory.ParseAddress(address)
	if err != nil {
		return SignUp{}, Limit{}, err
	}
	limit, err := spend(ctx, a.o.Store, a.o.Now(), a.o.SignUps, signUpsBudget, c.Network)
	if err != nil {
		return SignUp{}, limit, err
	}
	if a.o.Lookup {
		waiting, err := a.waiting(ctx, door, parsed)
		if err != nil || waiting != (SignUp{}) {
			return waiting, limit, err
		}
	}
	promised, err := a.promises.make(ctx, parsed)
	if err != nil {
		return SignUp{}, limit, err
	}
	return SignUp{promised.UserID, promised.EmailID}, limit, nil
}

// waiting returns the account that waits for its owner's first sign-in, or none
// if they may make one.
func (a *Accounts) waiting(ctx context.Context, door Door, address directory.Address) (SignUp, error) {
	user, err := a.o.Directory.UserByAddress(ctx, address)
	switch {
	case errors.Is(err, directory.ErrNotFound) && (a.o.Closed || !door.SignsUp(address)):
		return SignUp{}, ErrNotAllowed
	case errors.Is(err, directory.ErrNotFound):
		return SignUp{}, nil
	case err != nil:
		return SignUp{}, fmt.Errorf("looking up user: %w", err)
	}
	email, _ := emailOf(user, address)
	if email.Verified {
		return SignUp{}, ErrAccountExists
	}
	return SignUp{user.ID, email.ID}, nil
}
