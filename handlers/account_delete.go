package handlers

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// deletedLifetime is how long the page for people who are signed out says that the
// account was deleted. It knows from a cookie: a link from elsewhere cannot make
// it say so, nor make the browser forget passkeys.
const deletedLifetime = time.Minute

// errUnconfirmed: the visitor did not say that they mean it.
var errUnconfirmed = errors.New("the deletion is not confirmed")

// deleteAccountForm deletes the visitor's account, where people may do that
// themselves.
func (h *Handlers) deleteAccountForm(w http.ResponseWriter, r *request) error {
	if !h.o.MayDelete {
		return errNoRoute
	}
	if err := form(r); err != nil {
		return err
	}
	v, err := h.fresh(r)
	if err == nil && r.PostForm.Get("confirm") == "" {
		err = errUnconfirmed
	}
	if err == nil {
		err = h.deleteAccount(w, r, v)
	}
	if err != nil {
		return h.changed(w, r, "", err)
	}
	handle := base64.RawURLEncoding.EncodeToString(directory.User{ID: v.Subject}.Handle())
	h.o.Cookie.SetBeside(w, cookieDeleted, handle, deletedLifetime)
	return redirect(w, h.o.Path+"/signed-out")
}

// deleteAccount removes the visitor's user with all they have, and ends all their
// sessions. It may be asked for again: if the user is gone and a failure has left
// sessions, what is left to do is to end them.
func (h *Handlers) deleteAccount(w http.ResponseWriter, r *request, v *session.Visitor) error {
	user, err := h.user(r, v)
	if err == nil {
		err = h.o.Accounts.Delete(r.Context(), r.site, h.client(r), user)
	}
	switch {
	case err == nil:
		h.logger().Info("account deleted", "user", v.Subject)
		h.note(r, "account_deleted", v.Subject, "")
	case !errors.Is(err, directory.ErrNotFound):
		return err
	}
	gone := session.Identity{Subject: v.Subject, Disabled: true, At: h.o.Now()}
	if err := h.o.Sessions.IdentityChanged(r.Context(), gone); err != nil {
		return fmt.Errorf("ending the sessions of a deleted user: %w", err)
	}
	h.forgetUser(r.Context(), v.Subject)
	h.forget(w)
	h.disown(w, r, v.Subject)
	return nil
}
