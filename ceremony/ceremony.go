// Package ceremony proves who a visitor is: by a passcode sent to their e-mail
// address, or by a passkey (WebAuthn Level 3).
//
// Each ceremony has two halves. Initialize makes something that only the right
// person can answer, and keeps it; Finalize takes it back, at most once, and
// returns who answered it. What is kept lives for minutes in the store. The
// verification of WebAuthn signatures is go-webauthn's; what this package adds
// is that a challenge is taken before it is looked at, so that it is used at
// most once, also when the verification then fails.
//
// A ceremony that a browser began belongs to that browser: see [Client.Binding].
//
// Whoever makes an account, or adds an address to theirs, proves first that they
// own the address. Until then there are only IDs that were promised, for an hour
// in the store ([Accounts.SignUp], [Accounts.AddAddress]): who asks for somebody
// else's address gets nothing, and leaves nothing.
//
// The package knows no HTTP, begins no session, and does not decide who may
// pass: the [Door] does.
package ceremony

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
)

// Why a visitor has not proved who they are, or may not have what they proved.
// Every other error is a failure of the gateway.
var (
	// ErrMalformed: the request is not one that a client of ours sends.
	ErrMalformed = errors.New("ceremony: malformed request")

	// ErrWrongPasscode: a wrong passcode; there are attempts left.
	ErrWrongPasscode = errors.New("ceremony: wrong passcode")

	// ErrTooManyAttempts: a wrong passcode, and the last that was looked at. The
	// visitor may ask for a new one.
	ErrTooManyAttempts = errors.New("ceremony: too many attempts")

	// ErrPasscodeGone: the passcode was used, used up, never sent, or belongs to
	// another browser.
	ErrPasscodeGone = errors.New("ceremony: no such passcode")

	// ErrPasscodeExpired: the passcode was not used in time.
	ErrPasscodeExpired = errors.New("ceremony: passcode expired")

	// ErrChallenge: the challenge is not one that we gave to this browser for
	// this ceremony, was answered before, or has expired.
	ErrChallenge = errors.New("ceremony: unknown challenge")

	// ErrUnknownPasskey: nobody here has this passkey; its owner may have removed
	// it. Browsers can be told to forget it (Signal API).
	ErrUnknownPasskey = errors.New("ceremony: unknown passkey")

	// ErrPasskey: the passkey's proof does not verify.
	ErrPasskey = errors.New("ceremony: passkey not verified")

	// ErrUserVerification: the authenticator did not verify its user, and had to.
	ErrUserVerification = errors.New("ceremony: user not verified by the authenticator")

	// ErrPasskeyTaken: the passkey is registered already.
	ErrPasskeyTaken = errors.New("ceremony: passkey registered already")

	// ErrNotAllowed: the visitor proved who they are, and may not sign in; or they
	// could not sign up, and strangers may know that.
	ErrNotAllowed = errors.New("ceremony: not allowed to sign in")

	// ErrUnknownUser: nobody has this user ID, nor was it promised to anybody.
	ErrUnknownUser = errors.New("ceremony: no such user")

	// ErrUnknownEmail: the user has no such address, and is not adding it.
	ErrUnknownEmail = errors.New("ceremony: no such address of the user")

	// ErrOtherUser: the visitor is signed in as another user than the ceremony is
	// for, or is not signed in at all and has to be.
	ErrOtherUser = errors.New("ceremony: another user's")

	// ErrAccountExists: the address belongs to an account.
	ErrAccountExists = errors.New("ceremony: the address has an account")

	// ErrLookup: strangers may not find out who has an address.
	ErrLookup = errors.New("ceremony: account lookup is off")

	// ErrTooManyAddresses: the user has as many addresses as they may have.
	ErrTooManyAddresses = errors.New("ceremony: too many addresses")

	// ErrBusy: no letter can be sent for now. The visitor may try again.
	ErrBusy = errors.New("ceremony: no letter can be sent: too many are waiting, or no mail is configured")
)

// Lifetime is how long a passkey ceremony may take.
const Lifetime = 5 * time.Minute

// A RelyingParty is whom passkeys are made for (WebAuthn L3, section 4).
type RelyingParty struct {
	ID   string // a domain: the site's host, or one above it
	Name string // shown by authenticators

	// Origins beside the site's own from which ceremonies are accepted: related
	// web origins, and native apps as "android:apk-key-hash:...".
	Origins []string
}

// A Site is where a ceremony happens.
type Site struct {
	Origin       string // "https://app.example.com"
	Host         string // as letters name it: "app.example.com"
	AccountURL   string // where its users see to their passkeys
	RelyingParty RelyingParty
}

// A Door says who may come in at a site.
type Door interface {
	// Admits reports whether a user who is not disabled may pass.
	Admits(u directory.User) bool

	// SignsUp reports whether whoever owns an address may make an account.
	SignsUp(a directory.Address) bool
}

// A Client is what began or ends a ceremony, as far as a ceremony cares.
type Client struct {
	// Binding is a secret that only this browser has, in a cookie. A ceremony
	// that was begun with one is finished with the same one: so nobody can begin a
	// ceremony and have somebody else finish it. It is empty for clients without
	// cookies, who hold an unguessable ceremony ID or challenge instead.
	Binding string

	// Known are the users who have signed in with this browser before
	// ([Browsers.Read]). A ceremony for an address of one of them is counted against
	// the browser, and not against budgets that strangers can spend.
	Known []Known

	Network  string // the client's address, or the network that it is in
	Agent    string // "Firefox on Linux"
	Language string // Accept-Language
}

// A SignIn is what a login ceremony ends with.
type SignIn struct {
	User    directory.User
	Methods []string // for the amr claim
	Created bool     // the user signed up with this ceremony

	// Added is the address that a user who was signed in already has proved to
	// own. The ceremony then ends with no new session: that they receive mail there
	// says nothing about who they were before.
	Added directory.Address

	// Passkey is the one that answered, as it is after it; of a passkey ceremony.
	Passkey directory.Passkey
}

// bind returns what is kept of a binding: enough to recognise it, and no more.
func bind(binding string) []byte {
	if binding == "" {
		return nil
	}
	sum := sha256.Sum256([]byte("ceremony binding\x00" + binding))
	return sum[:]
}

// bound reports whether a client that presents binding may go on with what was
// begun with kept.
func bound(kept []byte, binding string) bool {
	return len(kept) == 0 || subtle.ConstantTimeCompare(kept, bind(binding)) == 1
}

// Outbox is what ceremonies ask of the mail queue.
type Outbox interface {
	// Post takes a letter without waiting for its delivery. An error means that
	// it was not taken.
	Post(m mail.Message) error

	// Full reports whether Post would refuse a letter now.
	Full() bool
}
