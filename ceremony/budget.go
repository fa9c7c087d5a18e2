package ceremony

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/store"
)

// A Budget is how often something may happen within a time.
type Budget struct {
	Times int64
	Per   time.Duration
}

// Budgets bound what strangers can do. They hold across ceremonies and nodes, so
// that beginning again resets nothing.
//
// A browser in which the owner of an address has signed in before (see
// [Client.Known]) spends none of them for that address, but budgets of its own, of
// the same size: so nobody can shut out the people whose addresses they know, not
// even from the same network.
type Budgets struct {
	// Letters to one address, and asked for under one user ID. Default: 10 an hour.
	Letters Budget

	// Begun ceremonies that send letters, from one network. Default: 100 an hour.
	Begun Budget

	// Tries of passcodes for one address, for one account by all of its addresses,
	// and under one user ID, right or wrong. Default: 20 an hour.
	Tries Budget

	// Wrong passcodes for one address, and for one account by all of its addresses,
	// until its owner signs in ([Passcodes.Proved]). While they are spent, a right
	// passcode is a wrong one, and nobody is told. Default: 100 in 7 days, which is the
	// number of NIST SP 800-63B, section 5.2.2, but not its rule: it does not ask for
	// a window.
	Wrong Budget

	// TriesFrom one network, so that one passcode tried on many addresses meets a
	// wall. Default: 300 an hour.
	TriesFrom Budget
}

// withDefaults returns b with the defaults filled in.
func (b Budgets) withDefaults() Budgets {
	if b.Wrong.Times == 0 {
		b.Wrong = Budget{100, 7 * 24 * time.Hour}
	}
	return Budgets{
		Letters: b.Letters.or(10), Begun: b.Begun.or(100), Tries: b.Tries.or(20), Wrong: b.Wrong, TriesFrom: b.TriesFrom.or(300),
	}
}

// The names of budgets in the store.
const (
	lettersBudget       = "letters"
	passcodesBudget     = "passcodes-begun"
	triesBudget         = "passcode-tries"
	wrongBudget         = "passcodes-wrong"
	triesFromBudget     = "passcode-tries-from"
	lookupsBudget       = "lookups"
	signUpsBudget       = "sign-ups-begun"
	additionsBudget     = "addresses-begun"
	changesBudget       = "addresses-changed"
	loginsBudget        = "logins-begun"
	registrationsBudget = "registrations-begun"

	// asNamed ends the name of a budget of whatever a stranger named, and perUser
	// that of a budget which all known browsers of a user share. A known browser's
	// own ends in perDevice.
	asNamed   = "-as"
	perUser   = "-known-to"
	perDevice = "-known-as"
)

// limitName returns what the option limits calls a budget.
func limitName(budget string) string {
	for _, kind := range []string{asNamed, perUser, perDevice} {
		budget = strings.TrimSuffix(budget, kind)
	}
	return map[string]string{
		lettersBudget: "letters", passcodesBudget: "passcodes", triesBudget: "tries", wrongBudget: "wrong_passcodes",
		triesFromBudget: "network_tries", lookupsBudget: "lookups", signUpsBudget: "signups", additionsBudget: "new_addresses",
		changesBudget: "address_changes", loginsBudget: "passkey_logins", registrationsBudget: "new_passkeys",
	}[budget]
}

// or returns b if it says something, and else times an hour.
func (b Budget) or(times int64) Budget {
	if b.Times == 0 {
		return Budget{times, time.Hour}
	}
	return b
}

// A Limit is how much of a budget there is.
type Limit struct {
	Times     int64         // the whole of it
	Remaining int64         // what is left of it
	Reset     time.Duration // until there is a new one
}

// A LimitError says that a budget is spent.
type LimitError struct {
	Limit
	Name       string        // of the budget, as in the option limits: for the log
	RetryAfter time.Duration // when there is a new one
}

func (e *LimitError) Error() string { return "ceremony: budget spent" }

// spend takes one from who's budget and returns what is left of it, or a
// [LimitError] if there was none left. It counts first, so that callers at the
// same time cannot share one. An error that is no LimitError is a failure: what
// the budget is for is not done then.
func spend(ctx context.Context, s store.Store, now time.Time, b Budget, name, who string) (Limit, error) {
	window, ends := b.window(now)
	n, err := s.Count(ctx, budgetKey(name, who, window), ends.Sub(now))
	if err != nil {
		return Limit{}, fmt.Errorf("counting %s: %w", name, err)
	}
	limit := Limit{Times: b.Times, Remaining: max(0, b.Times-n), Reset: ends.Sub(now)}
	if n > b.Times {
		return limit, &LimitError{Limit: limit, Name: limitName(name), RetryAfter: limit.Reset}
	}
	return limit, nil
}

// A spentBudget is one of which somebody may have spent some.
type spentBudget struct {
	Budget
	name, who string
}

// refill makes budgets whole again, in one journey.
func refill(ctx context.Context, s store.Store, now time.Time, budgets ...spentBudget) error {
	keys := make([]string, len(budgets))
	for i, b := range budgets {
		window, _ := b.window(now)
		keys[i] = budgetKey(b.name, b.who, window)
	}
	if err := s.DeleteAll(ctx, keys...); err != nil {
		return fmt.Errorf("refilling budgets: %w", err)
	}
	return nil
}

// window returns the number of b's window that now is in, and when that ends.
func (b Budget) window(now time.Time) (number int64, ends time.Time) {
	number = now.UnixNano() / int64(b.Per)
	return number, time.Unix(0, (number+1)*int64(b.Per))
}

func budgetKey(name, who string, window int64) string {
	return "budget/" + name + "/" + who + "/" + strconv.FormatInt(window, 36)
}

// spend takes one from a budget, of the name under which a ceremony was begun, and
// of each of those who are behind the name, and reports whether they all had some.
// If the name had none it returns a [LimitError]. That somebody behind it had none
// is told where strangers may look people up: they could otherwise spend it under
// one name and see under which other names it is gone.
func (p *Passcodes) spend(ctx context.Context, now time.Time, b Budget, name string, pending pendingPasscode, behind ...string) (bool, error) {
	as := pending.Named
	if as == "" {
		as = string(pending.Address)
	}
	if _, err := spend(ctx, p.o.Store, now, b, name+asNamed, as); err != nil {
		return false, err
	}
	left := true
	for _, who := range behind {
		_, err := spend(ctx, p.o.Store, now, b, name, who)
		if spent(err) && !p.o.Lookup {
			left, err = false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return left, nil
}

// spent reports whether err says that a budget is spent, rather than that it could
// not be counted.
func spent(err error) bool {
	var limit *LimitError
	return errors.As(err, &limit)
}
