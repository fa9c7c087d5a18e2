package handlers

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// passcodeInitialize sends a passcode to an address.
func (h *Handlers) passcodeInitialize(w http.ResponseWriter, r *request) error {
	var body struct {
		Email string `json:"email"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	if body.Email == "" {
		return fmt.Errorf("%w: email is a required field", errBody)
	}
	begun, err := h.initialize(r, h.beginner(w, r), body.Email)
	if err != nil {
		return err
	}
	return answer(w, passcodeBody{begun.ID, int(begun.Lifetime / time.Second), begun.CreatedAt.UTC()})
}

type passcodeBody struct {
	ID        string    `json:"id"`
	TTL       int       `json:"ttl"` // seconds
	CreatedAt time.Time `json:"created_at"`
}

// passcodeFinalize signs in whoever sends the right passcode.
func (h *Handlers) passcodeFinalize(w http.ResponseWriter, r *request) error {
	var body struct {
		ID   string `json:"id"`
		Code string `json:"code"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	switch {
	case body.ID == "":
		return fmt.Errorf("%w: id is a required field", errBody)
	case uuid.Validate(body.ID) != nil:
		return fmt.Errorf("%w: id must be a valid uuid4", errBody)
	case body.Code == "":
		return fmt.Errorf("%w: code is a required field", errBody)
	}
	in, err := h.o.Passcodes.Finalize(r.Context(), door{h.o.Policy}, h.client(r), body.ID, body.Code)
	if err != nil {
		return err
	}
	v, err := h.begin(w, r, in)
	if err != nil {
		return err
	}
	return answer(w, passcodeBody{body.ID, int(h.o.Passcodes.Lifetime() / time.Second), v.StartedAt.UTC()})
}

// loginInitialize hands out a challenge for a passkey. Any passkey of the site
// may answer it; who is signed in and proves it again is asked for their own.
func (h *Handlers) loginInitialize(w http.ResponseWriter, r *request) error {
	if _, err := readBody(r); err != nil {
		return err
	}
	var user *directory.User
	v, err := h.visitor(r)
	switch {
	case err == nil && h.o.Policy.Admits(v.Identity): // else they sign in as somebody else
		u, err := h.user(r, v)
		if err != nil {
			return err
		}
		user = &u
	case err != nil && !session.Refused(err):
		return err
	}
	options, err := h.o.Passkeys.InitializeLogin(r.Context(), r.site, h.beginner(w, r), user)
	if err != nil {
		return err
	}
	return answer(w, json.RawMessage(options))
}

// loginFinalize signs in whoever's passkey answered the challenge.
func (h *Handlers) loginFinalize(w http.ResponseWriter, r *request) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	c := h.client(r)
	if browser(r) && c.Binding == "" {
		return errNoCookies // it got one with the challenge
	}
	in, err := h.o.Passkeys.FinalizeLogin(r.Context(), r.site, door{h.o.Policy}, c, body)
	if err != nil {
		return err
	}
	if _, err := h.begin(w, r, in); err != nil {
		return err
	}
	var answered struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &answered); err != nil { // it has been parsed before
		return fmt.Errorf("%w: not JSON", errBody)
	}
	return answer(w, credentialBody{answered.ID, in.User.ID})
}

type credentialBody struct {
	CredentialID string `json:"credential_id"`
	UserID       string `json:"user_id"`
}

// registrationInitialize hands out what a new passkey of the visitor is made
// with.
func (h *Handlers) registrationInitialize(w http.ResponseWriter, r *request) error {
	v, err := h.fresh(r)
	if err != nil {
		return err
	}
	if _, err := readBody(r); err != nil {
		return err
	}
	user, err := h.user(r, v)
	if err != nil {
		return err
	}
	options, err := h.o.Passkeys.InitializeRegistration(r.Context(), r.site, h.beginner(w, r), user)
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
	body, err := readBody(r)
	if err != nil {
		return err
	}
	user, err := h.user(r, v)
	if err != nil {
		return err
	}
	passkey, err := h.o.Passkeys.FinalizeRegistration(r.Context(), r.site, h.client(r), user, body)
	if err != nil {
		return errors.Join(errRegistration, err)
	}
	h.logger().Info("passkey added", "user", user.ID, "authenticator", ceremony.AuthenticatorName(passkey.AAGUID))
	h.note(r, "passkey_added", user.ID, passkey.Name)
	return answer(w, credentialBody{base64.RawURLEncoding.EncodeToString(passkey.ID), user.ID})
}

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

// passkeyBody is a passkey as clients see it.
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
		CreatedAt:       k.CreatedAt.UTC(),
		Transports:      append([]string{}, k.Transports...),
		BackupEligible:  k.BackupEligible,
		BackupState:     k.BackupState,
	}
	if id, err := uuid.FromBytes(k.AAGUID); err == nil {
		b.AAGUID = id.String()
	}
	if !k.LastUsedAt.IsZero() {
		used := k.LastUsedAt.UTC()
		b.LastUsedAt = &used
	}
	return b
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

// me says who is signed in.
func (h *Handlers) me(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return err
	}
	return answer(w, struct {
		ID string `json:"id"`
	}{v.Subject})
}

// sessions lists where the visitor is signed in.
func (h *Handlers) sessions(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return err
	}
	live, err := h.o.Sessions.List(r.Context(), v.Subject)
	if err != nil {
		return err
	}
	list := []sessionBody{}
	for _, s := range live {
		list = append(list, sessionBody{
			s.ID, s.Audience, s.Agent, s.Address, s.AMR(), s.StartedAt.UTC(), s.LastSeenAt.UTC(), s.ExpiresAt.UTC(), s.ID == v.ID,
		})
	}
	return answer(w, list)
}

// sessionBody is a session as clients see it.
type sessionBody struct {
	ID         string    `json:"id"`
	Site       string    `json:"site"`
	Agent      string    `json:"agent,omitempty"`
	Address    string    `json:"address,omitempty"`
	AMR        []string  `json:"amr"`
	StartedAt  time.Time `json:"started_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	Current    bool      `json:"current"`
}

func (h *Handlers) endSession(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return err
	}
	if err := h.end(w, r, v, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handlers) endOtherSessions(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return err
	}
	if err := h.endOthers(r, v); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// jwks publishes the keys that verify our tokens (RFC 7517). It is the one
// answer that anybody may keep, and may read from anywhere.
func (h *Handlers) jwks(w http.ResponseWriter, r *request) error {
	header := w.Header()
	header.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(session.JWKSMaxAge/time.Second)))
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Set("Content-Type", "application/json")
	_, _ = w.Write(h.o.Keys.JWKS()) // a client that hung up needs no answer
	return nil
}

func (h *Handlers) alive(w http.ResponseWriter, r *request) error {
	return answer(w, map[string]bool{"alive": true})
}

// ready says whether people can sign in now.
func (h *Handlers) ready(w http.ResponseWriter, r *request) error {
	if err := h.o.Sessions.Ping(r.Context()); err != nil {
		return err
	}
	if err := h.o.Directory.Ping(r.Context()); err != nil {
		return err
	}
	return answer(w, map[string]bool{"ready": true})
}
