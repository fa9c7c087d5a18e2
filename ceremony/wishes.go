package ceremony

import (
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
)

// Wishes are what a client asks of a passkey ceremony beyond what the site does.
// An empty one is none.
type Wishes struct {
	// UserVerification is "required", "preferred" or "discouraged" (WebAuthn L3,
	// section 5.8.6). Of what the site asks for and this, the stricter counts.
	UserVerification string

	// Attachment of the authenticator that makes a passkey, "platform" or
	// "cross-platform" (section 5.4.5). A login goes by none.
	Attachment string

	// Attestation of a new passkey, "none", "indirect", "direct" or "enterprise"
	// (section 5.4.7). What comes is verified, and nothing is decided by who signed
	// it. Default: none.
	Attestation string
}

// strictness are the words for user verification, the stricter ones behind.
var strictness = []string{
	string(protocol.VerificationDiscouraged), string(protocol.VerificationPreferred), string(protocol.VerificationRequired),
}

// check returns ErrMalformed, and which one, for a wish that is not one of the
// words for it.
func (w Wishes) check() error {
	for _, wish := range []struct {
		name, value string
		words       []string
	}{
		{"userVerification", w.UserVerification, strictness},
		{"authenticatorAttachment", w.Attachment, []string{string(protocol.Platform), string(protocol.CrossPlatform)}},
		{"attestation", w.Attestation, []string{
			string(protocol.PreferNoAttestation), string(protocol.PreferIndirectAttestation),
			string(protocol.PreferDirectAttestation), string(protocol.PreferEnterpriseAttestation),
		}},
	} {
		if wish.value != "" && !slices.Contains(wish.words, wish.value) {
			return fmt.Errorf("%w: %s must be one of %q", ErrMalformed, wish.name, wish.words)
		}
	}
	return nil
}

// attestation returns what is asked for, by default nothing.
func (w Wishes) attestation() protocol.ConveyancePreference {
	if w.Attestation == "" {
		return protocol.PreferNoAttestation
	}
	return protocol.ConveyancePreference(w.Attestation)
}

// userVerification returns the stricter of what the site asks for and w.
func (p *Passkeys) userVerification(w Wishes) protocol.UserVerificationRequirement {
	asked := p.o.UserVerification
	if slices.Index(strictness, w.UserVerification) > slices.Index(strictness, asked) {
		asked = w.UserVerification
	}
	return protocol.UserVerificationRequirement(asked)
}
