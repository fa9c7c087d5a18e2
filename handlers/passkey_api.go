package handlers

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// loginInitialize hands out a challenge for a passkey. Any passkey of the site
// may answer it; who is signed in and proves it again is asked for their own, and
// so is a user who is named, if the answer may tell strangers which passkeys they
// have.
func (h *Handlers) loginInitialize(w http.ResponseWriter, r *request) error {
	ask, err := readOptions(r)
	if err != nil {
		return err
	}
	visitor, err := h.visitorOrNone(r)
	if err != nil {
		return err
	}
	user, err := h.asked(r, visitor, ask)
	if err != nil {
		return err
	}
	var visitorID string
	if visitor != nil {
		visitorID = visitor.Subject
	}
	options, err := h.o.Passkeys.InitializeLogin(r.Context(), r.site, h.beginner(w, r), user, visitorID, ask.wishes)
	if err != nil {
		return err
	}
	return answer(w, json.RawMessage(options))
}

// asked returns whose passkeys may answer a login ceremony: nil for everybody's.
func (h *Handlers) asked(r *request, v *session.Visitor, ask passkeyOptions) (*directory.User, error) {
	id := ask.userID
	switch {
	case id == "" && v != nil && h.o.Policy.Admits(v.Identity): // else they sign in as somebody else
		id = v.Subject
	case id == "":
		return nil, nil
	case v != nil && id == v.Subject:
	case !h.o.Accounts.LooksUp(): // the same for whoever is named
		return nil, nil
	}
	u, err := h.o.Directory.User(r.Context(), id)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil, errors.Join(errLogin, ceremony.ErrUnknownUser)
	case err != nil:
		return nil, err
	}
	return &u, nil
}

// loginFinalize signs in whoever's passkey answered the challenge.
func (h *Handlers) loginFinalize(w http.ResponseWriter, r *request) error {
	c := h.client(r)
	if browser(r) && c.Binding == "" {
		return errNoCookies // it got one with the challenge
	}
	response, err := readLogin(r)
	if err != nil {
		return err
	}
	in, err := h.o.Passkeys.FinalizeLogin(r.Context(), r.site, door{h.o.Policy}, c, response)
	if err != nil {
		return err
	}
	if _, err := h.begin(w, r, in); err != nil {
		return err
	}
	return answer(w, newFinalizedBody(in.Passkey))
}

// registrationInitialize hands out what a new passkey of the visitor is made
// with.
func (h *Handlers) registrationInitialize(w http.ResponseWriter, r *request) error {
	v, err := h.fresh(r)
	if err != nil {
		return err
	}
	ask, err := readOptions(r)
	if err != nil {
		return err
	}
	if ask.userID != "" && ask.userID != v.Subject {
		return ceremony.ErrOtherUser
	}
	user, err := h.user(r, v)
	if err != nil {
		return err
	}
	options, err := h.o.Passkeys.InitializeRegistration(r.Context(), r.site, h.beginner(w, r), user, ask.wishes)
	if err != nil {
		return err
	}
	return answer(w, json.RawMessage(options))
}

// registrationFinalize adds the visitor's new passkey.
func (h *Handlers) registrationFinalize(w http.ResponseWriter, r *request) error {
	v, err := h.fresh(r)
	if err != nil {
		return err
	}
	response, err := readRegistration(r)
	if err != nil {
		return err
	}
	user, err := h.user(r, v)
	if err != nil {
		return err
	}
	passkey, err := h.o.Passkeys.FinalizeRegistration(r.Context(), r.site, h.client(r), user, response)
	if err != nil {
		return errors.Join(errRegistration, err)
	}
	h.logger().Info("passkey added", "user", user.ID, "authenticator", ceremony.AuthenticatorName(passkey.AAGUID))
	h.note(r, "passkey_added", user.ID, passkey.Name)
	return answer(w, newFinalizedBody(passkey))
}

// finalizedBody ends a ceremony of a passkey: with what clients of the Hanko API
// read, and with what clients of the older Hanko Authentication API do.
type finalizedBody struct {
	CredentialID string         `json:"credential_id"`
	UserID       string         `json:"user_id"`
	Credential   credentialBody `json:"credential"`
	User         userRef        `json:"user"`
}

// credentialBody is a passkey as clients of the Hanko Authentication API see it.
type credentialBody struct {
	ID               string            `json:"id"`
	CreatedAt        time.Time         `json:"createdAt"`
	LastUsed         time.Time         `json:"lastUsed"` // when it was made, for one that is new
	Name             string            `json:"name"`
	UserVerification bool              `json:"userVerification"`
	IsResidentKey    bool              `json:"isResidentKey"`
	Authenticator    authenticatorBody `json:"authenticator"`
}

type authenticatorBody struct {
	AAGUID     string `json:"aaguid"`
	Name       string `json:"name"`       // of its make, or empty
	Attachment string `json:"attachment"` // platform, cross-platform, or empty
}

func newFinalizedBody(k directory.Passkey) finalizedBody {
	id := base64.RawURLEncoding.EncodeToString(k.ID)
	used := k.LastUsedAt
	if used.IsZero() {
		used = k.CreatedAt
	}
	return finalizedBody{id, k.UserID, credentialBody{
		ID: id, CreatedAt: k.CreatedAt.UTC(), LastUsed: used.UTC(), Name: k.Name,
		UserVerification: k.UserVerified, IsResidentKey: k.Discoverable,
		Authenticator: authenticatorBody{aaguid(k), ceremony.AuthenticatorName(k.AAGUID), k.Attachment},
	}, userRef{k.UserID}}
}
