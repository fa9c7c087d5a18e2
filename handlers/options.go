package handlers

import (
	"cmp"

	"github.com/doorward/doorward/ceremony"
)

// passkeyOptions is what a client asks of a passkey ceremony that it begins.
type passkeyOptions struct {
	userID string // empty: nobody is named
	wishes ceremony.Wishes
}

// optionsBody is how clients ask: those of the Hanko API name a user at most, those
// of the older Hanko Authentication API say more. The user's names are ours to
// say, and passkeys are discoverable here, whatever is said of resident keys.
type optionsBody struct {
	UserID string `json:"user_id"`
	User   struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	} `json:"user"`
	Options struct {
		UserVerification       string `json:"userVerification"`
		Attachment             string `json:"authenticatorAttachment"`
		Attestation            string `json:"attestation"`
		AuthenticatorSelection struct {
			UserVerification   string `json:"userVerification"`
			Attachment         string `json:"authenticatorAttachment"`
			ResidentKey        string `json:"residentKey"`
			RequireResidentKey bool   `json:"requireResidentKey"`
		} `json:"authenticatorSelection"`
	} `json:"options"`
}

// readOptions returns what the body of a request asks for, which may be empty.
func readOptions(r *request) (passkeyOptions, error) {
	var body optionsBody
	if err := decode(r, &body); err != nil {
		return passkeyOptions{}, err
	}
	o := &body.Options
	asked := passkeyOptions{wishes: ceremony.Wishes{
		UserVerification: cmp.Or(o.AuthenticatorSelection.UserVerification, o.UserVerification),
		Attachment:       cmp.Or(o.AuthenticatorSelection.Attachment, o.Attachment),
		Attestation:      o.Attestation,
	}}
	var wrong faults
	wrong.oneOf("userVerification", asked.wishes.UserVerification, "required", "preferred", "discouraged")
	wrong.oneOf("authenticatorAttachment", asked.wishes.Attachment, "platform", "cross-platform")
	wrong.oneOf("attestation", asked.wishes.Attestation, "none", "indirect", "direct", "enterprise")
	if named := cmp.Or(body.UserID, body.User.ID); named != "" {
		var ok bool
		if asked.userID, ok = userIDOf(named); !ok {
			wrong = append(wrong, "failed to parse UserID as uuid")
		}
	}
	return asked, wrong.err()
}
