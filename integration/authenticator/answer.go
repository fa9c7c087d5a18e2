package authenticator

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
)

// Flags of authenticator data (WebAuthn L3, section 6.1).
const (
	UserPresent    byte = 1 << 0
	UserVerified   byte = 1 << 2
	BackupEligible byte = 1 << 3
	BackupState    byte = 1 << 4
	AttestedData   byte = 1 << 6
	Extensions     byte = 1 << 7
)

// An Answer is what goes back to the relying party, before it is encoded and
// signed.
type Answer struct {
	// Client data, which the browser writes (section 5.8.1).
	Type        string
	Challenge   string
	Origin      string
	CrossOrigin bool
	TopOrigin   string

	// Authenticator data (section 6.1).
	RPID      string
	Flags     byte
	SignCount uint32
	AAGUID    [16]byte // of a new credential

	CredentialID []byte
	Key          Key    // signs, or is registered
	UserHandle   []byte // nil is null
	Transports   []string
	Attachment   string
	Discoverable *bool // credProps.rk; nil is not told

	// Spoil changes the signature of an assertion, if it is not nil.
	Spoil func(signature []byte) []byte

	// Amend changes the whole of what is sent, if it is not nil.
	Amend func(credential map[string]any)
}

// clientData returns clientDataJSON.
func (a *Answer) clientData() ([]byte, error) {
	data := map[string]any{
		"type": a.Type, "challenge": a.Challenge, "origin": a.Origin, "crossOrigin": a.CrossOrigin,
	}
	if a.TopOrigin != "" {
		data["topOrigin"] = a.TopOrigin
	}
	return json.Marshal(data)
}

// authenticatorData returns authenticator data, with the attested credential
// data if the flag for it is set.
func (a *Answer) authenticatorData() []byte {
	hash := sha256.Sum256([]byte(a.RPID))
	data := append(hash[:], a.Flags)
	data = binary.BigEndian.AppendUint32(data, a.SignCount)
	if a.Flags&AttestedData == 0 {
		return data
	}
	data = append(data, a.AAGUID[:]...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.CredentialID)))
	data = append(data, a.CredentialID...)
	return append(data, a.Key.COSE()...)
}

// created returns the RegistrationResponseJSON, without attestation ("none"), as
// browsers make it for relying parties that ask for none.
func (a *Answer) created() ([]byte, error) {
	client, err := a.clientData()
	if err != nil {
		return nil, err
	}
	object := appendMap(nil, 3)
	object = appendText(appendText(object, "fmt"), "none")
	object = appendMap(appendText(object, "attStmt"), 0)
	object = appendBytes(appendText(object, "authData"), a.authenticatorData())
	response := map[string]any{"clientDataJSON": encode(client), "attestationObject": encode(object)}
	if a.Transports != nil {
		response["transports"] = a.Transports
	}
	return a.send(response)
}

// got returns the AuthenticationResponseJSON.
func (a *Answer) got() ([]byte, error) {
	client, err := a.clientData()
	if err != nil {
		return nil, err
	}
	data := a.authenticatorData()
	hash := sha256.Sum256(client)
	signature, err := a.Key.Sign(slices.Concat(data, hash[:]))
	if err != nil {
		return nil, err
	}
	if a.Spoil != nil {
		signature = a.Spoil(signature)
	}
	response := map[string]any{
		"clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(signature), "userHandle": nil,
	}
	if a.UserHandle != nil {
		response["userHandle"] = encode(a.UserHandle)
	}
	return a.send(response)
}

func (a *Answer) send(response map[string]any) ([]byte, error) {
	extensions := map[string]any{}
	if a.Discoverable != nil {
		extensions["credProps"] = map[string]any{"rk": *a.Discoverable}
	}
	credential := map[string]any{
		"id": encode(a.CredentialID), "rawId": encode(a.CredentialID), "type": "public-key",
		"response": response, "clientExtensionResults": extensions,
	}
	if a.Attachment != "" {
		credential["authenticatorAttachment"] = a.Attachment
	}
	if a.Amend != nil {
		a.Amend(credential)
	}
	return json.Marshal(credential)
}
