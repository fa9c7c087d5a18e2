package web

// A Problem names a sentence that tells people what went wrong and what to do.
// The sentences are in the catalogues; a Problem that is not there is told in
// general words, never shown as it is. The empty Problem is none.
type Problem string

// The problems that pages can tell.
const (
	WrongPasscode    Problem = "wrong_passcode"
	PasscodeExpired  Problem = "passcode_expired" // or used, or never sent
	TooManyAttempts  Problem = "too_many_attempts"
	AddressInvalid   Problem = "address_invalid"
	TryAgainLater    Problem = "try_again_later"
	StoreAway        Problem = "store_away"
	MailAway         Problem = "mail_away"
	PasskeyFailed    Problem = "passkey_failed"
	PasskeyUnknown   Problem = "passkey_unknown"
	PasskeyNotAdded  Problem = "passkey_not_added"
	PasskeyExists    Problem = "passkey_exists"
	PasskeyCancelled Problem = "passkey_cancelled"
	NameInvalid      Problem = "name_invalid"      // of a passkey
	AddressTaken     Problem = "address_taken"     // by an account, which may be the visitor's own
	AddressOfOther   Problem = "address_of_other"  // proved, and another account's
	AddressShutsOut  Problem = "address_shuts_out" // as the primary one
	AddressInUse     Problem = "address_in_use"    // the primary one cannot be removed
	AddressUnproved  Problem = "address_unproved"  // an address that cannot be the primary one
	TooManyAddresses Problem = "too_many_addresses"
	Unconfirmed      Problem = "unconfirmed" // a deletion
	FreshNeeded      Problem = "fresh_needed"
	SignInNeeded     Problem = "sign_in_needed"
	SessionEnded     Problem = "session_ended"
	NotAllowed       Problem = "not_allowed"
	CrossOrigin      Problem = "cross_origin"
	Malformed        Problem = "malformed"
	NotFound         Problem = "not_found"
	Internal         Problem = "internal"
)

// A Notice names a sentence that confirms what was done. As with Problem, one
// that is not in the catalogues is told in general words.
type Notice string

// The notices that AccountPage can give.
const (
	PasskeyAdded   Notice = "passkey_added"
	PasskeyRenamed Notice = "passkey_renamed"
	PasskeyRemoved Notice = "passkey_removed"
	SessionClosed  Notice = "session_closed"  // one other session was ended
	SessionsClosed Notice = "sessions_closed" // all others were
	AddressAdded   Notice = "address_added"
	AddressPrimary Notice = "address_primary" // another one is
	AddressRemoved Notice = "address_removed"
)

// A LoopCause says why a session does not come back. The empty cause is
// unknown, and the page names all of them.
type LoopCause string

// The causes that LoopPage can explain.
const (
	LoopCookies LoopCause = "cookies" // the browser does not send our cookie back
	LoopClock   LoopCause = "clock"   // the session has expired as it begins
	LoopHost    LoopCause = "host"    // the site is open under a host that is not configured
)
