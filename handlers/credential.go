package handlers

import (
	"encoding/json"
	"reflect"
	"strings"
)

// credential is the PublicKeyCredential that a client sends at the end of a
// ceremony (WebAuthn L3, sections 5.1.8.1 and 5.1.8.2: RegistrationResponseJSON
// and AuthenticationResponseJSON), as far as it is looked at. Go reads the names
// of fields in any case: "clientDataJson", as some clients of the Hanko API spell
// it, is read too.
type credential struct {
	ID       string `json:"id"`
	RawID    string `json:"rawId"`
	Type     string `json:"type"`
	Response struct {
		ClientDataJSON string `json:"clientDataJSON"`

		// Of a registration.
		AttestationObject string `json:"attestationObject,omitempty"`
		Transports        texts  `json:"transports,omitempty"`

		// Of a login.
		AuthenticatorData string `json:"authenticatorData,omitempty"`
		Signature         string `json:"signature,omitempty"`
		UserHandle        string `json:"userHandle,omitempty"` // null if the authenticator does not say it
	} `json:"response"`
	Transports texts                      `json:"transports,omitempty"` // where clients of the Hanko API put them
	Extensions map[string]json.RawMessage `json:"clientExtensionResults,omitempty"`
	Attachment string                     `json:"authenticatorAttachment,omitempty"`
}

// readRegistration returns the credential in a request's body as ceremonies read
// it.
func readRegistration(r *request) ([]byte, error) {
	c, wrong, err := readCredential(r)
	if err != nil {
		return nil, err
	}
	if len(c.Response.Transports) == 0 {
		c.Response.Transports = c.Transports
	}
	wrong.base64("response.attestationObject", c.Response.AttestationObject)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// readLogin does the same for a login.
func readLogin(r *request) ([]byte, error) {
	c, wrong, err := readCredential(r)
	if err != nil {
		return nil, err
	}
	wrong.base64("response.authenticatorData", c.Response.AuthenticatorData)
	wrong.base64("response.signature", c.Response.Signature)
	if _, ok := userIDOfHandle(c.Response.UserHandle); !ok && c.Response.UserHandle != "" {
		wrong = append(wrong, "failed to parse userHandle as uuid")
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// readCredential reads the fields of both, and says what is wrong with them.
func readCredential(r *request) (c credential, wrong faults, err error) {
	if err := decode(r, &c); err != nil {
		return credential{}, nil, err
	}
	wrong.base64("id", c.ID)
	wrong.base64("rawId", c.RawID)
	wrong.required("type", c.Type)
	wrong.base64("response.clientDataJSON", c.Response.ClientDataJSON)
	c.ID = strings.TrimRight(c.ID, "=")
	return c, wrong, nil
}

// texts is a list of strings. Of what is none it says that it is no list, rather
// than that it is no string.
type texts []string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *texts) UnmarshalJSON(value []byte) error {
	if json.Unmarshal(value, (*[]string)(t)) != nil {
		return &json.UnmarshalTypeError{Value: "value", Type: reflect.TypeFor[[]string]()}
	}
	return nil
}
