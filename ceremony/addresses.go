package ceremony

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
)

// AddAddress begins to give user, who is signed in, one more address, and
// returns it as it will be. For an hour user may prove with a passcode that they
// own it ([Recipient] with its ID); until then it is not theirs.
//
// It returns [directory.ErrAddress], [directory.ErrTaken] for an address that
// they have, or, where strangers may look addresses up, that somebody else has,
// ErrTooManyAddresses, a [LimitError], or a failure.
func (a *Accounts) AddAddress(ctx context.Context, c Client, user directory.User, address string) (directory.Email, error) {
	parsed, err := directory.ParseAddress(address)
	if err != nil {
		return directory.Email{}, err
	}
	if _, has := emailOf(user, parsed); has {
		return directory.Email{}, directory.ErrTaken
	}
	if len(user.Emails) >= a.o.MaxAddresses {
		return directory.Email{}, ErrTooManyAddresses
	}
	now := a.o.Now()
	if _, err := spend(ctx, a.o.Store, now, a.o.Additions, additionsBudget, user.ID); err != nil {
		return directory.Email{}, err
	}
	if a.o.Lookup {
		_, err := a.o.Directory.UserByAddress(ctx, parsed)
		if err == nil {
			return directory.Email{}, directory.ErrTaken
		}
		if !errors.Is(err, directory.ErrNotFound) {
			return directory.Email{}, fmt.Errorf("looking up address: %w", err)
		}
	}
	added := addition{UserID: user.ID, EmailID: uuid.NewString(), Address: parsed, Most: a.o.MaxAddresses}
	if err := a.additions.keep(ctx, added); err != nil {
		return directory.Email{}, err
	}
	return directory.Email{ID: added.EmailID, Address: parsed, CreatedAt: now, UpdatedAt: now}, nil
}

// SetPrimary makes one of user's addresses the primary one, tells them at the
// one that was, and returns them as they are then.
//
// It returns [directory.ErrNotFound] for an address that is not theirs,
// [directory.ErrUnverified], a [LimitError], or a failure.
func (a *Accounts) SetPrimary(ctx context.Context, site Site, c Client, user directory.User, emailID string) (directory.User, error) {
	email, err := a.change(ctx, user, emailID)
	if err != nil {
		return directory.User{}, err
	}
	if err := a.o.Directory.SetPrimary(ctx, user.ID, email.ID); err != nil {
		return directory.User{}, fmt.Errorf("making address primary: %w", err)
	}
	if !email.Primary {
		a.notices.tellUser(site, c, user, mail.AddressPrimary, string(email.Address))
	}
	user, err = a.o.Directory.User(ctx, user.ID)
	if err != nil {
		return directory.User{}, fmt.Errorf("reading user again: %w", err)
	}
	return user, nil
}

// RemoveAddress takes one of user's addresses from them, tells them at the
// primary one and at the one that is gone.
//
// It returns [directory.ErrNotFound] for an address that is not theirs,
// [directory.ErrPrimary], a [LimitError], or a failure.
func (a *Accounts) RemoveAddress(ctx context.Context, site Site, c Client, user directory.User, emailID string) error {
	email, err := a.change(ctx, user, emailID)
	if err != nil {
		return err
	}
	if err := a.o.Directory.RemoveEmail(ctx, user.ID, email.ID); err != nil {
		return fmt.Errorf("removing address: %w", err)
	}
	a.notices.tellUser(site, c, user, mail.AddressRemoved, string(email.Address))
	if email.Verified { // else it may be a stranger's, whom the account does not concern
		a.notices.tell(site, c, email.Address, mail.AddressRemoved, string(email.Address))
	}
	return nil
}

// change returns the address of user that has an ID, for them to change it. Each
// change is a letter or two, and lines that are kept for good.
func (a *Accounts) change(ctx context.Context, user directory.User, emailID string) (directory.Email, error) {
	id, _ := canonicalID(emailID)
	email, ok := emailByID(user, id)
	if !ok {
		return directory.Email{}, directory.ErrNotFound
	}
	if _, err := spend(ctx, a.o.Store, a.o.Now(), a.o.Changes, changesBudget, user.ID); err != nil {
		return directory.Email{}, err
	}
	return email, nil
}

// Delete removes user with all they have, and tells them.
//
// It returns [directory.ErrNotFound] if they are gone already, or a failure.
func (a *Accounts) Delete(ctx context.Context, site Site, c Client, user directory.User) error {
	if err := a.o.Directory.RemoveUser(ctx, user.ID); err != nil {
		return fmt.Errorf("removing user: %w", err)
	}
	a.notices.tellUser(site, c, user, mail.AccountDeleted, "")
	return nil
}
