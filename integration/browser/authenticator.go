package browser

import (
	"encoding/base64"
	"slices"

	"github.com/chromedp/cdproto/webauthn"
)

// An Authenticator is a device of a visitor that keeps passkeys: the browser's
// own (internal) or a key on the USB port. It is simulated by the browser, signs
// for real, and says yes to everything as soon as it is asked. That includes the
// list that autofill offers: a page that waits for a passkey with conditional
// mediation gets the first one that fits, as if the visitor had picked it.
type Authenticator struct {
	v  *Visitor
	id webauthn.AuthenticatorID
}

// HasAuthenticator gives the visitor a device that keeps passkeys and knows them
// by their finger.
func (v *Visitor) HasAuthenticator() *Authenticator {
	v.t.Helper()
	return v.plugIn(webauthn.AuthenticatorTransportInternal)
}

// HasSecurityKey gives the visitor a key on the USB port with a PIN.
func (v *Visitor) HasSecurityKey() *Authenticator {
	v.t.Helper()
	return v.plugIn(webauthn.AuthenticatorTransportUsb)
}

func (v *Visitor) plugIn(transport webauthn.AuthenticatorTransport) *Authenticator {
	v.t.Helper()
	call(v, webauthn.Enable, webauthn.EnableParams{})
	added := call(v, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol:                    webauthn.AuthenticatorProtocolCtap2,
			Transport:                   transport,
			HasResidentKey:              true,
			HasUserVerification:         true,
			IsUserVerified:              true,
			AutomaticPresenceSimulation: true,
		}})
	return &Authenticator{v, added.AuthenticatorID}
}

// Unplug takes the device away, with all that is on it.
func (a *Authenticator) Unplug() {
	a.v.t.Helper()
	call(a.v, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
}

// WaitsForTouch says whether the device waits for its owner, who does not come,
// instead of saying yes at once.
func (a *Authenticator) WaitsForTouch(waits bool) {
	a.v.t.Helper()
	call(a.v, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: !waits})
}

// Recognises says whether the device knows its owner the next time it is asked.
// If it does not, a ceremony ends as if they had cancelled it.
func (a *Authenticator) Recognises(owner bool) {
	a.v.t.Helper()
	call(a.v, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: owner})
}

// Passkeys returns the IDs, in base64url, of the passkeys on the device.
func (a *Authenticator) Passkeys() []string {
	a.v.t.Helper()
	on := call(a.v, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id})
	var ids []string
	for _, c := range on.Credentials {
		ids = append(ids, base64.RawURLEncoding.EncodeToString(c.CredentialID))
	}
	slices.Sort(ids)
	return ids
}

// Holds waits until there are n passkeys on the device.
func (a *Authenticator) Holds(n int) {
	a.v.t.Helper()
	if !until(func() bool { return len(a.Passkeys()) == n }) {
		a.v.t.Fatalf("got %d passkeys on the authenticator, want %d", len(a.Passkeys()), n)
	}
}
