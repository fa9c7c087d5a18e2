package ceremony

import (
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/store"
)

// AccountOptions configures [Accounts]. Store, Directory, Letters and Outbox are
// required.
type AccountOptions struct {
	Store     store.Store
	Directory *directory.Directory
	Letters   *mail.Letters
	Outbox    Outbox

	// Lookup lets strangers find out whether an address has an account.
	Lookup bool

	// Closed lets nobody make an account. It is what SignUp goes by; a [Door] has
	// to sign nobody up either.
	Closed bool

	// MaxAddresses is how many addresses a user may have. Default: 5.
	MaxAddresses int

	// Lookups of addresses from one network. Default: 60 an hour.
	Lookups Budget

	// SignUps that are begun from one network. Default: 60 an hour.
	SignUps Budget

	// Additions of addresses that one user begins. Default: 20 an hour.
	Additions Budget

	// Changes of which address is primary, and removals of addresses, by one user.
	// Default: 20 an hour.
	Changes Budget

	Now func() time.Time // default: time.Now
}

// Accounts is what people do to their accounts other than prove that they are
// theirs. It is safe for concurrent use.
type Accounts struct {
	o         AccountOptions
	promises  promises
	additions additions
	notices   notices
}

// NewAccounts returns Accounts with o's defaults filled in.
func NewAccounts(o AccountOptions) *Accounts {
	if o.MaxAddresses == 0 {
		o.MaxAddresses = 5
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Lookups, o.SignUps, o.Additions = o.Lookups.or(60), o.SignUps.or(60), o.Additions.or(20)
	o.Changes = o.Changes.or(20)
	return &Accounts{o, promises{o.Store}, additions{o.Store}, notices{o.Letters, o.Outbox, o.Now}}
}

// MaxAddresses returns how many addresses a user may have.
func (a *Accounts) MaxAddresses() int { return a.o.MaxAddresses }

// Closed reports whether nobody can make an account.
func (a *Accounts) Closed() bool { return a.o.Closed }

// LooksUp reports whether strangers may find out whether an address has an account.
func (a *Accounts) LooksUp() bool { return a.o.Lookup }

// canonicalID returns an ID as we write it. Clients that read it as a UUID may
// send it back in capitals, as those for iOS do.
func canonicalID(id string) (string, bool) {
	parsed, err := uuid.Parse(id)
	return parsed.String(), err == nil
}
