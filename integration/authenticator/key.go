package authenticator

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// An Algorithm is a COSE algorithm (RFC 9053, RFC 8812).
type Algorithm int64

// The algorithms that passkeys in the field sign with.
const (
	ES256 Algorithm = -7
	EdDSA Algorithm = -8
	RS256 Algorithm = -257
)

// A Key is the private key of a credential.
type Key struct {
	algorithm Algorithm
	signer    crypto.Signer
}

// NewKey returns a new key.
func NewKey(algorithm Algorithm) (Key, error) {
	var signer crypto.Signer
	var err error
	switch algorithm {
	case ES256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	case RS256:
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("authenticator: unknown algorithm %d", algorithm)
	}
	return Key{algorithm, signer}, err
}

// Sign returns a signature over data.
func (k Key) Sign(data []byte) ([]byte, error) {
	if k.algorithm == EdDSA {
		return k.signer.Sign(rand.Reader, data, crypto.Hash(0))
	}
	hash := sha256.Sum256(data)
	return k.signer.Sign(rand.Reader, hash[:], crypto.SHA256)
}

// COSE returns the public key as a COSE_Key (RFC 9052, section 7), its entries
// in canonical order.
func (k Key) COSE() []byte {
	const kty, alg, crv, x, y = 1, 3, -1, -2, -3
	switch public := k.signer.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 0x04, X, Y
		if err != nil {
			panic(err) // only for a point that is not on the curve, and we made it
		}
		b := appendMap(nil, 5)
		b = appendInt(appendInt(b, kty), 2) // EC2
		b = appendInt(appendInt(b, alg), int64(ES256))
		b = appendInt(appendInt(b, crv), 1) // P-256
		b = appendBytes(appendInt(b, x), point[1:33])
		return appendBytes(appendInt(b, y), point[33:])
	case ed25519.PublicKey:
		b := appendMap(nil, 4)
		b = appendInt(appendInt(b, kty), 1) // OKP
		b = appendInt(appendInt(b, alg), int64(EdDSA))
		b = appendInt(appendInt(b, crv), 6) // Ed25519
		return appendBytes(appendInt(b, x), public)
	case *rsa.PublicKey:
		const n, e = -1, -2
		b := appendMap(nil, 4)
		b = appendInt(appendInt(b, kty), 3) // RSA
		b = appendInt(appendInt(b, alg), int64(RS256))
		b = appendBytes(appendInt(b, n), public.N.Bytes())
		exponent := binary.BigEndian.AppendUint32(nil, uint32(public.E))
		return appendBytes(appendInt(b, e), exponent[1:]) // 65537 has three bytes
	}
	return nil
}
