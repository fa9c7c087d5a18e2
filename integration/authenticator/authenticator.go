// Package authenticator is a WebAuthn authenticator in software, together with
// the browser in front of it, for tests. Given the options that a relying party
// hands out, it answers with the JSON that a page would send back: what
// PublicKeyCredential.toJSON returns.
//
// An honest answer is the default. A test that wants another one changes what it
// is about, and nothing else, in the [Answer] before it is signed: so each
// forgery is valid but for one thing.
//
// It does what a client and an authenticator have to do (WebAuthn L3, sections
// 5.1 and 6) as far as a relying party can see, and checks nothing that a real
// browser checks, such as whether the origin may use the relying party ID. It
// knows nothing of Doorward.
package authenticator

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrExcluded is what a browser calls an InvalidStateError: one of the
	// excluded credentials is here already.
	ErrExcluded = errors.New("authenticator: excluded")

	// ErrNoCredential is what a browser calls a NotAllowedError: there is no
	// credential here that the options allow.
	ErrNoCredential = errors.New("authenticator: no credential")
)

// An Authenticator makes credentials and answers with them. Its zero value but
// for Origin is a security key that verifies its user, does not count, and signs
// with ES256. It is not safe for concurrent use.
type Authenticator struct {
	Origin     string // of the page that talks to it
	Algorithm  Algorithm
	AAGUID     [16]byte
	Synced     bool // its credentials are backed up: flags BE and BS
	Unverified bool // it has no means to verify its user
	Counts     bool // it counts signatures
	Transports []string
	Attachment string // "platform", "cross-platform" or ""

	Credentials []*Credential // the latest is last
}

// A Credential is a key that an Authenticator made for a user.
type Credential struct {
	ID         []byte
	RPID       string
	UserHandle []byte
	SignCount  uint32
	Key        Key
}

// creation is what a client reads of PublicKeyCredentialCreationOptions.
type creation struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
		Parameters []struct {
			Algorithm Algorithm `json:"alg"`
		} `json:"pubKeyCredParams"`
		Exclude []descriptor `json:"excludeCredentials"`
	} `json:"publicKey"`
}

// request is what a client reads of PublicKeyCredentialRequestOptions.
type request struct {
	PublicKey struct {
		Challenge string       `json:"challenge"`
		RPID      string       `json:"rpId"`
		Allow     []descriptor `json:"allowCredentials"`
	} `json:"publicKey"`
}

type descriptor struct {
	ID string `json:"id"`
}

// Create makes a credential as options ask, and returns the answer to them. Each
// change is made to the answer before it is encoded.
func (a *Authenticator) Create(options []byte, changes ...func(*Answer)) ([]byte, error) {
	var o creation
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, fmt.Errorf("reading creation options: %w", err)
	}
	for _, d := range o.PublicKey.Exclude {
		if a.find(o.PublicKey.RP.ID, d.ID) != nil {
			return nil, ErrExcluded
		}
	}
	accepted := false
	for _, p := range o.PublicKey.Parameters {
		accepted = accepted || p.Algorithm == a.algorithm()
	}
	if !accepted {
		return nil, fmt.Errorf("authenticator: the options ask for no %v", a.algorithm())
	}
	handle, err := base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID)
	if err != nil {
		return nil, fmt.Errorf("reading user handle: %w", err)
	}
	key, err := NewKey(a.algorithm())
	if err != nil {
		return nil, err
	}
	c := &Credential{ID: make([]byte, 32), RPID: o.PublicKey.RP.ID, UserHandle: handle, Key: key}
	rand.Read(c.ID)
	answer := a.answer(c, "webauthn.create", o.PublicKey.Challenge)
	answer.Flags |= AttestedData
	discoverable := true
	answer.Discoverable = &discoverable
	for _, change := range changes {
		change(answer)
	}
	c.ID = answer.CredentialID
	a.Credentials = append(a.Credentials, c)
	return answer.created()
}

// Get answers options with a credential that they allow, the latest if there are
// several. Each change is made to the answer before it is signed.
func (a *Authenticator) Get(options []byte, changes ...func(*Answer)) ([]byte, error) {
	var o request
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, fmt.Errorf("reading request options: %w", err)
	}
	var c *Credential
	for _, candidate := range slices.Backward(a.Credentials) {
		named := slices.ContainsFunc(o.PublicKey.Allow, func(d descriptor) bool { return d.ID == encode(candidate.ID) })
		if candidate.RPID == o.PublicKey.RPID && (named || len(o.PublicKey.Allow) == 0) {
			c = candidate
			break
		}
	}
	if c == nil {
		return nil, ErrNoCredential
	}
	if a.Counts {
		c.SignCount++
	}
	answer := a.answer(c, "webauthn.get", o.PublicKey.Challenge)
	answer.UserHandle = c.UserHandle
	for _, change := range changes {
		change(answer)
	}
	return answer.got()
}

// answer returns the honest answer with a credential.
func (a *Authenticator) answer(c *Credential, ceremony, challenge string) *Answer {
	answer := &Answer{
		Type: ceremony, Challenge: challenge, Origin: a.Origin,
		RPID: c.RPID, Flags: UserPresent, SignCount: c.SignCount, AAGUID: a.AAGUID,
		CredentialID: c.ID, Key: c.Key, Transports: a.Transports, Attachment: a.Attachment,
	}
	if !a.Unverified {
		answer.Flags |= UserVerified
	}
	if a.Synced {
		answer.Flags |= BackupEligible | BackupState
	}
	return answer
}

func (a *Authenticator) algorithm() Algorithm {
	if a.Algorithm == 0 {
		return ES256
	}
	return a.Algorithm
}

// find returns the credential with an ID as options write it, or nil.
func (a *Authenticator) find(rpID, id string) *Credential {
	want, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return nil
	}
	for _, c := range a.Credentials {
		if c.RPID == rpID && bytes.Equal(c.ID, want) {
			return c
		}
	}
	return nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
