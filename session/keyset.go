package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// KeyOptions configures a [KeySet]. Storage and Sealer are required.
type KeyOptions struct {
	Storage KeyStorage
	Sealer  Sealer

	// Algorithm is "ES256" (the default), "EdDSA" or "RS256".
	Algorithm string

	// RotateEvery is how long a key signs before the next one does. Default: 90
	// days.
	RotateEvery time.Duration

	// TokenLifetime is the longest lifetime of a token that the keys sign. A key
	// is kept that much longer than it signs.
	TokenLifetime time.Duration

	Now func() time.Time // default: time.Now
}

// JWKSMaxAge is how long a verifier may keep the JWKS. A new key is published
// for publishLead before it signs, far longer.
const (
	JWKSMaxAge  = 10 * time.Minute
	publishLead = 24 * time.Hour
)

// errUnknownKey: the token's kid is not in the set. The key may have been made
// by another node since the set was read.
var errUnknownKey = fmt.Errorf("%w: unknown key", ErrInvalid)

// errNoKey: the set has not been opened.
var errNoKey = errors.New("no signing key: the key set is not open")

// A KeySet signs with its newest key of the configured algorithm, and verifies
// with every key it holds. It is safe for concurrent use.
type KeySet struct {
	o   KeyOptions
	set atomic.Pointer[keys]

	mu        sync.Mutex // held while the set is read or changed
	refreshed time.Time
	failed    error // of the last refresh
}

// keys is one reading of the storage; it never changes.
type keys struct {
	all  []key // oldest first
	own  []key // those of the algorithm that we sign with, oldest first
	byID map[string]key
	jwks []byte
}

type key struct {
	id        string
	algorithm jwa.SignatureAlgorithm
	signsFrom time.Time
	private   jwk.Key
	public    jwk.Key
}

// NewKeySet returns a set that holds no key until it is opened.
func NewKeySet(o KeyOptions) (*KeySet, error) {
	if o.Algorithm == "" {
		o.Algorithm = "ES256"
	}
	if !slices.Contains(algorithms, o.Algorithm) {
		return nil, fmt.Errorf("unknown signature algorithm %q: want ES256, EdDSA or RS256", o.Algorithm)
	}
	if o.RotateEvery == 0 {
		o.RotateEvery = 90 * 24 * time.Hour
	}
	if o.RotateEvery < 2*publishLead {
		return nil, fmt.Errorf("keys cannot rotate every %v: a key is published for %v before it signs", o.RotateEvery, publishLead)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &KeySet{o: o}
	k.set.Store(&keys{})
	return k, nil
}

// Refresh reads the keys from the storage, makes the ones that are due (the
// first, the next) and removes the ones that no living token can name. Call it
// once before the set is used, and then every minute or so.
//
// A key that does not open is an error: the secret is missing or another one,
// and a new key made beside it would sign out everybody for no reason.
func (k *KeySet) Refresh(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.refresh(ctx)
}

// refreshForUnknown is Refresh for a token that names a key that is not in the
// set, which anybody can send: it asks the storage only every few seconds. While
// the storage is away it goes on failing, because the token may be good.
func (k *KeySet) refreshForUnknown(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.o.Now().Sub(k.refreshed).Abs() < 5*time.Second {
		return k.failed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout) // for all who wait
	defer cancel()
	return k.refresh(ctx)
}

// refresh does what Refresh says. k.mu must be held.
func (k *KeySet) refresh(ctx context.Context) error {
	k.failed = k.update(ctx)
	k.refreshed = k.o.Now()
	return k.failed
}

func (k *KeySet) update(ctx context.Context) error {
	stored, err := k.o.Storage.Keys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	set, err := k.read(stored)
	if err != nil {
		return err
	}
	changed := false
	if at, due := k.nextDue(set); due {
		if err := k.make(ctx, at); err != nil {
			return err
		}
		changed = true
	}
	for _, old := range k.outlived(set) {
		if err := k.o.Storage.RemoveKey(ctx, old.id); err != nil {
			return fmt.Errorf("removing signing key %s: %w", old.id, err)
		}
		changed = true
	}
	if changed {
		if stored, err = k.o.Storage.Keys(ctx); err != nil {
			return fmt.Errorf("reading signing keys: %w", err)
		}
		if set, err = k.read(stored); err != nil {
			return err
		}
	}
	k.set.Store(set)
	return nil
}

// nextDue returns when a key that is to be made now shall sign, and whether one
// is to be made. The first key, and the first of another algorithm, sign at
// once: there is nothing for verifiers to go on with meanwhile. Keys of another
// algorithm do not count: a node that is still configured for it goes on making
// them.
func (k *KeySet) nextDue(set *keys) (signsFrom time.Time, due bool) {
	now := k.o.Now()
	if len(set.own) == 0 {
		return now, true
	}
	newest := set.own[len(set.own)-1]
	next := newest.signsFrom.Add(k.o.RotateEvery)
	if now.Before(next.Add(-publishLead)) {
		return time.Time{}, false
	}
	if earliest := now.Add(publishLead); next.Before(earliest) {
		next = earliest // nobody was there to make it in time
	}
	return next, true
}

// outlived returns the keys whose last token has expired: a key signs until the
// next one of our algorithm does.
func (k *KeySet) outlived(set *keys) []key {
	var old []key
	for i, key := range set.all {
		for _, successor := range set.all[i+1:] {
			if successor.algorithm.String() != k.o.Algorithm {
				continue
			}
			if k.o.Now().After(successor.signsFrom.Add(k.o.TokenLifetime + Leeway)) {
				old = append(old, key)
			}
			break
		}
	}
	return old
}

// signer returns the key that signs now: the newest whose time has come. A token
// that is signed at the turn of two keys verifies with either.
func (k *KeySet) signer() (key, error) {
	now := k.o.Now()
	own := k.set.Load().own
	for _, key := range slices.Backward(own) {
		if !key.signsFrom.After(now) {
			return key, nil
		}
	}
	if len(own) > 0 {
		return own[0], nil // the clock went back: a key that verifies is better than none
	}
	return key{}, errNoKey
}

func (k *KeySet) verifier(id string) (key, bool) {
	verifying, ok := k.set.Load().byID[id]
	return verifying, ok
}

// JWKS returns the public keys as a JSON Web Key Set (RFC 7517, section 5).
func (k *KeySet) JWKS() []byte { return k.set.Load().jwks }

// sortKeys orders keys by when they start to sign, and by ID where that is the
// same, so that all nodes choose the same signer.
func sortKeys(all []key) {
	slices.SortFunc(all, func(a, b key) int {
		return cmp.Or(a.signsFrom.Compare(b.signsFrom), cmp.Compare(a.id, b.id))
	})
}
