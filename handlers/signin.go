package handlers

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// The cookies beside the session cookie.
const (
	cookieBinding  = "browser"  // ties ceremonies to the browser that began them
	cookiePasscode = "passcode" // the passcode ceremony that is under way
	cookieAddress  = "address"  // the one in which the visitor proves a new address
	cookieDeleted  = "deleted"  // the user handle of the account that was deleted a moment ago
	cookieBegan    = "began"    // a session began here a moment ago
	cookieLater    = "later"    // the visitor wants no passkey for now
	cookieKnown    = "known"    // who has signed in with this browser before
)

const (
	bindingLifetime = time.Hour
	laterLifetime   = 30 * 24 * time.Hour

	// beganLifetime is how soon after a sign-in a request without a session is
	// taken for a browser that did not keep it.
	beganLifetime = 20 * time.Second
)

// client returns what ceremonies are told of whoever makes a request.
func (h *Handlers) client(r *request) ceremony.Client {
	return ceremony.Client{
		Binding:  h.o.Cookie.Beside(r.Request, cookieBinding),
		Known:    h.o.Passcodes.Browsers().Read(h.marks(r)),
		Network:  network(h.o.ClientAddress(r.Request)),
		Agent:    session.DescribeAgent(r.UserAgent()),
		Language: r.Header.Get("Accept-Language"),
	}
}

// bound is client for the beginning of a ceremony that only this browser may
// finish: the browser gets a binding if it has none yet.
func (h *Handlers) bound(w http.ResponseWriter, r *request) ceremony.Client {
	c := h.client(r)
	if c.Binding == "" {
		c.Binding = rand.Text()
		h.o.Cookie.SetBeside(w, cookieBinding, c.Binding, bindingLifetime)
	}
	return c
}

// beginner is client for the beginning of a ceremony by a script or a program:
// bound for what runs in a page of ours, and free for what has no cookies.
func (h *Handlers) beginner(w http.ResponseWriter, r *request) ceremony.Client {
	if browser(r) {
		return h.bound(w, r)
	}
	c := h.client(r)
	c.Binding = ""
	return c
}

// begin begins the session of somebody who has just proved who they are, and
// hands its token to the client. The session that the same client had before is
// ended: its token does not become somebody else's, nor live on unseen.
func (h *Handlers) begin(w http.ResponseWriter, r *request, in ceremony.SignIn) (*session.Visitor, error) {
	before, err := h.visitor(r)
	if err != nil && !session.Refused(err) {
		return nil, err
	}
	v, token, err := h.o.Sessions.Begin(r.Context(), session.SignIn{
		Subject:  in.User.ID,
		Audience: r.site.Origin,
		Sites:    h.sites(r.site.Origin),
		Issuer:   h.issuer(r.site),
		Methods:  in.Methods,
		Agent:    session.DescribeAgent(r.UserAgent()),
		Address:  h.o.ClientAddress(r.Request),
	})
	if errors.Is(err, session.ErrEnded) { // disabled or removed in this very moment
		return nil, ceremony.ErrNotAllowed
	}
	if err != nil {
		return nil, fmt.Errorf("beginning session: %w", err)
	}
	err = errors.Join(
		h.record(r, "signed_in", in.User.ID, strings.Join(in.Methods, " ")),
		h.o.Passcodes.Proved(r.Context(), h.client(r), in.User),
	)
	if err == nil && before != nil {
		err = h.o.Sessions.End(r.Context(), before.Subject, before.ID)
	}
	if err != nil { // nobody has the new token, and nobody will
		return nil, errors.Join(err, h.o.Sessions.End(r.Context(), v.Subject, v.ID))
	}
	if in.Created {
		h.logger().Info("user signed up", "user", in.User.ID)
	}
	h.logger().Info("signed in", "user", v.Subject, "methods", strings.Join(v.AMR(), " "), "client", v.Address)
	h.deliver(w, r, v.Subject, token)
	return v, nil
}

// sites returns the other sites that a session is good for which begins at origin.
func (h *Handlers) sites(origin string) []string {
	if !h.o.API.Root {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(h.o.API.Sites), func(site string) bool { return site == origin })
}

// deliver hands a user's session token to the client.
func (h *Handlers) deliver(w http.ResponseWriter, r *request, userID, token string) {
	lifetime := h.o.Sessions.Lifetime()
	setSessionLifetime(w, lifetime)
	if h.byHeader(r) {
		w.Header().Set("X-Auth-Token", token)
		return
	}
	h.o.Cookie.Set(w, token, lifetime)
	h.remember(w, r, userID)
	h.o.Cookie.SetBeside(w, cookieBegan, "1", beganLifetime)
	h.o.Cookie.ClearBeside(w, cookiePasscode)
}

// redeliver answers a client that expects a session token, as Hanko's clients do
// after every passcode, when the session of v goes on: with the same token, if it
// takes tokens from X-Auth-Token. A token from a cookie is not repeated there,
// where a script could read what HttpOnly keeps from it.
func (h *Handlers) redeliver(w http.ResponseWriter, r *request, v *session.Visitor) {
	setSessionLifetime(w, max(v.ExpiresAt.Sub(h.o.Now()), 0))
	if h.byHeader(r) && r.bearer != "" {
		w.Header().Set("X-Auth-Token", r.bearer)
	}
}

// byHeader reports whether the client that makes a request is given session
// tokens in X-Auth-Token, rather than in a cookie. Scripts that want the cookie,
// as those of our own pages do, say so with "Doorward-Session: cookie".
func (h *Handlers) byHeader(r *request) bool {
	return h.o.API.TokenHeader && r.kind != forPeople && r.Header.Get("Doorward-Session") != "cookie"
}

func setSessionLifetime(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("X-Session-Lifetime", strconv.Itoa(int(d/time.Second)))
}

// forget takes all that says that somebody was signed in from the browser.
func (h *Handlers) forget(w http.ResponseWriter) {
	h.o.Cookie.Clear(w)
	h.o.Cookie.ClearBeside(w, cookieBegan)
}

// issuer returns the iss of the tokens of a site. Its JWKS is below it.
func (h *Handlers) issuer(site ceremony.Site) string { return site.Origin + h.o.Path }

// note records what has been done already. If that fails the log has it instead:
// to answer that nothing was done would be wrong.
func (h *Handlers) note(r *request, what, userID, detail string) {
	if err := h.record(r, what, userID, detail); err != nil {
		h.logger().Error("not in the audit records", "event", what, "user", userID, "error", err.Error())
	}
}

// record writes an audit record.
func (h *Handlers) record(r *request, what, userID, detail string) error {
	err := h.o.Directory.Record(r.Context(), directory.Event{
		At: h.o.Now(), Type: what, UserID: userID, Detail: detail, Client: h.o.ClientAddress(r.Request),
	})
	if err != nil {
		return fmt.Errorf("recording %s: %w", what, err)
	}
	return nil
}
