package ceremony

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

var (
	passcodeMethods        = []string{session.MethodPasscode}
	passkeyMethods         = []string{session.MethodPasskey}
	verifiedPasskeyMethods = []string{session.MethodPasskey, session.MethodUserVerified}
)

// transports are the ones that there are (WebAuthn L3, section 5.8.4).
var transports = []protocol.AuthenticatorTransport{
	protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal,
}

// account is a user as go-webauthn sees one.
type account struct {
	user        directory.User
	credentials []webauthn.Credential
}

// account returns user with the passkeys that work at site; nil for nil.
func (p *Passkeys) account(ctx context.Context, site Site, user *directory.User) (*account, error) {
	if user == nil {
		return nil, nil
	}
	passkeys, err := p.List(ctx, site, user.ID)
	if err != nil {
		return nil, err
	}
	a := &account{user: *user}
	for _, k := range passkeys {
		a.credentials = append(a.credentials, credential(k))
	}
	return a, nil
}

// has reports whether one of a's passkeys has this credential ID.
func (a *account) has(id []byte) bool {
	return slices.ContainsFunc(a.credentials, func(c webauthn.Credential) bool { return bytes.Equal(c.ID, id) })
}

// allowed returns a's passkeys as login options name them: without transports,
// since phones look for a passkey only where it was last, and people move them.
func (a *account) allowed() []protocol.CredentialDescriptor {
	allowed := make([]protocol.CredentialDescriptor, len(a.credentials))
	for i, c := range a.credentials {
		allowed[i] = c.Descriptor()
		allowed[i].Transport = nil
	}
	return allowed
}

// WebAuthnID returns the user handle, which says nothing about the person
// (WebAuthn L3, section 14.6.1).
func (a *account) WebAuthnID() []byte { return a.user.Handle() }

// WebAuthnName returns what tells a person's accounts apart: their address.
func (a *account) WebAuthnName() string {
	primary, _ := a.user.Primary()
	return string(primary.Address)
}

// WebAuthnDisplayName returns the name of the person, or their address.
func (a *account) WebAuthnDisplayName() string {
	if a.user.Name != "" {
		return a.user.Name
	}
	return a.WebAuthnName()
}

// WebAuthnCredentials returns the user's passkeys.
func (a *account) WebAuthnCredentials() []webauthn.Credential { return a.credentials }

// credential returns a passkey as go-webauthn sees one.
func credential(k directory.Passkey) webauthn.Credential {
	c := webauthn.Credential{
		ID:                k.ID,
		PublicKey:         k.PublicKey,
		AttestationType:   k.AttestationType,
		AttestationFormat: k.AttestationFormat,
		Flags: webauthn.CredentialFlags{
			UserPresent:    k.UserPresent,
			UserVerified:   k.UserVerified,
			BackupEligible: k.BackupEligible,
			BackupState:    k.BackupState,
		},
		Authenticator: webauthn.Authenticator{
			AAGUID:     k.AAGUID,
			SignCount:  k.SignCount,
			Attachment: protocol.AuthenticatorAttachment(k.Attachment),
		},
	}
	for _, t := range k.Transports {
		c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
	}
	return c
}

// record returns a new credential as the directory keeps one.
func record(site Site, user directory.User, c *webauthn.Credential, now time.Time) directory.Passkey {
	k := directory.Passkey{
		ID:                c.ID,
		UserID:            user.ID,
		RPID:              site.RelyingParty.ID,
		Name:              AuthenticatorName(c.Authenticator.AAGUID),
		PublicKey:         c.PublicKey,
		AAGUID:            c.Authenticator.AAGUID,
		AttestationType:   c.AttestationType,
		AttestationFormat: c.AttestationFormat,
		Attachment:        string(c.Authenticator.Attachment),
		SignCount:         c.Authenticator.SignCount,
		UserPresent:       c.Flags.UserPresent,
		UserVerified:      c.Flags.UserVerified,
		BackupEligible:    c.Flags.BackupEligible,
		BackupState:       c.Flags.BackupState,
		Discoverable:      true, // residentKey was required
		CreatedAt:         now,
	}
	for _, t := range c.Transport {
		// The client says them, and they are kept: only what WebAuthn knows.
		if slices.Contains(transports, t) && !slices.Contains(k.Transports, string(t)) {
			k.Transports = append(k.Transports, string(t))
		}
	}
	if k.Name == "" {
		k.Name = fmt.Sprintf("Passkey of %s", now.UTC().Format(time.DateOnly))
	}
	return k
}
