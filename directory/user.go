package directory

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"
)

// A User is an account.
type User struct {
	// ID is a random UUID (version 4), as text. It is never used again, also
	// after the user is removed.
	ID string

	Name string // for people to read; may be empty and is not unique

	// Disabled users keep what they have and may not sign in.
	Disabled bool

	// Added tells that an operator added or confirmed this user. Users who
	// signed themselves up are not.
	Added bool

	Groups []string // sorted
	Emails []Email  // the primary one first, then by age

	CreatedAt time.Time

	// UpdatedAt is when the user, an address, a group or the set of passkeys
	// changed. Using a passkey changes none of them.
	UpdatedAt time.Time
}

// An Email is an address that belongs to a user.
type Email struct {
	ID       string // a random UUID, as text
	Address  Address
	Verified bool // somebody proved to receive mail there
	Primary  bool

	CreatedAt time.Time
	UpdatedAt time.Time
}

// NewUser is what CreateUser is told about a user.
type NewUser struct {
	// ID and EmailID were promised to whoever signs up. They are random UUIDs
	// (version 4), as text, that no user and no address ever had: whether one
	// belonged to a user who is gone, nobody knows any more. Default: new ones.
	ID, EmailID string

	Address  Address // becomes the primary address
	Verified bool
	Name     string
	Added    bool
	Groups   []string
}

// Primary returns the address that mail for the user goes to.
func (u User) Primary() (Email, bool) {
	for _, e := range u.Emails {
		if e.Primary {
			return e, true
		}
	}
	return Email{}, false
}

// WithPrimary returns u as they would be if this address of theirs, and no other,
// were the primary one. The directory is not changed.
func (u User) WithPrimary(a Address) User {
	u.Emails = slices.Clone(u.Emails)
	for i := range u.Emails {
		u.Emails[i].Primary = u.Emails[i].Address == a
	}
	return u
}

// Handle returns the WebAuthn user handle: the 16 bytes of the ID, which say
// nothing about the person (WebAuthn L3, 14.6.1). It is nil for a User that no
// Directory returned.
func (u User) Handle() []byte {
	if !isID(u.ID) {
		return nil
	}
	h, _ := hex.DecodeString(u.ID[:8] + u.ID[9:13] + u.ID[14:18] + u.ID[19:23] + u.ID[24:])
	return h
}

// UserIDFromHandle returns the ID of the user whose handle h is, or
// ErrNotFound if no user can have it. Whether one does is not asked.
func UserIDFromHandle(h []byte) (string, error) {
	if len(h) != 16 {
		return "", ErrNotFound
	}
	id := formatID([16]byte(h))
	if !isID(id) {
		return "", ErrNotFound
	}
	return id, nil
}

// newID returns a random UUID, RFC 9562, 5.4.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return formatID(b)
}

// idOr returns an ID that was promised, or a new one where none was.
func idOr(promised string) (string, error) {
	switch {
	case promised == "":
		return newID(), nil
	case !isID(promised):
		return "", errNoID
	}
	return promised, nil
}

func formatID(b [16]byte) string {
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// isID reports whether s can have come from newID. What cannot is not worth a
// question to the database, and may be text that the database would choke on.
func isID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || '9' < c) && (c < 'a' || 'f' < c) {
				return false
			}
		}
	}
	return s[14] == '4' && '8' <= s[19] && s[19] <= 'b'
}
