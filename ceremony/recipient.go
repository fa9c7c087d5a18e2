package ceremony

import (
	"context"
	"errors"
	"fmt"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/store"
)

// A Recipient is whom a passcode is wanted for: an address, or, as clients of the
// Hanko API say it, a user and which of their addresses.
type Recipient struct {
	Address string // alone, or empty

	// UserID is a user's, or was promised by [Accounts.SignUp]. Whoever knows it
	// may have a passcode sent, as with an address.
	UserID string

	// EmailID is that of an address of the user, of one that the visitor adds
	// ([Accounts.AddAddress]), or was promised with UserID. Default: that of the
	// primary address, or, of a user who is not there, what was promised.
	EmailID string

	// Visitor is the ID of the user who is signed in and asks, or empty. The IDs
	// above must be theirs then.
	Visitor string
}

// canonical returns r with what it names as we write it. What is wrong about it
// does not depend on who there is.
func (r Recipient) canonical() (Recipient, error) {
	if r.UserID == "" && r.EmailID == "" {
		a, err := directory.ParseAddress(r.Address)
		r.Address = string(a)
		return r, err
	}
	if r.Address != "" {
		return r, fmt.Errorf("%w: an address, and the ID of a user or an address, where one is wanted", ErrMalformed)
	}
	if r.UserID == "" {
		return r, fmt.Errorf("%w: the ID of an address without that of its user", ErrMalformed)
	}
	var ok bool
	if r.UserID, ok = canonicalID(r.UserID); !ok {
		return r, ErrUnknownUser
	}
	if r.EmailID == "" {
		return r, nil
	}
	if r.EmailID, ok = canonicalID(r.EmailID); !ok {
		return r, ErrUnknownEmail
	}
	return r, nil
}

// recipient returns the beginning of a ceremony for r.
func (p *Passcodes) recipient(ctx context.Context, r Recipient) (pendingPasscode, error) {
	if r.UserID == "" {
		return pendingPasscode{Address: directory.Address(r.Address)}, nil
	}
	pending, err := p.named(ctx, r)
	if unknown := errors.Is(err, ErrUnknownUser) || errors.Is(err, ErrUnknownEmail); unknown && !p.o.Lookup {
		switch r.Visitor {
		case "":
			pending, err = nobody(r), nil
		case r.UserID: // may know what is theirs
		default:
			err = ErrOtherUser
		}
	}
	if err != nil {
		return pendingPasscode{}, err
	}
	if pending.Adds == nil {
		pending.Named = r.UserID
	}
	return pending, nil
}

// nobody returns a ceremony that nobody can answer, for IDs that nobody has. Its
// address is in a domain where nobody reads mail (RFC 2606), so that what is done
// with it is what is done with any other.
func nobody(r Recipient) pendingPasscode {
	return pendingPasscode{Address: directory.Address(r.UserID + "@invalid"), Nobody: true}
}

// named returns the beginning of a ceremony for a user who is named by ID.
func (p *Passcodes) named(ctx context.Context, r Recipient) (pendingPasscode, error) {
	// The promise is asked for first, and so renewed, whether there is an account
	// with these IDs by now or not: for how long they are known would tell.
	promise, err := p.promises.byUser(ctx, r.UserID)
	promised := err == nil
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return pendingPasscode{}, err
	case promised && r.EmailID == promise.EmailID:
		return p.promised(ctx, r, promise)
	}
	user, err := p.o.Directory.User(ctx, r.UserID)
	switch {
	case errors.Is(err, directory.ErrNotFound) && promised:
		return p.promised(ctx, r, promise)
	case errors.Is(err, directory.ErrNotFound):
		return pendingPasscode{}, ErrUnknownUser
	case err != nil:
		return pendingPasscode{}, fmt.Errorf("looking up user: %w", err)
	case r.Visitor != "" && r.Visitor != user.ID:
		return pendingPasscode{}, ErrOtherUser
	}
	email, ok := user.Primary()
	if r.EmailID != "" {
		email, ok = emailByID(user, r.EmailID)
	}
	if !ok {
		return p.adding(ctx, r)
	}
	return pendingPasscode{Address: email.Address}, nil
}

// promised returns the ceremony for the address of a promise, whoever has it by
// now. Who is signed in has an account already, and can only mean that.
func (p *Passcodes) promised(ctx context.Context, r Recipient, promise promise) (pendingPasscode, error) {
	pending := pendingPasscode{Address: promise.Address, Promise: promise.UserID}
	if err := p.checkVisitor(ctx, pending, r.Visitor); err != nil {
		return pendingPasscode{}, err
	}
	if r.EmailID != "" && r.EmailID != promise.EmailID {
		return pendingPasscode{}, ErrUnknownEmail
	}
	return pending, nil
}

// adding returns the ceremony for an address that the visitor adds.
func (p *Passcodes) adding(ctx context.Context, r Recipient) (pendingPasscode, error) {
	if r.Visitor != r.UserID {
		return pendingPasscode{}, ErrUnknownEmail
	}
	added, err := p.additions.find(ctx, r.EmailID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return pendingPasscode{}, ErrUnknownEmail
	case err != nil:
		return pendingPasscode{}, err
	case added.UserID != r.UserID:
		return pendingPasscode{}, ErrUnknownEmail
	}
	return pendingPasscode{Address: added.Address, Adds: &added}, nil
}

// checkVisitor returns ErrOtherUser if somebody is signed in, and the user who
// has the ceremony's address is another one, or, unless the address is to be
// theirs, is not there yet.
func (p *Passcodes) checkVisitor(ctx context.Context, pending pendingPasscode, visitor string) error {
	if visitor == "" {
		return nil
	}
	user, err := p.o.Directory.UserByAddress(ctx, pending.Address)
	switch {
	case errors.Is(err, directory.ErrNotFound) && pending.Adds != nil:
		return nil
	case errors.Is(err, directory.ErrNotFound):
		return ErrOtherUser
	case err != nil:
		return fmt.Errorf("looking up user: %w", err)
	case user.ID != visitor:
		return ErrOtherUser
	}
	return nil
}
