package ceremony

import (
	"context"
	"fmt"

	"github.com/doorward/doorward/directory"
)

// A Found is what a stranger is told of the account that has an address.
type Found struct {
	UserID, EmailID string
	Verified        bool
	HasPasskey      bool // one that works at the site
}

// Lookup tells who has an address, and what is left of the budget of whoever
// asks, which is never for nothing: each of the answers is worth something to
// somebody who collects addresses.
//
// It returns ErrLookup where strangers may not know, [directory.ErrAddress],
// [directory.ErrNotFound] for an address that nobody has, or that nobody has
// proved to own, a [LimitError], or a failure.
func (a *Accounts) Lookup(ctx context.Context, site Site, c Client, address string) (Found, Limit, error) {
	if !a.o.Lookup {
		return Found{}, Limit{}, ErrLookup
	}
	parsed, err := directory.ParseAddress(address)
	if err != nil {
		return Found{}, Limit{}, err
	}
	limit, err := a.spendLookup(ctx, c, parsed)
	if err != nil {
		return Found{}, limit, err
	}
	user, err := a.o.Directory.UserByAddress(ctx, parsed)
	if err != nil {
		return Found{}, limit, fmt.Errorf("looking up address: %w", err)
	}
	email, _ := emailOf(user, parsed)
	if !email.Verified {
		return Found{}, limit, fmt.Errorf("looking up address: not verified: %w", directory.ErrNotFound)
	}
	passkeys, err := passkeysAt(ctx, a.o.Directory, site, user.ID)
	if err != nil {
		return Found{}, limit, err
	}
	return Found{UserID: user.ID, EmailID: email.ID, Verified: true, HasPasskey: len(passkeys) > 0}, limit, nil
}

// spendLookup takes one from the budget of who looks an address up: a network, or
// a browser in which its owner has signed in before, and may want to again.
func (a *Accounts) spendLookup(ctx context.Context, c Client, address directory.Address) (Limit, error) {
	known, err := knownToOwner(ctx, a.o.Directory, c, address)
	if err != nil {
		return Limit{}, err
	}
	if known != nil {
		limit, err := spendKnown(ctx, a.o.Store, a.o.Now(), a.o.Lookups, lookupsBudget, *known)
		if !spent(err) {
			return limit, err
		}
	}
	return spend(ctx, a.o.Store, a.o.Now(), a.o.Lookups, lookupsBudget, c.Network)
}

// emailOf returns the address of user that is a.
func emailOf(user directory.User, a directory.Address) (directory.Email, bool) {
	for _, e := range user.Emails {
		if e.Address == a {
			return e, true
		}
	}
	return directory.Email{}, false
}

// emailByID returns the address of user that has an ID.
func emailByID(user directory.User, id string) (directory.Email, bool) {
	for _, e := range user.Emails {
		if e.ID == id {
			return e, true
		}
	}
	return directory.Email{}, false
}
