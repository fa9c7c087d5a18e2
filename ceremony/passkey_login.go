package ceremony

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/doorward/doorward/directory"
)

// InitializeLogin begins a login ceremony and returns the options for
// navigator.credentials.get, as JSON. With user nil, any of the site's passkeys
// may answer; else only those of user, and the options tell which passkeys they
// have: user is known to be the one who asks, or strangers may find out such
// things. visitor is the ID of the user who is signed in and asks, or empty. It
// returns ErrMalformed for wishes that cannot be had, a [LimitError], or a
// failure.
func (p *Passkeys) InitializeLogin(ctx context.Context, site Site, c Client, user *directory.User, visitor string, w Wishes) ([]byte, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	if err := p.spendBegun(ctx, c, user, visitor); err != nil {
		return nil, err
	}
	rp, err := p.relyingParty(site)
	if err != nil {
		return nil, err
	}
	var (
		options *protocol.CredentialAssertion
		data    *webauthn.SessionData
		pending = pendingPasskey{RPID: site.RelyingParty.ID, Binding: bind(c.Binding)}
	)
	account, err := p.account(ctx, site, user)
	if err != nil {
		return nil, err
	}
	if account == nil || len(account.credentials) == 0 {
		options, data, err = rp.BeginDiscoverableLogin(webauthn.WithUserVerification(p.userVerification(w)))
	} else {
		pending.UserID = user.ID
		options, data, err = rp.BeginLogin(account,
			webauthn.WithUserVerification(p.userVerification(w)), webauthn.WithAllowedCredentials(account.allowed()))
	}
	if err != nil {
		return nil, fmt.Errorf("beginning login: %w", err)
	}
	pending.Data = *data
	return p.keep(ctx, ceremonyLogin, pending, options)
}

// spendBegun takes one from the budget of who begins a login ceremony: a network, a
// browser that is known to the user, or, if none is named, to anybody who may still
// sign in, or somebody who is signed in, from a network. Strangers spend none but the
// first.
func (p *Passkeys) spendBegun(ctx context.Context, c Client, user *directory.User, visitor string) error {
	now := p.o.Now()
	if user != nil && user.ID == visitor {
		// Hashed, so that no key of the store names a user who may be gone by then.
		sum := sha256.Sum256([]byte(user.ID + "/" + c.Network))
		_, err := spend(ctx, p.o.Store, now, p.o.Begun, loginsBudget+asNamed, base64.RawURLEncoding.EncodeToString(sum[:]))
		return err
	}
	known, _, err := c.live(ctx, p.o.Directory, func(k Known) bool { return user == nil || k.UserID == user.ID })
	if err != nil {
		return err
	}
	if known != nil {
		if _, err := spendKnown(ctx, p.o.Store, now, p.o.Begun, loginsBudget, *known); !spent(err) {
			return err
		}
	}
	_, err = spend(ctx, p.o.Store, now, p.o.Begun, loginsBudget, c.Network)
	return err
}

// FinalizeLogin returns whose passkey answered a login ceremony's challenge.
// response is the PublicKeyCredential as JSON.
//
// It returns ErrMalformed, ErrChallenge, ErrUnknownPasskey, ErrPasskey,
// ErrNotAllowed, or a failure. Whatever it returns, but for ErrMalformed, the
// challenge is spent.
func (p *Passkeys) FinalizeLogin(ctx context.Context, site Site, door Door, c Client, response []byte) (SignIn, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return SignIn{}, malformed(err)
	}
	pending, err := p.take(ctx, ceremonyLogin, parsed.Response.CollectedClientData.Challenge, site, c)
	if err != nil {
		return SignIn{}, err
	}
	passkey, user, err := p.owner(ctx, site, parsed.RawID)
	if err != nil {
		return SignIn{}, err
	}
	if handle := parsed.Response.UserHandle; len(handle) > 0 && !bytes.Equal(handle, user.Handle()) ||
		pending.UserID != "" && pending.UserID != user.ID {
		return SignIn{}, ErrUnknownPasskey
	}
	rp, err := p.relyingParty(site)
	if err != nil {
		return SignIn{}, err
	}
	if err := checkOrigin(rp, parsed.Response.CollectedClientData); err != nil {
		return SignIn{}, err
	}
	who := &account{user, []webauthn.Credential{credential(passkey)}}
	if pending.UserID != "" {
		// The ceremony allowed all of the user's passkeys; the library wants to see
		// them all, though one has answered, and though another was removed since.
		if who, err = p.account(ctx, site, &user); err != nil {
			return SignIn{}, err
		}
		pending.Data.AllowedCredentialIDs = slices.DeleteFunc(pending.Data.AllowedCredentialIDs, func(id []byte) bool { return !who.has(id) })
		_, err = rp.ValidateLogin(who, pending.Data, parsed)
	} else {
		_, _, err = rp.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return who, nil }, pending.Data, parsed)
	}
	if err != nil {
		return SignIn{}, unverified(err)
	}
	flags := parsed.Response.AuthenticatorData.Flags
	passkey.SignCount, passkey.BackupState = parsed.Response.AuthenticatorData.Counter, flags.HasBackupState()
	passkey.LastUsedAt = p.o.Now()
	err = p.o.Directory.UsePasskey(ctx, directory.PasskeyUse{
		ID: passkey.ID, UserID: user.ID, SignCount: passkey.SignCount,
		UserVerified: passkey.UserVerified, BackupState: passkey.BackupState, At: passkey.LastUsedAt,
	})
	switch {
	case errors.Is(err, directory.ErrSignCount):
		return SignIn{}, p.suspectClone(ctx, c, passkey)
	case errors.Is(err, directory.ErrNotFound): // removed meanwhile
		return SignIn{}, ErrUnknownPasskey
	case err != nil:
		return SignIn{}, fmt.Errorf("noting that a passkey was used: %w", err)
	}
	if user.Disabled || !door.Admits(user) {
		return SignIn{}, ErrNotAllowed
	}
	return SignIn{User: user, Methods: methods(passkey, flags), Passkey: passkey}, nil
}

// suspectClone notes that a passkey answered whose count did not grow, for operators
// to find, and returns why it is refused: of two authenticators that have its key one
// may be a thief's, and nobody knows which.
func (p *Passkeys) suspectClone(ctx context.Context, c Client, passkey directory.Passkey) error {
	err := p.o.Directory.Record(context.WithoutCancel(ctx), directory.Event{
		At: p.o.Now(), Type: "passkey_clone_suspected", UserID: passkey.UserID, Detail: passkey.Name, Client: c.Network,
	})
	if err != nil {
		return fmt.Errorf("recording that a passkey may be cloned: %w", err)
	}
	return fmt.Errorf("%w: sign count did not grow, the authenticator may have been cloned", ErrPasskey)
}

// methods returns how a passkey proved its user. That the authenticator verified
// them counts only if it could when the passkey was made (WebAuthn L3, section
// 4, uvInitialized), or if the passkey is a synced one: else whoever stole a
// security key without a PIN could have set one.
func methods(passkey directory.Passkey, flags protocol.AuthenticatorFlags) []string {
	if flags.HasUserVerified() && (passkey.UserVerified || passkey.BackupEligible) {
		return verifiedPasskeyMethods
	}
	return passkeyMethods
}

// owner returns the passkey with a credential ID, and whose it is.
func (p *Passkeys) owner(ctx context.Context, site Site, id []byte) (directory.Passkey, directory.User, error) {
	passkey, user, err := p.o.Directory.PasskeyOwner(ctx, id)
	if errors.Is(err, directory.ErrNotFound) || err == nil && passkey.RPID != site.RelyingParty.ID {
		return directory.Passkey{}, directory.User{}, ErrUnknownPasskey
	}
	if err != nil {
		return directory.Passkey{}, directory.User{}, fmt.Errorf("looking up passkey: %w", err)
	}
	return passkey, user, nil
}
