package session

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
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
}

// KeyStorage is where signing keys are kept. Its methods are safe for
// concurrent use, and an answer of success means that the change is on disk.
type KeyStorage interface {
	Keys(ctx context.Context) ([]StoredKey, error)
	AddKey(ctx context.Context, k StoredKey) error
	RemoveKey(ctx context.Context, id string) error // nil also when it is gone already
}

// A Sealer seals private keys, so that whoever reads the storage cannot sign.
type Sealer interface {
	Seal(plaintext, ad []byte) []byte
	Open(sealed, ad []byte) ([]byte, error)
}

// make adds a new key to the storage.
func (k *KeySet) make(ctx context.Context, signsFrom time.Time) error {
	raw, err := newPrivateKey(k.o.Algorithm)
	if err != nil {
		return err
	}
	private, err := jwk.FromRaw(raw)
	if err != nil {
		return fmt.Errorf("making signing key: %w", err)
	}
	id := rand.Text()
	for name, value := range map[string]any{jwk.KeyIDKey: id, jwk.AlgorithmKey: k.o.Algorithm, jwk.KeyUsageKey: "sig"} {
		if err := private.Set(name, value); err != nil {
			return fmt.Errorf("making signing key: %w", err)
		}
	}
	public, err := private.PublicKey()
	if err != nil {
		return fmt.Errorf("making signing key: %w", err)
	}
	publicJSON, err := json.Marshal(public)
	if err != nil {
		return fmt.Errorf("making signing key: %w", err)
	}
	privateJSON, err := json.Marshal(private)
	if err != nil {
		return fmt.Errorf("making signing key: %w", err)
	}
	err = k.o.Storage.AddKey(ctx, StoredKey{
		ID:        id,
		Algorithm: k.o.Algorithm,
		Public:    publicJSON,
		Sealed:    k.o.Sealer.Seal(privateJSON, []byte(id)),
		CreatedAt: k.o.Now(),
		SignsFrom: signsFrom,
	})
	if err != nil {
		return fmt.Errorf("keeping signing key: %w", err)
	}
	return nil
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

// read opens the stored keys.
func (k *KeySet) read(stored []StoredKey) (*keys, error) {
	set := &keys{byID: make(map[string]key, len(stored))}
	published := jwk.NewSet()
	for _, s := range stored {
		privateJSON, err := k.o.Sealer.Open(s.Sealed, []byte(s.ID))
		if err != nil {
			return nil, fmt.Errorf("opening signing key %s: %w", s.ID, err)
		}
		private, err := jwk.ParseKey(privateJSON)
		if err != nil {
			return nil, fmt.Errorf("opening signing key %s: not a JWK", s.ID) // err could show it
		}
		// The public half is taken from what was sealed, not from what is stored
		// beside it in the clear, which somebody could have changed.
		public, err := private.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("opening signing key %s: %w", s.ID, err)
		}
		opened := key{s.ID, jwa.SignatureAlgorithm(s.Algorithm), s.SignsFrom, private, public}
		if private.Algorithm().String() != s.Algorithm || private.KeyID() != s.ID {
			return nil, fmt.Errorf("opening signing key %s: it is another key", s.ID)
		}
		set.all = append(set.all, opened)
		set.byID[s.ID] = opened
		if err := published.AddKey(public); err != nil {
			return nil, fmt.Errorf("publishing signing key %s: %w", s.ID, err)
		}
	}
	sortKeys(set.all)
	for _, key := range set.all {
		if key.algorithm.String() == k.o.Algorithm {
			set.own = append(set.own, key)
		}
	}
	var err error
	if set.jwks, err = json.Marshal(published); err != nil {
		return nil, fmt.Errorf("publishing signing keys: %w", err)
	}
	return set, nil
}
