package handlers

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/directory"
)

// credentials lists the visitor's passkeys.
func (h *Handlers) credentials(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return err
	}
	passkeys, err := h.o.Passkeys.List(r.Context(), r.site, v.Subject)
	if err != nil {
		return err
	}
	list := []passkeyBody{} // not null
	for _, k := range passkeys {
		list = append(list, newPasskeyBody(k))
	}
	return answer(w, list)
}

func (h *Handlers) renameCredential(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return err
	}
	var body struct {
		Name *string `json:"name"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	if body.Name != nil {
		if err := h.renamePasskey(r, v, r.PathValue("id"), *body.Name); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (h *Handlers) removeCredential(w http.ResponseWriter, r *request) error {
	v, err := h.fresh(r)
	if err != nil {
		return err
	}
	if err := h.removePasskey(r, v, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// passkeyBody is a passkey as clients of the Hanko API see it.
type passkeyBody struct {
	ID              string     `json:"id"`
	Name            string     `json:"name,omitempty"`
	PublicKey       string     `json:"public_key"`
	AttestationType string     `json:"attestation_type"`
	AAGUID          string     `json:"aaguid"`
	LastUsedAt      *time.Time `json:"last_used_at,omitempty"`
	CreatedAt       time.Time  `json:"created_at"`
	Transports      []string   `json:"transports"`
	BackupEligible  bool       `json:"backup_eligible"`
	BackupState     bool       `json:"backup_state"`
}

func newPasskeyBody(k directory.Passkey) passkeyBody {
	b := passkeyBody{
		ID:              base64.RawURLEncoding.EncodeToString(k.ID),
		Name:            k.Name,
		PublicKey:       base64.RawURLEncoding.EncodeToString(k.PublicKey),
		AttestationType: k.AttestationFormat,
		AAGUID:          aaguid(k),
		CreatedAt:       k.CreatedAt.UTC(),
		Transports:      append([]string{}, k.Transports...),
		BackupEligible:  k.BackupEligible,
		BackupState:     k.BackupState,
	}
	if !k.LastUsedAt.IsZero() {
		used := k.LastUsedAt.UTC()
		b.LastUsedAt = &used
	}
	return b
}

// aaguid returns what make of authenticator a passkey is in, as a UUID.
func aaguid(k directory.Passkey) string {
	id, err := uuid.FromBytes(k.AAGUID)
	if err != nil {
		return ""
	}
	return id.String()
}
