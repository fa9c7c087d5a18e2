package ceremony

import (
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

	// Begun login ceremonies from one network, so that nobody fills the store: of
	// strangers, and of each user who is named. Default: 3000 an hour.
	Begun Budget

	// Registrations begun by one user, each of which may add a passkey and send a
	// letter. Default: 60 an hour.
	Registrations Budget

	Now func() time.Time // default: time.Now
}

// Passkeys runs the passkey ceremonies. It is safe for concurrent use.
type Passkeys struct {
	o       PasskeyOptions
	notices notices
}

// NewPasskeys returns Passkeys with o's defaults filled in.
func NewPasskeys(o PasskeyOptions) *Passkeys {
	if o.UserVerification == "" {
		o.UserVerification = string(protocol.VerificationPreferred)
	}
	o.Begun, o.Registrations = o.Begun.or(3000), o.Registrations.or(60)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Passkeys{o, notices{o.Letters, o.Outbox, o.Now}}
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
		RPID:          site.RelyingParty.ID,
		RPDisplayName: site.RelyingParty.Name,
		RPOrigins:     []string{site.Origin},
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

// checkOrigin returns an error unless a client says, to the byte, one of the origins
// that rp accepts ceremonies from. Browsers write an origin in one way (RFC 6454,
// section 6.2); the library reads a URL, and finds one in capitals, with a user or
// with a path the same.
func checkOrigin(rp *webauthn.WebAuthn, client protocol.CollectedClientData) error {
	if slices.Contains(rp.Config.RPOrigins, client.Origin) || slices.Contains(rp.Config.RPOpaqueOrigins, client.Origin) {
		return nil
	}
	return fmt.Errorf("%w: it was used from an origin that is not accepted", ErrPasskey)
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
	p.notices.tellUser(site, c, user, mail.PasskeyRemoved, passkey.Name)
	return nil
}

// List returns the passkeys of a user that work at site, oldest first.
func (p *Passkeys) List(ctx context.Context, site Site, userID string) ([]directory.Passkey, error) {
	return passkeysAt(ctx, p.o.Directory, site, userID)
}

func passkeysAt(ctx context.Context, d *directory.Directory, site Site, userID string) ([]directory.Passkey, error) {
	all, err := d.Passkeys(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("listing passkeys: %w", err)
	}
	return slices.DeleteFunc(all, func(k directory.Passkey) bool { return k.RPID != site.RelyingParty.ID }), nil
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
