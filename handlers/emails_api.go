package handlers

import (
	"errors"
	"net/http"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// emails lists the visitor's addresses, the primary one first.
func (h *Handlers) emails(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return err
	}
	user, err := h.user(r, v)
	if err != nil {
		return err
	}
	type emailBody struct {
		ID       string            `json:"id"`
		Address  directory.Address `json:"address"`
		Verified bool              `json:"is_verified"`
		Primary  bool              `json:"is_primary"`
	}
	list := []emailBody{}
	for _, e := range user.Emails {
		list = append(list, emailBody{e.ID, e.Address, e.Verified, e.Primary})
	}
	return answer(w, list)
}

// addEmail begins to give the visitor one more address. It is theirs when a
// passcode that is asked for with the ID in the answer has come back.
func (h *Handlers) addEmail(w http.ResponseWriter, r *request) error {
	v, err := h.fresh(r)
	if err != nil {
		return err
	}
	var body struct {
		Address string `json:"address"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	var wrong faults
	wrong.required("address", body.Address)
	if err := wrong.err(); err != nil {
		return err
	}
	email, err := h.addAddress(r, v, body.Address)
	if errors.Is(err, directory.ErrAddress) {
		return errAddressField
	}
	if err != nil {
		return err
	}
	return answer(w, struct {
		ID        string            `json:"id"`
		UserID    string            `json:"user_id"`
		Address   directory.Address `json:"address"`
		Verified  bool              `json:"verified"`
		CreatedAt time.Time         `json:"created_at"`
		UpdatedAt time.Time         `json:"updated_at"`
	}{email.ID, v.Subject, email.Address, email.Verified, email.CreatedAt.UTC(), email.UpdatedAt.UTC()})
}

// makeEmailPrimary makes one of the visitor's addresses the primary one.
func (h *Handlers) makeEmailPrimary(w http.ResponseWriter, r *request) error {
	return h.changeEmail(w, r, h.setPrimaryAddress)
}

// removeEmail takes one of their addresses from the visitor.
func (h *Handlers) removeEmail(w http.ResponseWriter, r *request) error {
	return h.changeEmail(w, r, h.removeAddress)
}

// changeEmail changes the one of the visitor's addresses that the path names.
func (h *Handlers) changeEmail(w http.ResponseWriter, r *request, change func(*request, *session.Visitor, string) error) error {
	v, err := h.fresh(r)
	if err != nil {
		return err
	}
	id, ok := parseUUID(r.PathValue("id"))
	if !ok {
		return directory.ErrNotFound
	}
	if err := change(r, v, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
