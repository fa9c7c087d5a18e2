package ceremony

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/store"
)

// An Answer is what ends a passcode ceremony.
type Answer struct {
	ID, Passcode string

	// Visitor is the ID of the user who is signed in and answers, or empty. Nobody
	// becomes somebody else by an answer with it.
	Visitor string
}

// Finalize returns who was sent the passcode of a ceremony: the user who has the
// address by now, whoever it was for in the beginning. A user who is not there
// yet is made, with the IDs that were promised, if the door lets them sign up. If
// the ceremony adds an address to the visitor's account, it is theirs now, and
// they are told at their primary address.
//
// It returns ErrWrongPasscode, ErrTooManyAttempts, ErrPasscodeGone,
// ErrPasscodeExpired, ErrNotAllowed, a [LimitError], or a failure; ErrMalformed
// and ErrOtherUser, which cost no attempt; and of the addition of an address
// ErrTooManyAddresses. One of the first four may be wrapped in a [GuessingError].
func (p *Passcodes) Finalize(ctx context.Context, site Site, door Door, c Client, answer Answer) (SignIn, error) {
	if normalize(answer.Passcode) == "" { // a slip of the finger, and no guess
		return SignIn{}, fmt.Errorf("%w: no passcode", ErrMalformed)
	}
	id, ok := canonicalID(answer.ID)
	if !ok {
		return SignIn{}, ErrPasscodeGone
	}
	// Whoever makes up IDs only reads: nothing is counted for a ceremony that is
	// not there.
	pending, err := p.pending(ctx, id)
	if err != nil {
		return SignIn{}, err
	}
	// Who is talked into telling the passcode of one site, which the letter names, does
	// not open another with it.
	if pending.Origin != "" && pending.Origin != site.Origin { // none: begun on a node of an older version
		return SignIn{}, ErrPasscodeGone
	}
	if pending.Adds != nil && pending.Adds.UserID != answer.Visitor {
		return SignIn{}, ErrOtherUser
	}
	if err := p.verify(ctx, c, id, answer.Passcode, pending); err != nil {
		return SignIn{}, err
	}
	if err := p.checkVisitor(ctx, pending, answer.Visitor); err != nil {
		return SignIn{}, err
	}
	// Of several right answers, the one that takes the passcode wins.
	switch _, err := p.o.Store.Take(context.WithoutCancel(ctx), passcodeKey(id)); {
	case errors.Is(err, store.ErrNotFound):
		return SignIn{}, ErrPasscodeGone
	case err != nil:
		return SignIn{}, fmt.Errorf("taking passcode: %w", err)
	}
	if pending.Adds != nil {
		return p.add(ctx, site, door, c, *pending.Adds)
	}
	return p.signIn(ctx, door, pending)
}

// verify counts an attempt and returns nil if it is right.
func (p *Passcodes) verify(ctx context.Context, c Client, id, code string, pending pendingPasscode) error {
	// The attempt is counted before the passcode is compared, and even if the
	// client hangs up: guesses made at the same time cannot share one.
	counting := context.WithoutCancel(ctx)
	attempts, err := p.o.Store.Count(counting, passcodeKey(id)+"/attempts", 2*p.o.Lifetime)
	if err != nil {
		return fmt.Errorf("counting attempts: %w", err)
	}
	if attempts > p.o.Attempts {
		return ErrPasscodeGone
	}
	now := p.o.Now()
	counted, err := p.spendTry(counting, now, c, pending)
	if err != nil {
		return err
	}
	err = p.compare(counting, now, c, id, code, pending, attempts, counted.look)
	if counted.last && err != nil {
		return &GuessingError{UserID: counted.user, Known: counted.known, err: err}
	}
	return err
}

// compare returns nil if a passcode is the one of a ceremony and look says that it
// may be looked at, or how it is refused. The last attempt ends the ceremony.
func (p *Passcodes) compare(ctx context.Context, now time.Time, c Client, id, code string, pending pendingPasscode, attempts int64, look bool) error {
	switch {
	case !bound(pending.Binding, c.Binding):
		return ErrPasscodeGone
	case !now.Before(pending.CreatedAt.Add(p.o.Lifetime)):
		return ErrPasscodeExpired
	case look && !pending.Nobody && p.o.MAC.Verify(pending.MAC, id, normalize(code)):
		return nil
	case attempts < p.o.Attempts:
		return ErrWrongPasscode
	}
	if err := p.o.Store.Delete(ctx, passcodeKey(id)); err != nil {
		return fmt.Errorf("removing passcode: %w", err)
	}
	return ErrTooManyAttempts
}

// signIn returns the user who has just proved that they own the address.
func (p *Passcodes) signIn(ctx context.Context, door Door, pending pendingPasscode) (SignIn, error) {
	user, err := p.o.Directory.UserByAddress(ctx, pending.Address)
	if errors.Is(err, directory.ErrNotFound) {
		return p.signUp(ctx, door, pending)
	}
	if err != nil {
		return SignIn{}, fmt.Errorf("looking up user: %w", err)
	}
	if !admitted(door, user, pending.Address) {
		return SignIn{}, ErrNotAllowed
	}
	user, err = p.markVerified(ctx, user, pending.Address)
	if err != nil {
		return SignIn{}, err
	}
	return SignIn{User: user, Methods: passcodeMethods}, nil
}

func (p *Passcodes) signUp(ctx context.Context, door Door, pending pendingPasscode) (SignIn, error) {
	if !door.SignsUp(pending.Address) {
		return SignIn{}, ErrNotAllowed
	}
	n := directory.NewUser{Address: pending.Address, Verified: true}
	if pending.Promise != "" {
		// The promise is redeemed first: its IDs are never those of a second user,
		// also if the first one is gone by then. Who comes too late has others.
		promise, err := p.promises.redeem(ctx, pending.Promise)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return SignIn{}, err
		}
		n.ID, n.EmailID = promise.UserID, promise.EmailID
	}
	user, err := p.o.Directory.CreateUser(ctx, n)
	if errors.Is(err, directory.ErrTaken) { // signed up twice at the same time
		return p.signIn(ctx, door, pending)
	}
	if err != nil {
		return SignIn{}, fmt.Errorf("making user: %w", err)
	}
	return SignIn{User: user, Methods: passcodeMethods, Created: true}, nil
}

// add gives a user the address that they have just proved to own.
func (p *Passcodes) add(ctx context.Context, site Site, door Door, c Client, a addition) (SignIn, error) {
	user, err := p.o.Directory.User(ctx, a.UserID)
	switch {
	case errors.Is(err, directory.ErrNotFound): // removed meanwhile
		return SignIn{}, ErrNotAllowed
	case err != nil:
		return SignIn{}, fmt.Errorf("looking up user: %w", err)
	case user.Disabled || !door.Admits(user):
		return SignIn{}, ErrNotAllowed
	}
	if email, has := emailOf(user, a.Address); has { // added twice, or by an operator
		user, err = p.markVerified(ctx, user, a.Address)
		if err != nil {
			return SignIn{}, err
		}
		if !email.Verified { // a way in from now on
			p.notices.tellUser(site, c, user, mail.AddressAdded, string(a.Address))
		}
		return SignIn{User: user, Added: a.Address}, nil
	}
	switch err := p.additions.take(ctx, a.EmailID); {
	case errors.Is(err, store.ErrNotFound): // added and removed again
		return SignIn{}, ErrPasscodeGone
	case err != nil:
		return SignIn{}, err
	}
	email, err := p.o.Directory.AddEmail(ctx, user.ID, directory.NewEmail{ID: a.EmailID, Address: a.Address, Verified: true}, a.Most)
	switch {
	case errors.Is(err, directory.ErrTaken): // by somebody else, a moment ago
		return SignIn{}, ErrOtherUser
	case errors.Is(err, directory.ErrTooMany):
		return SignIn{}, ErrTooManyAddresses
	case errors.Is(err, directory.ErrNotFound):
		return SignIn{}, ErrNotAllowed
	case err != nil:
		return SignIn{}, fmt.Errorf("adding address: %w", err)
	}
	p.notices.tellUser(site, c, user, mail.AddressAdded, string(a.Address))
	user.Emails, user.UpdatedAt = append(user.Emails, email), email.CreatedAt
	return SignIn{User: user, Added: a.Address}, nil
}

// markVerified returns user as they are once they have proved that they own a,
// and has the directory note it.
func (p *Passcodes) markVerified(ctx context.Context, user directory.User, a directory.Address) (directory.User, error) {
	if email, _ := emailOf(user, a); email.Verified {
		return user, nil
	}
	err := p.o.Directory.MarkVerified(ctx, user.ID, a)
	if errors.Is(err, directory.ErrNotFound) { // removed in this very moment
		return directory.User{}, ErrNotAllowed
	}
	if err != nil {
		return directory.User{}, fmt.Errorf("marking address as verified: %w", err)
	}
	return proved(user, a), nil
}

// admitted reports whether a door lets somebody in who has proved that they own
// a, one of user's addresses: as they are, and as if they had no other. A door
// that admits a domain, or an address, admits those who read mail there; that
// they once added an address somewhere else does not make that a key to it.
func admitted(door Door, user directory.User, a directory.Address) bool {
	user = proved(user, a)
	return !user.Disabled && door.Admits(user) && door.Admits(user.WithPrimary(a))
}

// proved returns user as they are once they have proved that they own a.
func proved(user directory.User, a directory.Address) directory.User {
	emails := append([]directory.Email(nil), user.Emails...)
	for i := range emails {
		emails[i].Verified = emails[i].Verified || emails[i].Address == a
	}
	user.Emails = emails
	return user
}

// normalize takes out of a passcode what people and phones put into one:
// spaces and hyphens. Digits of other scripts stay, and so are wrong.
func normalize(code string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\t' || r == '\u00a0' {
			return -1
		}
		return r
	}, code)
}
