package session

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// A StoredKey is a signing key as it is kept: its private half is sealed.
type StoredKey struct {
	ID        string // kid
	Algorithm string // alg
	Public    []byte // JWK, RFC 7517
	Sealed    []byte // the private JWK, sealed
	CreatedAt time.Time
	SignsFrom time.Time // published before this, signs after it
	RetiresAt time.Time // when the last token it signed has expired; zero while it has no successor
}

// KeyStorage is where signing keys are kept, for all nodes. Its methods are safe
// for concurrent use. The directory is one.
type KeyStorage interface {
	// Keys returns all keys.
	Keys(ctx context.Context) ([]StoredKey, error)

	// ChangeKeys gives change all keys, and makes them what it returns. No other
	// ChangeKeys, on this node or on another, runs meanwhile. An answer of success
	// means that the change is on disk; if change returns an error, nothing changes
	// and ChangeKeys returns that error. It may call change more than once.
	ChangeKeys(ctx context.Context, change func([]StoredKey) ([]StoredKey, error)) error
}

// A Sealer seals private keys, so that whoever reads the storage cannot sign.
type Sealer interface {
	Seal(plaintext, ad []byte) []byte
	Open(sealed, ad []byte) ([]byte, error)
	Current(sealed []byte) bool // whether it is sealed as Seal would seal it
}

// make returns a new key, to be kept.
func (k *KeySet) make(signsFrom time.Time) (StoredKey, error) {
	private, err := newJWK(k.o.Algorithm)
	if err != nil {
		return StoredKey{}, fmt.Errorf("making signing key: %w", err)
	}
	public, err := private.PublicKey()
	if err != nil {
		return StoredKey{}, fmt.Errorf("making signing key: %w", err)
	}
	publicJSON, err := json.Marshal(public)
	if err != nil {
		return StoredKey{}, fmt.Errorf("making signing key: %w", err)
	}
	privateJSON, err := json.Marshal(private)
	if err != nil {
		return StoredKey{}, fmt.Errorf("making signing key: %w", err)
	}
	return StoredKey{
		ID:        private.KeyID(),
		Algorithm: k.o.Algorithm,
		Public:    publicJSON,
		Sealed:    k.o.Sealer.Seal(privateJSON, []byte(private.KeyID())),
		CreatedAt: k.now(),
		SignsFrom: signsFrom,
	}, nil
}

// now returns the time as exactly as every storage keeps it.
func (k *KeySet) now() time.Time { return k.o.Now().Truncate(time.Microsecond) }

// newJWK returns a new private key with a name.
func newJWK(algorithm string) (jwk.Key, error) {
	raw, err := newPrivateKey(algorithm)
	if err != nil {
		return nil, err
	}
	private, err := jwk.FromRaw(raw)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]any{jwk.KeyIDKey: rand.Text(), jwk.AlgorithmKey: algorithm, jwk.KeyUsageKey: "sig"} {
		if err := private.Set(name, value); err != nil {
			return nil, err
		}
	}
	return private, nil
}

// algorithms are those of RFC 7518 and RFC 8037 that a key can be made for.
var algorithms = []string{"ES256", "EdDSA", "RS256"}

// newPrivateKey returns a new key for one of the algorithms.
func newPrivateKey(algorithm string) (any, error) {
	switch algorithm {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case "RS256":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("unknown signature algorithm %q", algorithm)
}

// read opens the stored keys. One that does not open is an error: the secret is
// missing or another one, and to go on without the key would sign out everybody
// whose token it signed.
func (k *KeySet) read(stored []StoredKey) (*keys, error) {
	set := &keys{stored: slices.Clone(stored), byID: make(map[string]key, len(stored))}
	slices.SortFunc(set.stored, bySignsFrom)
	published := jwk.NewSet()
	for _, s := range set.stored {
		opened, err := k.open(s)
		if err != nil {
			return nil, fmt.Errorf("opening signing key %s: %w", s.ID, err)
		}
		set.byID[s.ID] = opened
		if s.Algorithm == k.o.Algorithm {
			set.own = append(set.own, opened)
		}
		if err := published.AddKey(opened.published); err != nil {
			return nil, fmt.Errorf("publishing signing key %s: %w", s.ID, err)
		}
	}
	var err error
	if set.jwks, err = json.Marshal(published); err != nil {
		return nil, fmt.Errorf("publishing signing keys: %w", err)
	}
	return set, nil
}

// open opens one stored key.
func (k *KeySet) open(s StoredKey) (key, error) {
	privateJSON, err := k.o.Sealer.Open(s.Sealed, []byte(s.ID))
	if err != nil {
		return key{}, err
	}
	private, err := jwk.ParseKey(privateJSON)
	if err != nil {
		return key{}, errors.New("not a JWK") // err could show it
	}
	if private.Algorithm().String() != s.Algorithm || private.KeyID() != s.ID {
		return key{}, errors.New("it is another key")
	}
	// The public half is taken from what was sealed, not from what is stored
	// beside it in the clear, which somebody could have changed.
	public, err := private.PublicKey()
	if err != nil {
		return key{}, err
	}
	opened := key{id: s.ID, algorithm: jwa.SignatureAlgorithm(s.Algorithm), signsFrom: s.SignsFrom, published: public}
	// As the standard library has them: the library for JWKs would make these from a
	// JWK for each signature.
	if err := private.Raw(&opened.private); err != nil {
		return key{}, errors.New("not a key to sign with")
	}
	if err := public.Raw(&opened.public); err != nil {
		return key{}, err
	}
	return opened, nil
}

// bySignsFrom orders keys by when they start to sign, and by ID where that is the
// same, so that all nodes choose the same signer.
func bySignsFrom(a, b StoredKey) int {
	return cmp.Or(a.SignsFrom.Compare(b.SignsFrom), cmp.Compare(a.ID, b.ID))
}
