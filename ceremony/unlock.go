package ceremony

import (
	"context"
	"errors"

	"github.com/doorward/doorward/directory"
)

// A GuessingError says of a wrong passcode that it was the last that is looked at
// for an account in a while, whatever the next ones are ([Budgets].Wrong). It
// wraps what the visitor is told, which tells nothing of it. There is one for each
// time that the budget is spent.
type GuessingError struct {
	UserID string // whose account it is

	// Known says that it is the budget of one known browser, and not that of
	// everybody else.
	Known bool

	err error
}

func (e *GuessingError) Error() string { return "budget of wrong passcodes spent: " + e.err.Error() }

// Unwrap returns what the visitor is told.
func (e *GuessingError) Unwrap() error { return e.err }

// Proved gives the account of user, who has just signed in with a client, by
// whatever means, a whole budget of wrong passcodes again: as far as they have
// been guessed at, it was not with success. An error is a failure.
func (p *Passcodes) Proved(ctx context.Context, c Client, user directory.User) error {
	wrong := p.o.Budgets.Wrong
	of := []spentBudget{{wrong, wrongBudget, user.ID}}
	for _, email := range user.Emails {
		if email.Verified {
			of = append(of, spentBudget{wrong, wrongBudget, string(email.Address)})
		}
	}
	for _, k := range c.Known {
		if k.UserID == user.ID {
			of = append(of, spentBudget{wrong, wrongBudget + perDevice, k.Device})
		}
	}
	return refill(ctx, p.o.Store, p.o.Now(), of...)
}

// Unlock gives the account of user whole budgets again, of letters, tries and
// wrong passcodes: for an operator whom its owner asks. The budgets of networks, and
// that of a single known browser, are left as they are. An error is a failure.
func (p *Passcodes) Unlock(ctx context.Context, user directory.User) error {
	budgets := p.o.Budgets
	of := []spentBudget{
		{budgets.Begun, passcodesBudget + perUser, user.ID},
		{budgets.Letters, lettersBudget + perUser, user.ID},
		{budgets.Tries, triesBudget + perUser, user.ID},
		{budgets.Wrong, wrongBudget + perUser, user.ID},
	}
	whose := []string{user.ID}
	for _, email := range user.Emails {
		whose = append(whose, string(email.Address))
	}
	for _, who := range whose {
		of = append(of,
			spentBudget{budgets.Letters, lettersBudget, who},
			spentBudget{budgets.Letters, lettersBudget + asNamed, who},
			spentBudget{budgets.Tries, triesBudget, who},
			spentBudget{budgets.Tries, triesBudget + asNamed, who},
			spentBudget{budgets.Wrong, wrongBudget, who},
		)
	}
	return refill(ctx, p.o.Store, p.o.Now(), of...)
}

// Forget removes what the store keeps under the ID of a user who is gone. What
// strangers have spent under the ID, or under an address, stays until its time is
// over: that it is whole again would tell them that the account is gone. An error
// is a failure, and leaves what expires by itself.
func (p *Passcodes) Forget(ctx context.Context, userID string) error {
	budgets := p.o.Budgets
	return refill(ctx, p.o.Store, p.o.Now(),
		spentBudget{budgets.Tries, triesBudget, userID},
		spentBudget{budgets.Wrong, wrongBudget, userID},
		spentBudget{budgets.Begun, passcodesBudget + perUser, userID},
		spentBudget{budgets.Letters, lettersBudget + perUser, userID},
		spentBudget{budgets.Tries, triesBudget + perUser, userID},
		spentBudget{budgets.Wrong, wrongBudget + perUser, userID},
	)
}

// Forget removes what the store keeps under the ID of a user who is gone. An error
// is a failure, and leaves what expires by itself.
func (p *Passkeys) Forget(ctx context.Context, userID string) error {
	return refill(ctx, p.o.Store, p.o.Now(),
		spentBudget{p.o.Registrations, registrationsBudget, userID},
		spentBudget{p.o.Begun, loginsBudget + perUser, userID},
	)
}

// Forget removes what the store keeps under the ID of a user who is gone, such as
// the addresses that they were adding. An error is a failure, and leaves what
// expires by itself.
func (a *Accounts) Forget(ctx context.Context, userID string) error {
	return errors.Join(
		a.additions.forget(ctx, userID),
		refill(ctx, a.o.Store, a.o.Now(),
			spentBudget{a.o.Lookups, lookupsBudget + perUser, userID},
			spentBudget{a.o.Additions, additionsBudget, userID},
			spentBudget{a.o.Changes, changesBudget, userID},
		),
	)
}
