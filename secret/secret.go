// Package secret turns the operator's secret into the keys that Doorward works
// with: one for each purpose, by HKDF (RFC 5869) with a label, so that no two
// purposes ever share a key and the secret itself is used for nothing else.
//
// Several secrets may be given at once. The first seals and signs, all of them
// open and verify: that is how a secret is replaced without losing what the old
// one sealed.
//
// The package does not keep, rotate or distribute secrets. [LoadOrCreate] is
// for one machine; elsewhere the operator hands the same secret to every node.
package secret

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// MinLength is the shortest secret that is accepted, in bytes.
const MinLength = 32

var (
	// ErrTooShort is returned for a secret of fewer than [MinLength] bytes.
	ErrTooShort = errors.New("secret: shorter than 32 bytes")

	// ErrOtherSecret is returned by Open for a value that none of the ring's
	// secrets sealed: the secret was replaced, or the value is another
	// installation's.
	ErrOtherSecret = errors.New("secret: sealed with another secret")

	// ErrDamaged is returned by Open for a value that one of the ring's secrets
	// sealed, but that was changed since, or that belongs elsewhere.
	ErrDamaged = errors.New("secret: sealed value is damaged or in the wrong place")
)

// A Ring holds the operator's secrets, newest first. It is safe for concurrent
// use.
type Ring struct {
	secrets [][]byte
}

// NewRing returns a ring of the given secrets. The first is the one that seals.
func NewRing(secrets ...[]byte) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, ErrTooShort
	}
	r := &Ring{}
	for i, s := range secrets {
		if len(s) < MinLength {
			return nil, fmt.Errorf("secret %d of %d: %w", i+1, len(secrets), ErrTooShort)
		}
		r.secrets = append(r.secrets, append([]byte(nil), s...))
	}
	return r, nil
}

// derive returns the i-th secret's key of n bytes for a purpose.
func (r *Ring) derive(i int, purpose string, n int) []byte {
	key, err := hkdf.Key(sha256.New, r.secrets[i], nil, "doorward/v1/"+purpose, n)
	if err != nil {
		panic(err) // only for n beyond 255 hashes, which is a mistake of ours
	}
	return key
}

// Sealer returns what seals values for one purpose.
func (r *Ring) Sealer(purpose string) *Sealer {
	s := &Sealer{}
	for i := range r.secrets {
		aead, err := chacha20poly1305.NewX(r.derive(i, "seal/"+purpose, chacha20poly1305.KeySize))
		if err != nil {
			panic(err) // only for a key of the wrong size
		}
		id := binary.BigEndian.Uint32(r.derive(i, "seal-id/"+purpose, 4))
		s.keys = append(s.keys, sealingKey{id, aead})
	}
	return s
}

// A Sealer seals and opens values of one purpose with XChaCha20-Poly1305, whose
// nonce is long enough to be drawn at random for any number of values. It is
// safe for concurrent use.
//
// A sealed value is one byte of version, four that name the key, the nonce, and
// the ciphertext with its tag.
type Sealer struct {
	keys []sealingKey
}

type sealingKey struct {
	id   uint32
	aead cipher.AEAD
}

const (
	sealVersion  = 1
	sealOverhead = 1 + 4 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
)

// Seal encrypts and authenticates plaintext, and authenticates ad with it: the
// place where the value belongs, so that it opens nowhere else.
func (s *Sealer) Seal(plaintext, ad []byte) []byte {
	k := s.keys[0]
	out := make([]byte, 0, len(plaintext)+sealOverhead)
	out = append(out, sealVersion)
	out = binary.BigEndian.AppendUint32(out, k.id)
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	out = append(out, nonce...)
	return k.aead.Seal(out, nonce, plaintext, ad)
}

// Open returns what Seal was given. It returns [ErrOtherSecret] or [ErrDamaged]
// for what it cannot open.
func (s *Sealer) Open(sealed, ad []byte) ([]byte, error) {
	if len(sealed) < sealOverhead || sealed[0] != sealVersion {
		return nil, ErrDamaged
	}
	id, rest := binary.BigEndian.Uint32(sealed[1:5]), sealed[5:]
	nonce, ciphertext := rest[:chacha20poly1305.NonceSizeX], rest[chacha20poly1305.NonceSizeX:]
	err := ErrOtherSecret
	for _, k := range s.keys {
		if k.id != id {
			continue
		}
		if plaintext, openErr := k.aead.Open(nil, nonce, ciphertext, ad); openErr == nil {
			return plaintext, nil
		}
		err = ErrDamaged
	}
	return nil, err
}

// Current reports whether sealed was sealed with the newest secret.
func (s *Sealer) Current(sealed []byte) bool {
	return len(sealed) >= sealOverhead && sealed[0] == sealVersion &&
		binary.BigEndian.Uint32(sealed[1:5]) == s.keys[0].id
}

// MAC returns what authenticates values of one purpose.
func (r *Ring) MAC(purpose string) *MAC {
	m := &MAC{}
	for i := range r.secrets {
		m.keys = append(m.keys, r.derive(i, "mac/"+purpose, sha256.Size))
	}
	return m
}

// A MAC computes HMAC-SHA256 (RFC 2104) over the parts of a value. It is safe
// for concurrent use.
type MAC struct {
	keys [][]byte
}

// Sum returns the code of parts. Each part is preceded by its length, so that
// ("ab", "c") and ("a", "bc") have different codes.
func (m *MAC) Sum(parts ...string) []byte { return sum(m.keys[0], parts) }

// Verify reports whether code is the code of parts by any of the secrets, in a
// time that does not depend on where a wrong code differs.
func (m *MAC) Verify(code []byte, parts ...string) bool {
	ok := false
	for _, key := range m.keys {
		ok = hmac.Equal(code, sum(key, parts)) || ok
	}
	return ok
}

func sum(key []byte, parts []string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}
