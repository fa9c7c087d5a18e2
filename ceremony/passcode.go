package ceremony

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/store"
)

// PasscodeOptions configures [Passcodes]. Store, Directory, Letters, Outbox and
// MAC are required.
type PasscodeOptions struct {
	Store     store.Store
	Directory *directory.Directory
	Letters   *mail.Letters
	Outbox    Outbox
	MAC       *secret.MAC // keys what is kept of a passcode

	// Browsers keys the marks of known browsers. Without it, no browser is known.
	Browsers *secret.MAC

	// Lookup lets strangers find out who has an account, as [AccountOptions].Lookup
	// does. Without it, a ceremony begins for whatever user ID a stranger names.
	Lookup bool

	Digits   int           // 6 to 10; default: 6 (NIST SP 800-63B, section 5.1.3.2)
	Lifetime time.Duration // default: 5 minutes
	Attempts int64         // at one passcode; default: 3

	// Spread is a time in which a letter leaves at a random moment. Whether one is
	// sent at all would show otherwise in how long whatever is asked next takes.
	// Default: it leaves at once.
	Spread time.Duration

	Budgets Budgets

	Now func() time.Time // default: time.Now
}

// Passcodes runs the passcode ceremony. It is safe for concurrent use.
type Passcodes struct {
	o         PasscodeOptions
	promises  promises
	additions additions
	notices   notices
}

// NewPasscodes returns Passcodes with o's defaults filled in.
func NewPasscodes(o PasscodeOptions) *Passcodes {
	if o.Digits == 0 {
		o.Digits = 6
	}
	if o.Lifetime == 0 {
		o.Lifetime = 5 * time.Minute
	}
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Budgets = o.Budgets.withDefaults()
	return &Passcodes{o, promises{o.Store}, additions{o.Store}, notices{o.Letters, o.Outbox, o.Now}}
}

// Browsers returns what makes and reads the marks of known browsers.
func (p *Passcodes) Browsers() Browsers { return Browsers{p.o.Browsers, p.o.Now} }

// Digits returns how many digits a passcode has.
func (p *Passcodes) Digits() int { return p.o.Digits }

// Lifetime returns how long a passcode is good.
func (p *Passcodes) Lifetime() time.Duration { return p.o.Lifetime }

// A Passcode is a ceremony that has begun: what its client is told of it.
type Passcode struct {
	ID        string // names the ceremony
	Address   directory.Address
	CreatedAt time.Time
	Lifetime  time.Duration

	// Limit is what the client's network may still begin. How many letters may
	// still go to the address is not for a stranger to learn, since it tells whether
	// somebody else has asked for one: only the [LimitError] says that there are none.
	Limit Limit

	// Withheld says that no letter was sent, because its reader may not sign in,
	// there is none, or they have had as many as go to one address.
	// It is for the log, never for the visitor.
	Withheld bool
}

// pendingPasscode is what is kept of a passcode. It knows no user: who owns the
// address is asked when it has been proved.
type pendingPasscode struct {
	Address   directory.Address `json:"address"`
	MAC       []byte            `json:"mac"`
	Binding   []byte            `json:"binding,omitempty"`
	Origin    string            `json:"origin"` // of the site, which the letter names
	CreatedAt time.Time         `json:"created"`

	// Named is the user ID that whoever began it gave in place of the address,
	// which they need not know then, and are not told.
	Named string `json:"named,omitempty"`

	Nobody  bool      `json:"nobody,omitempty"`  // nobody has the IDs: it is never answered
	Promise string    `json:"promise,omitempty"` // the user ID that was promised
	Adds    *addition `json:"adds,omitempty"`    // what it ends with, if not with a sign-in
}

// Initialize sends a passcode to whom it is for, if they may sign in or sign up,
// and returns the ceremony.
//
// For an address it does and returns the same whether there is such a user, may
// such a user pass or not: that is not for a stranger to learn. Nor is it for IDs,
// unless strangers may look people up: what was promised by [Accounts.SignUp] an
// hour ago would tell whether it was an account's. So only the visitor is told
// ErrUnknownEmail, of their own account. It returns ErrMalformed,
// [directory.ErrAddress], a [LimitError], ErrUnknownUser, ErrUnknownEmail,
// ErrOtherUser, ErrBusy, or a failure.
func (p *Passcodes) Initialize(ctx context.Context, site Site, door Door, c Client, to Recipient) (Passcode, error) {
	to, err := to.canonical()
	if err != nil {
		return Passcode{}, err
	}
	known, err := p.knownTo(ctx, c, to)
	if err != nil {
		return Passcode{}, err
	}
	now := p.o.Now()
	begun, err := p.spendBegun(ctx, now, c, known)
	if err != nil {
		return Passcode{}, err
	}
	pending, err := p.recipient(ctx, to)
	if err != nil {
		return Passcode{}, err
	}
	left, err := p.spendLetter(ctx, now, pending, known)
	if err != nil {
		return Passcode{}, err
	}
	if p.o.Outbox.Full() {
		return Passcode{}, ErrBusy
	}
	wanted, err := p.wanted(ctx, door, pending)
	if err != nil {
		return Passcode{}, err
	}
	wanted = wanted && left
	code := newPasscode(p.o.Digits)
	id := uuid.NewString()
	letter, err := p.o.Letters.Passcode(string(pending.Address), c.Language, mail.Passcode{
		Code: code, Lifetime: p.o.Lifetime, Adding: pending.Adds != nil, Site: site.Host, Client: c.Agent, At: now,
	})
	if err != nil {
		return Passcode{}, fmt.Errorf("writing letter: %w", err)
	}
	letter.Within = p.o.Spread
	pending.MAC, pending.Binding, pending.CreatedAt, pending.Origin = p.o.MAC.Sum(id, code), bind(c.Binding), now, site.Origin
	value, err := json.Marshal(pending)
	if err != nil {
		return Passcode{}, err
	}
	// Kept for twice its lifetime, so that somebody who is late can be told so.
	if err := p.o.Store.Put(ctx, passcodeKey(id), value, 2*p.o.Lifetime); err != nil {
		return Passcode{}, fmt.Errorf("keeping passcode: %w", err)
	}
	if wanted {
		if err := p.o.Outbox.Post(letter); err != nil {
			return Passcode{}, errors.Join(ErrBusy, err)
		}
	}
	return Passcode{
		ID: id, Address: pending.Address, CreatedAt: now, Lifetime: p.o.Lifetime,
		Limit: begun, Withheld: !wanted,
	}, nil
}

// spendBegun takes one from the budget of who begins a ceremony: a network, or a
// browser that is known to the ceremony's user. What it returns is always the
// network's: whose it was would tell a browser whether an account is still good.
func (p *Passcodes) spendBegun(ctx context.Context, now time.Time, c Client, known *Known) (Limit, error) {
	limit, err := spend(ctx, p.o.Store, now, p.o.Budgets.Begun, passcodesBudget, c.Network)
	if known == nil || err != nil && !spent(err) {
		return limit, err
	}
	if _, failure := spendKnown(ctx, p.o.Store, now, p.o.Budgets.Begun, passcodesBudget, *known); !spent(failure) {
		return limit, failure
	}
	return limit, err
}

// spendLetter takes one from the budget of letters, and reports whether one may be
// sent.
func (p *Passcodes) spendLetter(ctx context.Context, now time.Time, pending pendingPasscode, known *Known) (bool, error) {
	if known != nil {
		_, err := spendKnown(ctx, p.o.Store, now, p.o.Budgets.Letters, lettersBudget, *known)
		if !spent(err) {
			return err == nil, err
		}
	}
	return p.spend(ctx, now, p.o.Budgets.Letters, lettersBudget, pending, string(pending.Address))
}

// wanted reports whether whoever reads the mail of a ceremony's address shall
// get a passcode.
func (p *Passcodes) wanted(ctx context.Context, door Door, pending pendingPasscode) (bool, error) {
	var (
		user directory.User
		err  error
	)
	if pending.Adds != nil {
		user, err = p.o.Directory.User(ctx, pending.Adds.UserID)
	} else {
		user, err = p.o.Directory.UserByAddress(ctx, pending.Address)
	}
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return pending.Adds == nil && !pending.Nobody && door.SignsUp(pending.Address), nil
	case err != nil:
		return false, fmt.Errorf("looking up user: %w", err)
	case pending.Adds != nil:
		return !user.Disabled && door.Admits(user), nil
	}
	return admitted(door, user, pending.Address), nil
}

// Address returns where the passcode of a ceremony was sent, for the browser
// that began it, if that knows: whoever named a user by ID is not told an address
// of theirs. It returns ErrPasscodeGone, or a failure.
func (p *Passcodes) Address(ctx context.Context, c Client, id string) (directory.Address, error) {
	id, ok := canonicalID(id)
	if !ok {
		return "", ErrPasscodeGone
	}
	pending, err := p.pending(ctx, id)
	if err != nil {
		return "", err
	}
	if pending.Named != "" || len(pending.Binding) == 0 || !bound(pending.Binding, c.Binding) {
		return "", ErrPasscodeGone
	}
	return pending.Address, nil
}

func (p *Passcodes) pending(ctx context.Context, id string) (pendingPasscode, error) {
	value, err := p.o.Store.Get(ctx, passcodeKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return pendingPasscode{}, ErrPasscodeGone
	}
	if err != nil {
		return pendingPasscode{}, fmt.Errorf("reading passcode: %w", err)
	}
	var pending pendingPasscode
	if err := json.Unmarshal(value, &pending); err != nil {
		return pendingPasscode{}, fmt.Errorf("reading passcode: %w", err)
	}
	return pending, nil
}

// newPasscode returns a passcode, every one of which is equally likely.
func newPasscode(digits int) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	n, _ := rand.Int(rand.Reader, limit) // crypto/rand.Reader never fails
	return fmt.Sprintf("%0*d", digits, n)
}

func passcodeKey(id string) string { return "passcode/" + id }
