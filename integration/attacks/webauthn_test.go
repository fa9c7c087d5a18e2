package attacks

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/doorward/doorward/integration/authenticator"
)

// verifying is a house with one relying party for two sites and a related origin, which
// wants its users verified.
var verifying = sync.OnceValue(func() *House {
	return Build(&ever, Plan{Doorward: `
		relying_party example.test {
			origins https://app.second.test:$PORT android:apk-key-hash:7d1R0-6vSKTA1BHnpbHcGPmE4vW8FoOoHTH7QcWBYt0
		}
		passkey {
			user_verification required
		}
		session {
			check_interval 100ms
		}`})
})

// change is what a test wants otherwise in an answer of an authenticator.
type change = func(*authenticator.Answer)

const (
	loginInitialize        = "/doorward/webauthn/login/initialize"
	loginFinalize          = "/doorward/webauthn/login/finalize"
	registrationInitialize = "/doorward/webauthn/registration/initialize"
	registrationFinalize   = "/doorward/webauthn/registration/finalize"
)

// WithPasskey is SignedIn, with a passkey.
func (s *Scene) WithPasskey(name string, groups ...string) *Person {
	s.T.Helper()
	p := s.SignedIn(name, groups...)
	s.AddPasskey(A, p)
	return p
}

// Challenge begins a ceremony, and returns its options.
func (s *Scene) Challenge(site, target string, body any, fields ...string) []byte {
	s.T.Helper()
	a := s.Post(site, target, body, fields...)
	if a.Status != http.StatusOK {
		s.T.Fatalf("beginning a ceremony: %v", a)
	}
	return []byte(a.Body)
}

// Assert answers a login's options with a person's passkey.
func (s *Scene) Assert(p *Person, options []byte, changes ...change) json.RawMessage {
	s.T.Helper()
	assertion, err := p.Key.Get(options, changes...)
	if err != nil {
		s.T.Fatal(err)
	}
	return assertion
}

// Create answers a registration's options with a new passkey, of an authenticator of
// its own.
func (s *Scene) Create(site string, options []byte, changes ...change) json.RawMessage {
	s.T.Helper()
	credential, err := (&authenticator.Authenticator{Origin: s.Origin(site)}).Create(options, changes...)
	if err != nil {
		s.T.Fatal(err)
	}
	return credential
}

// rejects checks that an answer ends a ceremony with a refusal and no session.
func (s *Scene) rejects(name string, a Answer) {
	s.T.Helper()
	if a.Status/100 != 4 || a.Cookie("__Host-doorward") != "" {
		s.T.Errorf("%s: %v, want a refusal", name, a)
	}
	s.Quiet()
}

// Passkeys returns the IDs of a person's passkeys.
func (s *Scene) Passkeys(site string, p *Person) []string {
	s.T.Helper()
	var list []struct{ ID string }
	s.Get(site, "/doorward/webauthn/credentials", p.Bearer).JSON(s.T, &list)
	var ids []string
	for _, k := range list {
		ids = append(ids, k.ID)
	}
	return ids
}

// challengeOf returns the challenge in options.
func challengeOf(options []byte) string {
	var o struct {
		PublicKey struct{ Challenge string } `json:"publicKey"`
	}
	_ = json.Unmarshal(options, &o)
	return o.PublicKey.Challenge
}

func answering(options []byte) change {
	return func(a *authenticator.Answer) { a.Challenge = challengeOf(options) }
}

// saying makes the client say something else than it can be made to say by the
// fields of an [authenticator.Answer]. The authenticator signs it.
func saying(change func(clientData string) string) change {
	return func(a *authenticator.Answer) {
		key := a.Key
		a.Amend = func(c map[string]any) {
			response := c["response"].(map[string]any)
			client := []byte(change(string(mustDecode(response["clientDataJSON"]))))
			response["clientDataJSON"] = encode(client)
			if response["authenticatorData"] == nil {
				return // a registration, which nothing signs
			}
			hash := sha256.Sum256(client)
			signature, err := key.Sign(slices.Concat(mustDecode(response["authenticatorData"]), hash[:]))
			if err != nil {
				panic(err) // of a key that the test made
			}
			response["signature"] = encode(signature)
		}
	}
}

// attesting changes bytes of an attestation object.
func attesting(old, new string) change {
	return func(a *authenticator.Answer) {
		a.Amend = func(c map[string]any) {
			response := c["response"].(map[string]any)
			object := mustDecode(response["attestationObject"])
			if !bytes.Contains(object, []byte(old)) {
				panic("nothing to change in the attestation object")
			}
			response["attestationObject"] = encode(bytes.Replace(object, []byte(old), []byte(new), 1))
		}
	}
}
