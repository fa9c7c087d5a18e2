package ceremony

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
)

// InitializeRegistration begins the registration of a passkey for user, who is
// signed in, and returns the options for navigator.credentials.create, as JSON. It
// returns ErrMalformed for wishes that cannot be had, a [LimitError], or a failure.
func (p *Passkeys) InitializeRegistration(ctx context.Context, site Site, c Client, user directory.User, w Wishes) ([]byte, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	if _, err := spend(ctx, p.o.Store, p.o.Now(), p.o.Registrations, registrationsBudget, user.ID); err != nil {
		return nil, err
	}
	rp, err := p.relyingParty(site)
	if err != nil {
		return nil, err
	}
	account, err := p.account(ctx, site, &user)
	if err != nil {
		return nil, err
	}
	var have []protocol.CredentialDescriptor
	for _, credential := range account.credentials {
		have = append(have, credential.Descriptor())
	}
	options, data, err := rp.BeginRegistration(account,
		webauthn.WithExclusions(have),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			AuthenticatorAttachment: protocol.AuthenticatorAttachment(w.Attachment),
			RequireResidentKey:      protocol.ResidentKeyRequired(),
			ResidentKey:             protocol.ResidentKeyRequirementRequired,
			UserVerification:        p.userVerification(w),
		}),
		webauthn.WithConveyancePreference(w.attestation()),
		webauthn.WithExtensions(webauthn.WithExtensionCredProps()))
	if err != nil {
		return nil, fmt.Errorf("beginning registration: %w", err)
	}
	return p.keep(ctx, ceremonyRegistration, pendingPasskey{
		Data: *data, RPID: site.RelyingParty.ID, UserID: user.ID, Binding: bind(c.Binding),
	}, options)
}

// FinalizeRegistration adds the passkey that answered a registration ceremony's
// challenge to user, who is the one that began it. When it returns the passkey,
// the passkey is on disk.
//
// It returns ErrMalformed, ErrChallenge, ErrUserVerification, ErrPasskey,
// ErrPasskeyTaken, or a failure. Whatever it returns, but for ErrMalformed, the
// challenge is spent.
func (p *Passkeys) FinalizeRegistration(ctx context.Context, site Site, c Client, user directory.User, response []byte) (directory.Passkey, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return directory.Passkey{}, malformed(err)
	}
	pending, err := p.take(ctx, ceremonyRegistration, parsed.Response.CollectedClientData.Challenge, site, c)
	if err != nil {
		return directory.Passkey{}, err
	}
	if pending.UserID != user.ID {
		return directory.Passkey{}, ErrChallenge
	}
	rp, err := p.relyingParty(site)
	if err != nil {
		return directory.Passkey{}, err
	}
	if err := checkOrigin(rp, parsed.Response.CollectedClientData); err != nil {
		return directory.Passkey{}, err
	}
	if required := pending.Data.UserVerification == protocol.VerificationRequired; required &&
		!parsed.Response.AttestationObject.AuthData.Flags.HasUserVerified() {
		return directory.Passkey{}, ErrUserVerification
	}
	made, err := rp.CreateCredential(&account{user: user}, pending.Data, parsed)
	if err != nil {
		return directory.Passkey{}, unverified(err)
	}
	// Without attestation nothing is signed when a passkey is made, and the library
	// looks at the key's algorithm alone.
	if _, err := webauthncose.ParsePublicKey(made.PublicKey); err != nil {
		return directory.Passkey{}, fmt.Errorf("%w: its public key is not one of its algorithm", ErrPasskey)
	}
	if rk := made.Extensions.RK; rk != nil && !*rk {
		return directory.Passkey{}, fmt.Errorf("%w: it cannot be found without naming its user (credProps.rk is false)", ErrPasskey)
	}
	passkey := record(site, user, made, p.o.Now())
	err = p.o.Directory.AddPasskey(ctx, passkey)
	switch {
	case errors.Is(err, directory.ErrTaken):
		return directory.Passkey{}, ErrPasskeyTaken
	case err != nil:
		return directory.Passkey{}, fmt.Errorf("keeping passkey: %w", err)
	}
	p.notices.tellUser(site, c, user, mail.PasskeyAdded, passkey.Name)
	return passkey, nil
}
