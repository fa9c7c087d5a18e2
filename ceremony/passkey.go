package ceremony

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/store"
)

// PasskeyOptions configures [Passkeys]. Store, Directory, Letters and Outbox are
// required.
type PasskeyOptions struct {
	Store     store.Store
	Directory *directory.Directory
	Letters   *mail.Letters
	Outbox    Outbox

	// UserVerification is "preferred" (the default), "required" or "discouraged"
	// (WebAuthn L3, section 5.8.6).
	UserVerification string

	// Begun login ceremonies of strangers, from one network, so that nobody fills
	// the store. Default: 3000 an hour.
	Begun Budget

	Now func() time.Time // default: time.Now
}

// Passkeys runs the passkey ceremonies. It is safe for concurrent use.
type Passkeys struct {
	o PasskeyOptions
}

// NewPasskeys returns Passkeys with o's defaults filled in.
func NewPasskeys(o PasskeyOptions) *Passkeys {
	if o.UserVerification == "" {
		o.UserVerification = string(protocol.VerificationPreferred)
	}
	if o.Begun.Times == 0 {
		o.Begun = Budget{3000, time.Hour}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Passkeys{o}
}

// pendingPasskey is what is kept of a challenge. It is found by the challenge,
// which the client sends back inside what its authenticator signed.
type pendingPasskey struct {
	Data    webauthn.SessionData `json:"data"`
	RPID    string               `json:"rp"`
	UserID  string               `json:"user,omitempty"` // who registers, or was named at login
	Binding []byte               `json:"binding,omitempty"`
	Expires time.Time            `json:"expires"`
}

// The ceremonies that a challenge can belong to.
const (
	ceremonyLogin        = "login"
	ceremonyRegistration = "registration"
)

// relyingParty returns what verifies the ceremonies of a site. Whether a
// ceremony has expired is this package's to say, by its own clock.
func (p *Passkeys) relyingParty(site Site) (*webauthn.WebAuthn, error) {
	config := &webauthn.Config{
		RPID:                  site.RelyingParty.ID,
		RPDisplayName:         site.RelyingParty.Name,
		RPOrigins:             []string{site.Origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyRequired(),
			ResidentKey:        protocol.ResidentKeyRequirementRequired,
			UserVerification:   protocol.UserVerificationRequirement(p.o.UserVerification),
		},
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Timeout: Lifetime, TimeoutUVD: Lifetime},
			Registration: webauthn.TimeoutConfig{Timeout: Lifetime, TimeoutUVD: Lifetime},
		},
		// Some password managers answer with extension outputs that nobody asked
		// for. Nothing here is decided by an extension but credProps.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	}
	for _, origin := range site.RelyingParty.Origins {
		switch {
		case protocol.IsOpaqueOrigin(origin):
			config.RPOpaqueOrigins = append(config.RPOpaqueOrigins, origin)
		case !slices.Contains(config.RPOrigins, origin):
			config.RPOrigins = append(config.RPOrigins, origin)
		}
	}
	rp, err := webauthn.New(config)
	if err != nil {
		return nil, fmt.Errorf("configuring relying party: %w", err)
	}
	return rp, nil
}

// CheckRelyingParty returns an error that says what is wrong with a site's
// relying party, if anything is.
func CheckRelyingParty(site Site) error {
	rp, err := NewPasskeys(PasskeyOptions{}).relyingParty(site)
	if err != nil {
		return err
	}
	if site.RelyingParty.Name == "" {
		return errors.New("configuring relying party: it has no name")
	}
	// The library looks at the ID only when a ceremony begins.
	if _, _, err = rp.BeginDiscoverableLogin(); err != nil {
		return fmt.Errorf("configuring relying party: %w", err)
	}
	return nil
}

// InitializeLogin begins a login ceremony and returns the options for
// navigator.credentials.get, as JSON. With user nil, any of the site's passkeys
// may answer; else only those of user, who must be known to be the one who asks:
// the options tell which passkeys they have. It returns a [LimitError], or a
// failure.
func (p *Passkeys) InitializeLogin(ctx context.Context, site Site, c Client, user *directory.User) ([]byte, error) {
	if user == nil {
		if err := spend(ctx, p.o.Store, p.o.Now(), p.o.Begun, "logins-begun", c.Network); err != nil {
			return nil, err
		}
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
		options, data, err = rp.BeginDiscoverableLogin()
	} else {
		pending.UserID = user.ID
		options, data, err = rp.BeginLogin(account)
	}
	if err != nil {
		return nil, fmt.Errorf("beginning login: %w", err)
	}
	pending.Data = *data
	return p.keep(ctx, ceremonyLogin, pending, options)
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
	err = p.o.Directory.UsePasskey(ctx, directory.PasskeyUse{
		ID: passkey.ID, UserID: user.ID, SignCount: parsed.Response.AuthenticatorData.Counter,
		UserVerified: passkey.UserVerified, BackupState: flags.HasBackupState(), At: p.o.Now(),
	})
	switch {
	case errors.Is(err, directory.ErrSignCount):
		return SignIn{}, fmt.Errorf("%w: sign count did not grow, the authenticator may have been cloned", ErrPasskey)
	case errors.Is(err, directory.ErrNotFound): // removed meanwhile
		return SignIn{}, ErrUnknownPasskey
	case err != nil:
		return SignIn{}, fmt.Errorf("noting that a passkey was used: %w", err)
	}
	if user.Disabled || !door.Admits(user) {
		return SignIn{}, ErrNotAllowed
	}
	return SignIn{User: user, Methods: methods(passkey, flags)}, nil
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
	passkey, err := p.o.Directory.Passkey(ctx, id)
	if errors.Is(err, directory.ErrNotFound) || err == nil && passkey.RPID != site.RelyingParty.ID {
		return directory.Passkey{}, directory.User{}, ErrUnknownPasskey
	}
	if err != nil {
		return directory.Passkey{}, directory.User{}, fmt.Errorf("looking up passkey: %w", err)
	}
	user, err := p.o.Directory.User(ctx, passkey.UserID)
	if errors.Is(err, directory.ErrNotFound) {
		return directory.Passkey{}, directory.User{}, ErrUnknownPasskey
	}
	if err != nil {
		return directory.Passkey{}, directory.User{}, fmt.Errorf("looking up user: %w", err)
	}
	return passkey, user, nil
}

// InitializeRegistration begins the registration of a passkey for user, who is
// signed in, and returns the options for navigator.credentials.create, as JSON.
func (p *Passkeys) InitializeRegistration(ctx context.Context, site Site, c Client, user directory.User) ([]byte, error) {
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
	if required := pending.Data.UserVerification == protocol.VerificationRequired; required &&
		!parsed.Response.AttestationObject.AuthData.Flags.HasUserVerified() {
		return directory.Passkey{}, ErrUserVerification
	}
	made, err := rp.CreateCredential(&account{user: user}, pending.Data, parsed)
	if err != nil {
		return directory.Passkey{}, unverified(err)
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
	p.tell(site, c, user, mail.PasskeyAdded, passkey.Name)
	return passkey, nil
}

// Remove removes a passkey of user, and tells them by mail. It returns
// [directory.ErrNotFound] for a passkey that they do not have.
func (p *Passkeys) Remove(ctx context.Context, site Site, c Client, user directory.User, id []byte) error {
	passkey, err := p.o.Directory.Passkey(ctx, id)
	if err != nil {
		return err
	}
	if err := p.o.Directory.RemovePasskey(ctx, user.ID, id); err != nil {
		return err
	}
	p.tell(site, c, user, mail.PasskeyRemoved, passkey.Name)
	return nil
}

// List returns the passkeys of a user that work at site, oldest first.
func (p *Passkeys) List(ctx context.Context, site Site, userID string) ([]directory.Passkey, error) {
	all, err := p.o.Directory.Passkeys(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("listing passkeys: %w", err)
	}
	return slices.DeleteFunc(all, func(k directory.Passkey) bool { return k.RPID != site.RelyingParty.ID }), nil
}

// tell writes to a user about a change to their account. What has been changed
// stays changed if the letter cannot be sent; the outbox says so in the log.
func (p *Passkeys) tell(site Site, c Client, user directory.User, kind mail.NoticeKind, subject string) {
	primary, ok := user.Primary()
	if !ok {
		return
	}
	letter, err := p.o.Letters.Notice(string(primary.Address), c.Language, mail.Notice{
		Kind: kind, Subject: subject, Site: site.Host, Client: c.Agent, At: p.o.Now(), AccountURL: site.AccountURL,
	})
	if err == nil {
		_ = p.o.Outbox.Post(letter)
	}
}

// keep keeps a ceremony under its challenge, and returns its options as JSON.
func (p *Passkeys) keep(ctx context.Context, ceremony string, pending pendingPasskey, options any) ([]byte, error) {
	pending.Expires = p.o.Now().Add(Lifetime)
	value, err := json.Marshal(pending)
	if err != nil {
		return nil, err
	}
	if err := p.o.Store.Put(ctx, challengeKey(ceremony, pending.Data.Challenge), value, Lifetime); err != nil {
		return nil, fmt.Errorf("keeping challenge: %w", err)
	}
	return json.Marshal(options)
}

// take takes the ceremony that a challenge belongs to. It is spent from here on,
// whatever becomes of it, and even if the client hangs up.
func (p *Passkeys) take(ctx context.Context, ceremony, challenge string, site Site, c Client) (pendingPasskey, error) {
	value, err := p.o.Store.Take(context.WithoutCancel(ctx), challengeKey(ceremony, challenge))
	if errors.Is(err, store.ErrNotFound) {
		return pendingPasskey{}, ErrChallenge
	}
	if err != nil {
		return pendingPasskey{}, fmt.Errorf("taking challenge: %w", err)
	}
	var pending pendingPasskey
	if err := json.Unmarshal(value, &pending); err != nil {
		return pendingPasskey{}, fmt.Errorf("reading challenge: %w", err)
	}
	if !bound(pending.Binding, c.Binding) || pending.RPID != site.RelyingParty.ID || !p.o.Now().Before(pending.Expires) {
		return pendingPasskey{}, ErrChallenge
	}
	return pending, nil
}

// challengeKey names a ceremony by its challenge, without showing it to whoever
// can list the store's keys.
func challengeKey(ceremony, challenge string) string {
	sum := sha256.Sum256([]byte(challenge))
	return "passkey/" + ceremony + "/" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// malformed and unverified say what the library found wrong. Its DevInfo is left
// out: it can hold a challenge.
func malformed(err error) error  { return fmt.Errorf("%w: %s", ErrMalformed, details(err)) }
func unverified(err error) error { return fmt.Errorf("%w: %s", ErrPasskey, details(err)) }

func details(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) {
		return strings.TrimSpace(e.Type + ": " + e.Details)
	}
	return "not as expected"
}
