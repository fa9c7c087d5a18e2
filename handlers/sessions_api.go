package handlers

import (
	"net/http"
	"time"

	"github.com/doorward/doorward/session"
)

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

// validateOwn says whether whoever asks is signed in, and as whom.
func (h *Handlers) validateOwn(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	return h.validated(w, v, err)
}

// validate says the same of the session token in the body: for a server that got
// it from its client, and does not verify it itself. Its asking is no use of the
// session by whom it belongs to.
func (h *Handlers) validate(w http.ResponseWriter, r *request) error {
	var body struct {
		Token string `json:"session_token"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	var wrong faults
	wrong.required("session_token", body.Token)
	if err := wrong.err(); err != nil {
		return err
	}
	v, err := h.o.Sessions.Inspect(r.Context(), body.Token, r.site.Origin)
	return h.validated(w, v, err)
}

// validated answers with what a check of a session found. Somebody whom the door
// does not let in has no valid session here: whoever asks would let them in.
func (h *Handlers) validated(w http.ResponseWriter, v *session.Visitor, err error) error {
	if err != nil && !session.Refused(err) { // not known is not "no"
		return err
	}
	if err != nil || !h.o.Policy.Admits(v.Identity) {
		return answer(w, validityBody{})
	}
	expires, idle := v.ExpiresAt.UTC(), v.IdleAt().UTC()
	claims := claimsBody{
		Subject: v.Subject, SessionID: v.ID, IssuedAt: v.StartedAt.UTC(), Expiration: expires,
		Audience: append([]string{v.Audience}, v.Sites...), Issuer: v.Audience + h.o.Path, AMR: v.AMR(),
	}
	if v.Identity.Email != "" {
		claims.Email = &emailClaim{v.Identity.Email, true, v.Identity.EmailVerified}
	}
	return answer(w, validityBody{Valid: true, Claims: &claims, Expires: &expires, UserID: v.Subject, IdleExpires: &idle})
}

// validityBody is whether there is a session, and which.
type validityBody struct {
	Valid       bool        `json:"is_valid"`
	Claims      *claimsBody `json:"claims,omitempty"`
	Expires     *time.Time  `json:"expiration_time,omitempty"`
	UserID      string      `json:"user_id,omitempty"`
	IdleExpires *time.Time  `json:"idle_expires_at,omitempty"`
}

// claimsBody is what a session token says, in words instead of in the names that
// JWT has.
type claimsBody struct {
	Subject    string      `json:"subject"`
	SessionID  string      `json:"session_id"`
	IssuedAt   time.Time   `json:"issued_at"`
	Expiration time.Time   `json:"expiration"`
	Audience   []string    `json:"audience"`
	Issuer     string      `json:"issuer"`
	Email      *emailClaim `json:"email,omitempty"`
	AMR        []string    `json:"amr,omitempty"`
}

type emailClaim struct {
	Address  string `json:"address"`
	Primary  bool   `json:"is_primary"`
	Verified bool   `json:"is_verified"`
}
