package session

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/doorward/doorward/store"
)

// KeyOptions configures a [KeySet]. Storage and Sealer are required.
type KeyOptions struct {
	Storage KeyStorage
	Sealer  Sealer

	// Store tells the nodes that share it when the keys have changed. Without one
	// they find out when they look, every ten seconds.
	Store store.Store

	// Algorithm is "ES256" (the default), "EdDSA" or "RS256".
	Algorithm string

	// RotateEvery is how long a key signs before the next one does. Default: 90
	// days.
	RotateEvery time.Duration

	// TokenLifetime is the longest lifetime of a token that the keys sign: that of
	// a session, which no assertion outlives. A key is kept that much longer than
	// it signs.
	TokenLifetime time.Duration

	Now func() time.Time // default: time.Now
}

// JWKSMaxAge is how long a verifier may keep the JWKS.
const JWKSMaxAge = 10 * time.Minute

// errNoKey: the set has not been opened.
var errNoKey = errors.New("no signing key: the key set is not open")

// A KeySet signs with its newest key of the configured algorithm, and verifies
// with every key it holds. It is safe for concurrent use.
//
// All nodes have the same keys, which the storage holds. Whatever makes, changes
// or removes one decides while no other node can: however many start at once,
// they make one first key, and when the next is due they make one.
type KeySet struct {
	o     KeyOptions
	set   atomic.Pointer[keys]
	begun atomic.Uint64 // how often the set was read, counted when reading begins

	mu        sync.Mutex // held while the set is read or changed
	refreshed time.Time
	failed    error     // of the last refresh
	looked    time.Time // for an unknown key
}

// keys is one reading of the storage; it never changes.
type keys struct {
	stored []StoredKey // oldest first
	own    []key       // those of the algorithm that we sign with, oldest first
	byID   map[string]key
	jwks   []byte
}

type key struct {
	id        string
	algorithm jwa.SignatureAlgorithm
	signsFrom time.Time
	private   crypto.Signer
	public    crypto.PublicKey
	published jwk.Key // the public half
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
	if o.RotateEvery < 2*scheduledLead {
		return nil, fmt.Errorf("keys cannot rotate every %v: a key is published for %v before it signs", o.RotateEvery, scheduledLead)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &KeySet{o: o}
	k.set.Store(&keys{})
	return k, nil
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
