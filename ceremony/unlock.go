package ceremony

import (
	"context"
	"errors"
	"fmt"

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
	window, _ := p.o.Budgets.Wrong.window(p.o.Now())
	keys := []string{budgetKey(wrongBudget, user.ID, window)}
	for _, email := range user.Emails {
		if email.Verified {
			keys = append(keys, budgetKey(wrongBudget, string(email.Address), window))
		}
	}
	for _, k := range c.Known {
		if k.UserID == user.ID {
			keys = append(keys, budgetKey(wrongBudget+perDevice, k.Device, window))
		}
	}
	if err := p.o.Store.DeleteAll(ctx, keys...); err != nil {
		return fmt.Errorf("refilling %s: %w", wrongBudget, err)
	}
	return nil
}

// Unlock gives the account of user whole budgets again, of letters, tries and
// wrong passcodes: for an operator whom its owner asks. The budgets of networks, and
// that of a single known browser, are left as they are. An error is a failure.
func (p *Passcodes) Unlock(ctx context.Context, user directory.User) error {
	now, budgets := p.o.Now(), p.o.Budgets
	whose := []string{user.ID}
	for _, email := range user.Emails {
		whose = append(whose, string(email.Address))
	}
	var failures []error
	again := func(b Budget, name, who string) {
		failures = append(failures, refill(ctx, p.o.Store, now, b, name, who))
	}
	for _, who := range whose {
		again(budgets.Letters, lettersBudget, who)
		again(budgets.Letters, lettersBudget+asNamed, who)
		again(budgets.Tries, triesBudget, who)
		again(budgets.Tries, triesBudget+asNamed, who)
		again(budgets.Wrong, wrongBudget, who)
	}
	again(budgets.Begun.ofAllKnown(), passcodesBudget+perUser, user.ID)
	again(budgets.Letters.ofAllKnown(), lettersBudget+perUser, user.ID)
	again(budgets.Tries.ofAllKnown(), triesBudget+perUser, user.ID)
	again(budgets.Wrong.ofAllKnown(), wrongBudget+perUser, user.ID)
	return errors.Join(failures...)
}

// Forget removes what the store keeps under the ID of a user who is gone. What
// strangers have spent under the ID, or under an address, stays until its time is
// over: that it is whole again would tell them that the account is gone. An error
// is a failure, and leaves what expires by itself.
func (p *Passcodes) Forget(ctx context.Context, userID string) error {
	now, budgets := p.o.Now(), p.o.Budgets
	return errors.Join(
		refill(ctx, p.o.Store, now, budgets.Tries, triesBudget, userID),
		refill(ctx, p.o.Store, now, budgets.Wrong, wrongBudget, userID),
		refill(ctx, p.o.Store, now, budgets.Begun, passcodesBudget+perUser, userID),
		refill(ctx, p.o.Store, now, budgets.Letters, lettersBudget+perUser, userID),
		refill(ctx, p.o.Store, now, budgets.Tries, triesBudget+perUser, userID),
		refill(ctx, p.o.Store, now, budgets.Wrong, wrongBudget+perUser, userID),
	)
}

// Forget removes what the store keeps under the ID of a user who is gone. An error
// is a failure, and leaves what expires by itself.
func (p *Passkeys) Forget(ctx context.Context, userID string) error {
	now := p.o.Now()
	return errors.Join(
		refill(ctx, p.o.Store, now, p.o.Registrations, registrationsBudget, userID),
		refill(ctx, p.o.Store, now, p.o.Begun, loginsBudget+perUser, userID),
	)
}

// Forget removes what the store keeps under the ID of a user who is gone, such as
// the addresses that they were adding. An error is a failure, and leaves what
// expires by itself.
func (a *Accounts) Forget(ctx context.Context, userID string) error {
	now := a.o.Now()
	return errors.Join(
		a.additions.forget(ctx, userID),
		refill(ctx, a.o.Store, now, a.o.Lookups, lookupsBudget+perUser, userID),
		refill(ctx, a.o.Store, now, a.o.Additions, additionsBudget, userID),
		refill(ctx, a.o.Store, now, a.o.Changes, changesBudget, userID),
	)
}
