package handlers

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/doorward/doorward/ceremony"
)

// lookUp tells whoever asks who has an address, where that is allowed.
func (h *Handlers) lookUp(w http.ResponseWriter, r *request) error {
	address, err := readEmail(r)
	if err != nil {
		return err
	}
	found, limit, err := h.o.Accounts.Lookup(r.Context(), r.site, h.client(r), address)
	setLimit(w, limit)
	if err != nil {
		return err
	}
	return answer(w, struct {
		ID         string `json:"id"`
		EmailID    string `json:"email_id"`
		Verified   bool   `json:"verified"`
		HasPasskey bool   `json:"has_webauthn_credential"`
	}{found.UserID, found.EmailID, found.Verified, found.HasPasskey})
}

// signUp promises an account to whoever will send the passcode for its address.
func (h *Handlers) signUp(w http.ResponseWriter, r *request) error {
	address, err := readEmail(r)
	if err != nil {
		return err
	}
	promised, limit, err := h.o.Accounts.SignUp(r.Context(), door{h.o.Policy}, h.client(r), address)
	setLimit(w, limit)
	if err != nil {
		return err
	}
	return answer(w, struct {
		ID      string `json:"id"` // the same, for older clients
		UserID  string `json:"user_id"`
		EmailID string `json:"email_id"`
	}{promised.UserID, promised.UserID, promised.EmailID})
}

// readEmail returns the address in the body of a request.
func readEmail(r *request) (string, error) {
	var body struct {
		Email string `json:"email"`
	}
	if err := decode(r, &body); err != nil {
		return "", err
	}
	var wrong faults
	wrong.required("email", body.Email)
	return body.Email, wrong.err()
}

// me says who is signed in.
func (h *Handlers) me(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return err
	}
	return answer(w, userRef{v.Subject})
}

// userRef names a user, or what belongs to one.
type userRef struct {
	ID string `json:"id"`
}

// account shows the visitor their user, and nobody else's.
func (h *Handlers) account(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return err
	}
	if id, _ := parseUUID(r.PathValue("id")); id != v.Subject {
		return ceremony.ErrOtherUser
	}
	user, err := h.user(r, v)
	if err != nil {
		return err
	}
	passkeys, err := h.o.Passkeys.List(r.Context(), r.site, user.ID)
	if err != nil {
		return err
	}
	body := struct {
		ID        string    `json:"id"`
		Email     string    `json:"email,omitempty"`
		Passkeys  []userRef `json:"webauthn_credentials"`
		CreatedAt time.Time `json:"created_at"`
		UpdatedAt time.Time `json:"updated_at"`
	}{ID: user.ID, Passkeys: []userRef{}, CreatedAt: user.CreatedAt.UTC(), UpdatedAt: user.UpdatedAt.UTC()}
	if primary, ok := user.Primary(); ok {
		body.Email = string(primary.Address)
	}
	for _, k := range passkeys {
		body.Passkeys = append(body.Passkeys, userRef{base64.RawURLEncoding.EncodeToString(k.ID)})
	}
	return answer(w, body)
}

// deleteUser deletes the visitor's account, where people may do that themselves.
func (h *Handlers) deleteUser(w http.ResponseWriter, r *request) error {
	if !h.o.MayDelete {
		return errNoRoute
	}
	v, err := h.fresh(r)
	if err != nil {
		return err
	}
	if err := h.deleteAccount(w, r, v); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
