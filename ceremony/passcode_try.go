package ceremony

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/directory"
)

// A try is what counting an attempt has come to.
type try struct {
	look  bool   // there is something left of all budgets
	last  bool   // the last that is looked at for user in a while
	user  string // whose account it is
	known bool   // it is the budget of a known browser
}

// spendTry counts a try against the budgets of those whom it may be an attack on,
// and of where it comes from, whatever it is worth: in a known browser of the
// address's owner, against that browser.
func (p *Passcodes) spendTry(ctx context.Context, now time.Time, c Client, pending pendingPasscode) (try, error) {
	user, err := p.o.Directory.UserByAddress(ctx, pending.Address)
	// Of an address without an account, another name of nobody is counted: that is
	// as much work.
	owner := "nobody/" + string(pending.Address)
	switch {
	case err == nil:
		owner = user.ID
	case !errors.Is(err, directory.ErrNotFound):
		return try{}, fmt.Errorf("looking up user: %w", err)
	}
	email, _ := emailOf(user, pending.Address)
	if known := c.knownTo(user, email); known != nil {
		if counted, err := p.spendKnownTry(ctx, now, *known); !spent(err) {
			return counted, err
		}
	}
	look, err := p.spend(ctx, now, p.o.Budgets.Tries, triesBudget, pending, string(pending.Address), owner)
	if err != nil {
		return try{}, err
	}
	if _, err := spend(ctx, p.o.Store, now, p.o.Budgets.TriesFrom, triesFromBudget, c.Network); err != nil {
		return try{}, err
	}
	// Where there is no account, there is nothing to guess, and whoever signs up next
	// week is not to be kept waiting: it is counted for as much work, and for an hour.
	wrong := p.o.Budgets.Wrong
	if user.ID == "" {
		wrong.Per = min(wrong.Per, time.Hour)
	}
	// Each is counted whatever the others say: how long it takes would tell.
	counted := try{look: look, user: user.ID}
	for _, who := range []string{string(pending.Address), owner} {
		left, err := spend(ctx, p.o.Store, now, wrong, wrongBudget, who)
		switch {
		case spent(err):
			counted.look = false // it is not told: a success of the owner would show otherwise
		case err != nil:
			return try{}, err
		case who == owner && left.Remaining == 0:
			counted.last = user.ID != ""
		}
	}
	return counted, nil
}

// spendKnownTry is spendTry for a known browser. Its budgets bound what can be
// guessed with what was copied from the browser.
func (p *Passcodes) spendKnownTry(ctx context.Context, now time.Time, k Known) (try, error) {
	if _, err := spendKnown(ctx, p.o.Store, now, p.o.Budgets.Tries, triesBudget, k); err != nil {
		return try{}, err
	}
	left, err := spendKnown(ctx, p.o.Store, now, p.o.Budgets.Wrong, wrongBudget, k)
	if err != nil {
		return try{}, err
	}
	return try{look: true, last: left.Remaining == 0, user: k.UserID, known: true}, nil
}
