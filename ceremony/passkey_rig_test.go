package ceremony_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/integration/authenticator"
)

// newAuthenticator returns a security key, used from a page of site.
func newAuthenticator() *authenticator.Authenticator {
	return &authenticator.Authenticator{Origin: site.Origin, Transports: []string{"usb"}, Attachment: "cross-platform"}
}

// change is what a test wants otherwise in an answer; nil is an honest one.
type change = func(*authenticator.Answer)

func honest(*authenticator.Answer) {}

// tryRegister registers a passkey of user, who has signed in at s.
func (r *rig) tryRegister(t testing.TB, s ceremony.Site, a *authenticator.Authenticator, user directory.User, c change) (directory.Passkey, error) {
	t.Helper()
	options, err := r.passkeys.InitializeRegistration(t.Context(), s, browser, user, ceremony.Wishes{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Create(options, c)
	if err != nil {
		t.Fatal(err)
	}
	return r.passkeys.FinalizeRegistration(t.Context(), s, browser, user, answer)
}

// register is tryRegister for what has to succeed.
func (r *rig) register(t testing.TB, a *authenticator.Authenticator, user directory.User) directory.Passkey {
	t.Helper()
	passkey, err := r.tryRegister(t, site, a, user, honest)
	if err != nil {
		t.Fatalf("registering: %v", err)
	}
	return passkey
}

// options begins a login at s; user may be nil.
func (r *rig) options(t testing.TB, s ceremony.Site, user *directory.User) []byte {
	t.Helper()
	options, err := r.passkeys.InitializeLogin(t.Context(), s, browser, user, idOf(user), ceremony.Wishes{})
	if err != nil {
		t.Fatal(err)
	}
	return options
}

// get answers login options.
func get(t testing.TB, a *authenticator.Authenticator, options []byte, c change) []byte {
	t.Helper()
	answer, err := a.Get(options, c)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// login signs in with a passkey of a.
func (r *rig) login(t testing.TB, a *authenticator.Authenticator, c change) (ceremony.SignIn, error) {
	t.Helper()
	return r.passkeys.FinalizeLogin(t.Context(), site, knownOnly, browser, get(t, a, r.options(t, site, nil), c))
}

// publicKey is what the tests read of options.
type publicKey struct {
	Challenge        string                    `json:"challenge"`
	RPID             string                    `json:"rpId"`
	Timeout          int                       `json:"timeout"`
	UserVerification string                    `json:"userVerification"`
	Allow            []struct{ ID string }     `json:"allowCredentials"`
	Exclude          []struct{ ID string }     `json:"excludeCredentials"`
	RP               struct{ ID, Name string } `json:"rp"`
	User             struct {
		ID, Name, DisplayName string
	} `json:"user"`
	Selection struct {
		ResidentKey      string `json:"residentKey"`
		UserVerification string `json:"userVerification"`
		Attachment       string `json:"authenticatorAttachment"`
	} `json:"authenticatorSelection"`
	Attestation string `json:"attestation"`
}

func readOptions(t testing.TB, options []byte) publicKey {
	t.Helper()
	var o struct {
		PublicKey publicKey `json:"publicKey"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	return o.PublicKey
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// idOf returns the ID of a user who asks for themselves, or "" for a stranger.
func idOf(user *directory.User) string {
	if user == nil {
		return ""
	}
	return user.ID
}
