package directory

import (
	"errors"
	"slices"
	"time"
)

// time returns the time as a database gives it.
func (t fileTime) time() time.Time { return time.Time(t) }

func newFileKey(k Key) *fileKey {
	return &fileKey{
		ID: k.ID, Algorithm: k.Algorithm, Public: k.Public, Sealed: k.Sealed,
		CreatedAt: fileTime(k.CreatedAt), SignsFrom: fileTime(k.SignsFrom), RetiresAt: fileTime(k.RetiresAt),
	}
}

// key returns the key, or an error if it can be none.
func (f *fileKey) key() (Key, error) {
	switch {
	case f.ID == "" || !isText(f.ID) || !isText(f.Algorithm):
		return Key{}, errors.New("its ID or its algorithm is not text")
	case f.CreatedAt.IsZero():
		return Key{}, errNoTime
	}
	return Key{
		ID: f.ID, Algorithm: f.Algorithm, Public: f.Public, Sealed: f.Sealed,
		CreatedAt: f.CreatedAt.time(), SignsFrom: f.SignsFrom.time(), RetiresAt: f.RetiresAt.time(),
	}, nil
}

func newFileUser(u User, passkeys []Passkey) *fileUser {
	f := &fileUser{
		ID: u.ID, Name: u.Name, Disabled: u.Disabled, Added: u.Added, Groups: orEmpty(u.Groups),
		CreatedAt: fileTime(u.CreatedAt), UpdatedAt: fileTime(u.UpdatedAt),
		Addresses: make([]fileAddress, len(u.Emails)), Passkeys: make([]filePasskey, len(passkeys)),
	}
	for i, e := range u.Emails {
		f.Addresses[i] = fileAddress{e.ID, e.Address, e.Verified, e.Primary, fileTime(e.CreatedAt), fileTime(e.UpdatedAt)}
	}
	for i, p := range passkeys {
		f.Passkeys[i] = filePasskey{
			ID: p.ID, RPID: p.RPID, Name: p.Name, PublicKey: p.PublicKey, AAGUID: p.AAGUID,
			AttestationType: p.AttestationType, AttestationFormat: p.AttestationFormat,
			Attachment: p.Attachment, Transports: orEmpty(p.Transports),
			SignCount: p.SignCount, UserPresent: p.UserPresent, UserVerified: p.UserVerified,
			BackupEligible: p.BackupEligible, BackupState: p.BackupState, Discoverable: p.Discoverable,
			CreatedAt: fileTime(p.CreatedAt), LastUsedAt: fileTime(p.LastUsedAt),
		}
	}
	return f
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// Why a record cannot stand in a directory. What it holds is not told: it may
// be of any length, and belongs to people.
var (
	errNoID       = errors.New("an ID that is no UUID of version 4")
	errNoTime     = errors.New("a time is missing")
	errNotClean   = errors.New("a name with space around it")
	errGroupOrder = errors.New("groups that are not sorted, each once")
	errPrimary    = errors.New("not exactly one address is the primary one")
	errEvent      = errors.New("an audit record is of text of 512 characters at most, on one line each")
	errEventID    = errors.New("an ID that does not grow, or is greater than the header says")
)

// user returns the user and the passkeys, or an error if no directory can have
// such a user. That what has to be unique is so, the database says.
func (f *fileUser) user() (User, []Passkey, error) {
	if !isID(f.ID) {
		return User{}, nil, errNoID
	}
	if f.CreatedAt.IsZero() || f.UpdatedAt.IsZero() {
		return User{}, nil, errNoTime
	}
	if err := checkName(f.Name); err != nil {
		return User{}, nil, err
	}
	groups, err := cleanGroups(f.Groups)
	if err != nil {
		return User{}, nil, err
	}
	if !slices.Equal(groups, f.Groups) {
		return User{}, nil, errGroupOrder
	}
	u := User{
		ID: f.ID, Name: f.Name, Disabled: f.Disabled, Added: f.Added, Groups: f.Groups,
		Emails: make([]Email, len(f.Addresses)), CreatedAt: f.CreatedAt.time(), UpdatedAt: f.UpdatedAt.time(),
	}
	primaries := 0
	for i, a := range f.Addresses {
		if u.Emails[i], err = a.email(); err != nil {
			return User{}, nil, err
		}
		if a.Primary {
			primaries++
		}
	}
	if primaries != 1 {
		return User{}, nil, errPrimary
	}
	passkeys := make([]Passkey, len(f.Passkeys))
	for i, p := range f.Passkeys {
		passkeys[i] = p.passkey(f.ID)
		if err := passkeys[i].check(); err != nil {
			return User{}, nil, err
		}
		if p.CreatedAt.IsZero() {
			return User{}, nil, errNoTime
		}
		if err := checkName(p.Name); err != nil {
			return User{}, nil, err
		}
	}
	return u, passkeys, nil
}

// checkName refuses what no method of Directory would have kept.
func checkName(s string) error {
	clean, err := cleanName(s)
	if err != nil {
		return err
	}
	if clean != s {
		return errNotClean
	}
	return nil
}

func (f fileAddress) email() (Email, error) {
	if !isID(f.ID) {
		return Email{}, errNoID
	}
	if !f.Address.isCanonical() {
		return Email{}, ErrAddress
	}
	if f.CreatedAt.IsZero() || f.UpdatedAt.IsZero() {
		return Email{}, errNoTime
	}
	return Email{f.ID, f.Address, f.Verified, f.Primary, f.CreatedAt.time(), f.UpdatedAt.time()}, nil
}

func (f filePasskey) passkey(userID string) Passkey {
	return Passkey{
		ID: f.ID, UserID: userID, RPID: f.RPID, Name: f.Name, PublicKey: f.PublicKey, AAGUID: f.AAGUID,
		AttestationType: f.AttestationType, AttestationFormat: f.AttestationFormat,
		Attachment: f.Attachment, Transports: f.Transports,
		SignCount: f.SignCount, UserPresent: f.UserPresent, UserVerified: f.UserVerified,
		BackupEligible: f.BackupEligible, BackupState: f.BackupState, Discoverable: f.Discoverable,
		CreatedAt: f.CreatedAt.time(), LastUsedAt: f.LastUsedAt.time(),
	}
}

func newFileEvent(e Event) *fileEvent {
	return &fileEvent{e.ID, fileTime(e.At), e.Type, e.UserID, e.Detail, e.Client}
}

// event returns the audit record, or an error if it can be none. Its ID is
// between those of the record before it and the last one.
func (f *fileEvent) event(before, last int64) (Event, error) {
	if f.ID <= before || f.ID > last {
		return Event{}, errEventID
	}
	if f.At.IsZero() {
		return Event{}, errNoTime
	}
	for _, s := range []string{f.Type, f.UserID, f.Detail, f.Client} {
		if cleanNote(s) != s {
			return Event{}, errEvent
		}
	}
	return Event{f.ID, f.At.time(), f.Type, f.UserID, f.Detail, f.Client}, nil
}
