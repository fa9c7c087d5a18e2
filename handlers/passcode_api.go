package handlers

import (
	"net/http"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/session"
)

// passcodeInitialize sends a passcode: to an address, or, as clients of the Hanko
// API ask for it, to one of a user's.
func (h *Handlers) passcodeInitialize(w http.ResponseWriter, r *request) error {
	var body struct {
		Email   string `json:"email"`
		UserID  string `json:"user_id"`
		EmailID string `json:"email_id"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	var wrong faults
	switch {
	case body.Email == "":
		wrong.required("user_id", body.UserID)
		wrong.uuid("user_id", &body.UserID)
		wrong.uuid("email_id", &body.EmailID)
	case body.UserID != "" || body.EmailID != "":
		wrong = append(wrong, "email cannot go together with user_id and email_id")
	}
	if err := wrong.err(); err != nil {
		return err
	}
	visitor, err := h.visitorID(r)
	if err != nil {
		return err
	}
	begun, err := h.initialize(r, h.beginner(w, r), ceremony.Recipient{
		Address: body.Email, UserID: body.UserID, EmailID: body.EmailID, Visitor: visitor,
	})
	if err != nil {
		return err
	}
	setLimit(w, begun.Limit)
	return answer(w, passcodeBody{begun.ID, int(begun.Lifetime / time.Second), begun.CreatedAt.UTC()})
}

type passcodeBody struct {
	ID        string    `json:"id"`
	TTL       int       `json:"ttl"` // seconds
	CreatedAt time.Time `json:"created_at"`
}

// passcodeFinalize signs in whoever sends the right passcode. To somebody who is
// signed in already, it gives the address that the passcode was sent to.
func (h *Handlers) passcodeFinalize(w http.ResponseWriter, r *request) error {
	var body struct {
		ID   string `json:"id"`
		Code string `json:"code"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	var wrong faults
	wrong.required("id", body.ID)
	wrong.uuid("id", &body.ID)
	wrong.required("code", body.Code)
	if err := wrong.err(); err != nil {
		return err
	}
	v, err := h.visitorOrNone(r)
	if err != nil {
		return err
	}
	given := ceremony.Answer{ID: body.ID, Passcode: body.Code}
	if v != nil {
		given.Visitor = v.Subject
	}
	in, err := h.finalize(r, h.client(r), given)
	if err != nil {
		return err
	}
	if in.Added != "" { // the address is the visitor's, whose session goes on as it is
		if err := h.addressAdded(r, in); err != nil {
			return err
		}
		h.redeliver(w, r, v)
	} else if _, err := h.begin(w, r, in); err != nil {
		return err
	}
	return answer(w, passcodeBody{body.ID, int(h.o.Passcodes.Lifetime() / time.Second), h.o.Now().UTC()})
}

// visitorOrNone returns who makes a request, or nil if nobody is signed in. An
// error is a failure to find out.
func (h *Handlers) visitorOrNone(r *request) (*session.Visitor, error) {
	v, err := h.visitor(r)
	if session.Refused(err) {
		return nil, nil
	}
	return v, err
}

// visitorID returns the ID of the user who makes a request, or "" if nobody is
// signed in.
func (h *Handlers) visitorID(r *request) (string, error) {
	v, err := h.visitorOrNone(r)
	if v == nil {
		return "", err
	}
	return v.Subject, nil
}
