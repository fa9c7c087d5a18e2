package ceremony

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
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

	Digits   int           // 6 to 10; default: 6 (NIST SP 800-63B, section 5.1.3.2)
	Lifetime time.Duration // default: 5 minutes
	Attempts int64         // at one passcode; default: 3
	Budgets  Budgets

	Now func() time.Time // default: time.Now
}

// Passcodes runs the passcode ceremony. It is safe for concurrent use.
type Passcodes struct {
	o PasscodeOptions
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
	return &Passcodes{o}
}

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

	// Withheld says that no letter was sent, because its reader may not sign in.
	// It is for the log, never for the visitor.
	Withheld bool
}

// pendingPasscode is what is kept of a passcode. It knows no user: who owns the
// address is asked when it has been proved.
type pendingPasscode struct {
	Address   directory.Address `json:"address"`
	MAC       []byte            `json:"mac"`
	Binding   []byte            `json:"binding,omitempty"`
	CreatedAt time.Time         `json:"created"`
}

// Initialize sends a passcode to address, if whoever owns it may sign in or sign
// up, and returns the ceremony.
//
// It does and returns the same whether there is such a user, may such a user
// pass or not: that is not for a stranger to learn. It returns
// [directory.ErrAddress], a [LimitError], ErrBusy, or a failure.
func (p *Passcodes) Initialize(ctx context.Context, site Site, door Door, c Client, address string) (Passcode, error) {
	a, err := directory.ParseAddress(address)
	if err != nil {
		return Passcode{}, err
	}
	now := p.o.Now()
	if err := spend(ctx, p.o.Store, now, p.o.Budgets.Begun, "passcodes-begun", c.Network); err != nil {
		return Passcode{}, err
	}
	if err := spend(ctx, p.o.Store, now, p.o.Budgets.Letters, "letters", string(a)); err != nil {
		return Passcode{}, err
	}
	if p.o.Outbox.Full() {
		return Passcode{}, ErrBusy
	}
	wanted, err := p.wanted(ctx, door, a)
	if err != nil {
		return Passcode{}, err
	}
	code := newPasscode(p.o.Digits)
	id := uuid.NewString()
	letter, err := p.o.Letters.Passcode(string(a), c.Language, mail.Passcode{
		Code: code, Lifetime: p.o.Lifetime, Site: site.Host, Client: c.Agent, At: now,
	})
	if err != nil {
		return Passcode{}, fmt.Errorf("writing letter: %w", err)
	}
	value, err := json.Marshal(pendingPasscode{a, p.o.MAC.Sum(id, code), bind(c.Binding), now})
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
	return Passcode{ID: id, Address: a, CreatedAt: now, Lifetime: p.o.Lifetime, Withheld: !wanted}, nil
}

// wanted reports whether the owner of a shall get a passcode.
func (p *Passcodes) wanted(ctx context.Context, door Door, a directory.Address) (bool, error) {
	user, err := p.o.Directory.UserByAddress(ctx, a)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return door.SignsUp(a), nil
	case err != nil:
		return false, fmt.Errorf("looking up user: %w", err)
	}
	return !user.Disabled && door.Admits(proved(user, a)), nil
}

// Finalize returns who was sent the passcode of the ceremony id. A user who is
// not there yet is made, if the door lets them sign up.
//
// It returns ErrWrongPasscode, ErrTooManyAttempts, ErrPasscodeGone,
// ErrPasscodeExpired, ErrNotAllowed, a [LimitError], or a failure.
func (p *Passcodes) Finalize(ctx context.Context, door Door, c Client, id, code string) (SignIn, error) {
	if err := uuid.Validate(id); err != nil {
		return SignIn{}, ErrPasscodeGone
	}
	// Whoever makes up IDs only reads: nothing is counted for a ceremony that is
	// not there.
	pending, err := p.pending(ctx, id)
	if err != nil {
		return SignIn{}, err
	}
	// The attempt is counted before the passcode is compared, and even if the
	// client hangs up: guesses made at the same time cannot share one.
	counting := context.WithoutCancel(ctx)
	attempts, err := p.o.Store.Count(counting, passcodeKey(id)+"/attempts", 2*p.o.Lifetime)
	if err != nil {
		return SignIn{}, fmt.Errorf("counting attempts: %w", err)
	}
	if attempts > p.o.Attempts {
		return SignIn{}, ErrPasscodeGone
	}
	now := p.o.Now()
	if err := spend(counting, p.o.Store, now, p.o.Budgets.Tries, "passcode-tries", string(pending.Address)); err != nil {
		return SignIn{}, err
	}
	if err := spend(counting, p.o.Store, now, p.o.Budgets.TriesFrom, "passcode-tries-from", c.Network); err != nil {
		return SignIn{}, err
	}
	switch {
	case !bound(pending.Binding, c.Binding):
		return SignIn{}, ErrPasscodeGone
	case !now.Before(pending.CreatedAt.Add(p.o.Lifetime)):
		return SignIn{}, ErrPasscodeExpired
	case !p.o.MAC.Verify(pending.MAC, id, normalize(code)):
		if attempts < p.o.Attempts {
			return SignIn{}, ErrWrongPasscode
		}
		if err := p.o.Store.Delete(counting, passcodeKey(id)); err != nil {
			return SignIn{}, fmt.Errorf("removing passcode: %w", err)
		}
		return SignIn{}, ErrTooManyAttempts
	}
	// Of several right answers, the one that takes the passcode wins.
	switch _, err := p.o.Store.Take(counting, passcodeKey(id)); {
	case errors.Is(err, store.ErrNotFound):
		return SignIn{}, ErrPasscodeGone
	case err != nil:
		return SignIn{}, fmt.Errorf("taking passcode: %w", err)
	}
	return p.signIn(ctx, door, pending.Address)
}

// Address returns where the passcode of a ceremony was sent, for the browser
// that began it. It returns ErrPasscodeGone, or a failure.
func (p *Passcodes) Address(ctx context.Context, c Client, id string) (directory.Address, error) {
	if err := uuid.Validate(id); err != nil {
		return "", ErrPasscodeGone
	}
	pending, err := p.pending(ctx, id)
	if err != nil {
		return "", err
	}
	if len(pending.Binding) == 0 || !bound(pending.Binding, c.Binding) {
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

// signIn returns the user who has just proved that they own a.
func (p *Passcodes) signIn(ctx context.Context, door Door, a directory.Address) (SignIn, error) {
	user, err := p.o.Directory.UserByAddress(ctx, a)
	if errors.Is(err, directory.ErrNotFound) {
		return p.signUp(ctx, door, a)
	}
	if err != nil {
		return SignIn{}, fmt.Errorf("looking up user: %w", err)
	}
	if user.Disabled || !door.Admits(proved(user, a)) {
		return SignIn{}, ErrNotAllowed
	}
	if !verified(user, a) {
		if err := p.o.Directory.MarkVerified(ctx, user.ID, a); err != nil {
			return SignIn{}, fmt.Errorf("marking address as verified: %w", err)
		}
		user = proved(user, a)
	}
	return SignIn{User: user, Methods: passcodeMethods}, nil
}

func (p *Passcodes) signUp(ctx context.Context, door Door, a directory.Address) (SignIn, error) {
	if !door.SignsUp(a) {
		return SignIn{}, ErrNotAllowed
	}
	user, err := p.o.Directory.CreateUser(ctx, directory.NewUser{Address: a, Verified: true})
	if errors.Is(err, directory.ErrTaken) { // signed up twice at the same time
		return p.signIn(ctx, door, a)
	}
	if err != nil {
		return SignIn{}, fmt.Errorf("making user: %w", err)
	}
	return SignIn{User: user, Methods: passcodeMethods, Created: true}, nil
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

func verified(user directory.User, a directory.Address) bool {
	for _, e := range user.Emails {
		if e.Address == a {
			return e.Verified
		}
	}
	return false
}

// newPasscode returns a passcode, every one of which is equally likely.
func newPasscode(digits int) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	n, _ := rand.Int(rand.Reader, limit) // crypto/rand.Reader never fails
	return fmt.Sprintf("%0*d", digits, n)
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

func passcodeKey(id string) string { return "passcode/" + id }
