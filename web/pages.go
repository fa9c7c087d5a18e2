package web

import "time"

// A Page is what one page shows: one of the structs of this file, by value or
// by pointer. Everything in it may come from outside; templates escape it.
type Page interface {
	// template names the file of the page; unexported, so the set is closed.
	template() string
}

// LoginPage asks who the visitor is: an e-mail address, or a passkey.
type LoginPage struct {
	Return   string  // where to go afterwards: a path, or a URL at one of Options.ReturnOrigins
	Email    string  // fills the field
	Problem  Problem // why the visitor is here again
	Fresh    bool    // signed in already, asked to prove it again
	Passkeys bool    // offer passkeys
}

// PasscodePage asks for the passcode that was sent to Email. It says the same
// whether or not the address has an account.
type PasscodePage struct {
	Return   string
	Email    string
	Digits   int           // of the passcode
	Lifetime time.Duration // of the passcode
	Problem  Problem
	Sent     bool // a new one was just asked for and sent
}

// VerifyPage asks for the passcode that was sent to an address that somebody who
// is signed in wants to add to their account.
type VerifyPage struct {
	Email    string
	Digits   int           // of the passcode
	Lifetime time.Duration // of the passcode
	Problem  Problem
	Sent     bool // a new one was just asked for and sent
}

// OfferPage comes after signing in with a passcode, in a browser that can make
// passkeys: sign in faster next time.
type OfferPage struct {
	Return string
}

// AccountPage shows people their own account, and lets them change it.
type AccountPage struct {
	Name       string
	Email      string // the primary address
	Groups     []string
	Passkeys   []Passkey
	Emails     []Email // the primary one first
	MostEmails int     // how many there can be
	Sessions   []Session
	Fresh      bool // signed in recently enough to change passkeys and addresses
	MayDelete  bool // people may delete their accounts
	Notice     Notice
	Problem    Problem
	Return     string // back to the app

	// What the browser's passkey manager is told, so that it can forget
	// passkeys that were removed here and correct names: the relying party,
	// the user handle (base64url), and the ID (base64url) of each of Passkeys.
	// Unless there is one ID for each passkey, nothing is told: a list that is
	// short by mistake would make the browser hide good passkeys.
	RPID                  string
	UserHandle            string
	AcceptedCredentialIDs []string
}

// Passkey is one line of AccountPage.
type Passkey struct {
	ID         string // what the rename and remove forms send back
	Name       string // what its owner calls it
	Provider   string // such as "iCloud Keychain"; empty if unknown
	CreatedAt  time.Time
	LastUsedAt time.Time // zero if never
	Synced     bool      // kept by a provider on several devices, rather than on one
}

// Email is one line of AccountPage.
type Email struct {
	ID        string // what the primary and remove forms send back
	Address   string
	Primary   bool // letters about the account go there
	Verified  bool // its owner has proved to receive mail there
	CreatedAt time.Time
}

// Session is one line of AccountPage.
type Session struct {
	ID         string // what the end form sends back
	Client     string // such as "Firefox on Linux"; empty if unknown
	Address    string // of the network; empty if not recorded
	StartedAt  time.Time
	LastSeenAt time.Time
	Methods    []string // as in amr, RFC 8176
	Current    bool     // the one that asks
}

// ErrorPage says that something did not work, and what to do about it.
type ErrorPage struct {
	Status   int // shown small, for those who are asked for it
	Problem  Problem
	ID       string // of the incident in the log; may be empty
	Return   string // to try again, or to go back; may be empty
	LoginURL string // where signing in (as someone else) would help; may be empty
}

// LoopPage ends a redirect loop: signing in works, but the session does not
// come back with the next request.
type LoopPage struct {
	Cause    LoopCause
	LoginURL string
}

// SignedOutPage confirms that the session has ended, or that there is no such
// account any more.
type SignedOutPage struct {
	LoginURL string
	Deleted  bool // the account was deleted a moment ago

	// What the browser's passkey manager is told of a deleted account, so that it
	// can forget its passkeys: see AccountPage.
	RPID, UserHandle string
}

func (LoginPage) template() string     { return "login" }
func (PasscodePage) template() string  { return "passcode" }
func (VerifyPage) template() string    { return "verify" }
func (OfferPage) template() string     { return "offer" }
func (AccountPage) template() string   { return "account" }
func (ErrorPage) template() string     { return "error" }
func (LoopPage) template() string      { return "loop" }
func (SignedOutPage) template() string { return "signed_out" }

// Retry reports whether the same request may well succeed in a while.
func (p ErrorPage) Retry() bool {
	switch p.Problem {
	case TryAgainLater, TooManyAttempts, StoreAway, MailAway, Internal:
		return true
	}
	return false
}

// OtherAccount reports whether signing in helps only as somebody else: the page
// offers to sign out first, since who is signed in is not asked again.
func (p ErrorPage) OtherAccount() bool { return p.Problem == NotAllowed }

// Signals reports whether the passkey manager may be told what the account
// holds; see AcceptedCredentialIDs.
func (p AccountPage) Signals() bool {
	return p.RPID != "" && p.UserHandle != "" && len(p.AcceptedCredentialIDs) == len(p.Passkeys)
}

// Signals reports whether the passkey manager may be told that the account holds
// nothing any more.
func (p SignedOutPage) Signals() bool {
	return p.Deleted && p.RPID != "" && p.UserHandle != ""
}

// Full reports whether there are as many addresses as there can be.
func (p AccountPage) Full() bool { return len(p.Emails) >= p.MostEmails }

// DisplayName is the name of the account as a passkey manager shows it.
func (p AccountPage) DisplayName() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Email
}

// Others reports whether there is a session besides the current one.
func (p AccountPage) Others() bool {
	for _, s := range p.Sessions {
		if !s.Current {
			return true
		}
	}
	return false
}
