package ceremony

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/store"
)

// A Known is a user who has signed in with a browser before, and the browser. It
// says whose budgets a ceremony is counted against, and nothing else: it signs
// nobody in, and opens nothing.
type Known struct {
	UserID string

	// Device names the browser since its last sign-in as the user. It is drawn at
	// random each time: what was copied from the browser before has budgets of its
	// own from then on.
	Device string
}

// KnownLifetime is how long a browser is known after a sign-in.
const KnownLifetime = 180 * 24 * time.Hour

const (
	// mostKnown is how many users a browser can be known to, for a family's.
	mostKnown = 4

	// knownBrowsers is how many times its own budget all known browsers of one user
	// have together: whoever signs in again and again has no more letters sent.
	knownBrowsers = 10

	// knownLeeway is how far the clock of the node that made a mark may be ahead.
	knownLeeway = 5 * time.Minute
)

// Browsers makes and reads the marks of known browsers: text that the browser
// keeps, so that nothing has to be kept here of browsers that never come back. A
// mark is the user, the device, when it was made, and a MAC over these: each 16, 16,
// 8 and 32 bytes in base64url. Marks of several users are separated by dots.
//
// It is safe for concurrent use.
type Browsers struct {
	mac *secret.MAC // nil: no browser is known
	now func() time.Time
}

const (
	markMAC    = 16 + 16 + 8 // where it begins
	markLength = markMAC + 32
)

// Read returns whom a browser is known to that presents marks, the latest first.
// What is altered, too old, or made with a secret that is not in use any more is
// left out.
func (b Browsers) Read(marks string) []Known {
	known, _ := b.read(marks)
	return known
}

// read returns whom a browser is known to, and the mark that says so of each.
func (b Browsers) read(marks string) (known []Known, valid []string) {
	if b.mac == nil {
		return nil, nil
	}
	// No more are looked at than we give out: a cookie can be long.
	parts := strings.SplitN(marks, ".", mostKnown+1)
	for _, mark := range parts[:min(mostKnown, len(parts))] {
		if k, ok := b.verify(mark); ok && !slices.ContainsFunc(known, func(other Known) bool { return other.UserID == k.UserID }) {
			known, valid = append(known, k), append(valid, mark)
		}
	}
	return known, valid
}

// verify returns what a mark says, if we made it.
func (b Browsers) verify(mark string) (Known, bool) {
	if len(mark) != base64.RawURLEncoding.EncodedLen(markLength) {
		return Known{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(mark)
	if err != nil || !b.mac.Verify(raw[markMAC:], string(raw[:markMAC])) {
		return Known{}, false
	}
	made := time.Unix(int64(binary.BigEndian.Uint64(raw[32:markMAC])), 0)
	if age := b.now().Sub(made); age >= KnownLifetime || age < -knownLeeway {
		return Known{}, false
	}
	return Known{UserID: uuid.UUID(raw[:16]).String(), Device: base64.RawURLEncoding.EncodeToString(raw[16:32])}, true
}

// Add returns the marks of a browser in which a user has just signed in: marks
// with a new one in place of the user's, and without the oldest if there are too
// many.
func (b Browsers) Add(marks, userID string) string {
	id, err := uuid.Parse(userID)
	if b.mac == nil || err != nil {
		return b.Remove(marks, userID)
	}
	raw := make([]byte, markMAC, markLength)
	copy(raw, id[:])
	rand.Read(raw[16:32])
	binary.BigEndian.PutUint64(raw[32:], uint64(b.now().Unix()))
	raw = append(raw, b.mac.Sum(string(raw))...)
	_, others := b.read(b.Remove(marks, userID))
	return strings.Join(append([]string{base64.RawURLEncoding.EncodeToString(raw)}, others[:min(len(others), mostKnown-1)]...), ".")
}

// Remove returns the marks of a browser without a user's.
func (b Browsers) Remove(marks, userID string) string {
	known, valid := b.read(marks)
	var others []string
	for i, k := range known {
		if k.UserID != userID {
			others = append(others, valid[i])
		}
	}
	return strings.Join(others, ".")
}

// knownTo returns the one of a client's that is user, who has proved to own the
// address that it is about.
func (c Client) knownTo(user directory.User, email directory.Email) *Known {
	i := slices.IndexFunc(c.Known, func(k Known) bool { return k.UserID == user.ID })
	if i < 0 || user.Disabled || !email.Verified {
		return nil
	}
	return &c.Known[i]
}

// knownToOwner returns the one of a client's that has an address, or nil. It asks
// nothing for a client that is known to nobody.
func knownToOwner(ctx context.Context, d *directory.Directory, c Client, a directory.Address) (*Known, error) {
	if len(c.Known) == 0 {
		return nil, nil
	}
	user, err := d.UserByAddress(ctx, a)
	if errors.Is(err, directory.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking up user: %w", err)
	}
	email, _ := emailOf(user, a)
	return c.knownTo(user, email), nil
}

// knownTo is knownToOwner for a recipient, who may be named by ID: then by that of
// somebody the browser is known to, or nobody is looked up.
func (p *Passcodes) knownTo(ctx context.Context, c Client, to Recipient) (*Known, error) {
	if to.UserID == "" {
		return knownToOwner(ctx, p.o.Directory, c, directory.Address(to.Address))
	}
	known, user, err := c.live(ctx, p.o.Directory, func(k Known) bool { return k.UserID == to.UserID })
	if err != nil || known == nil {
		return nil, err
	}
	email, _ := user.Primary()
	if to.EmailID != "" {
		email, _ = emailByID(user, to.EmailID)
	}
	if !email.Verified {
		return nil, nil
	}
	return known, nil
}

// live returns the first of a client's that is wanted, and its user, who is still
// there and is not disabled, or nil.
func (c Client) live(ctx context.Context, d *directory.Directory, wanted func(Known) bool) (*Known, directory.User, error) {
	for _, k := range c.Known {
		if !wanted(k) {
			continue
		}
		user, err := d.User(ctx, k.UserID)
		switch {
		case errors.Is(err, directory.ErrNotFound):
		case err != nil:
			return nil, directory.User{}, fmt.Errorf("looking up user: %w", err)
		case !user.Disabled:
			return &k, user, nil
		}
	}
	return nil, directory.User{}, nil
}

// spendKnown takes one from b of a known browser and of all those of its user. A
// browser that has spent it is one like any other until there is more: whoever used
// it up, with what they copied, does not make it worth less than none.
func spendKnown(ctx context.Context, s store.Store, now time.Time, b Budget, name string, k Known) (Limit, error) {
	limit, err := spend(ctx, s, now, b, name+perDevice, k.Device)
	if err != nil {
		return limit, err
	}
	_, err = spend(ctx, s, now, b.ofAllKnown(), name+perUser, k.UserID)
	return limit, err
}

// ofAllKnown returns b for all known browsers of a user together.
func (b Budget) ofAllKnown() Budget { return Budget{b.Times * knownBrowsers, b.Per} }
