package handlers

import (
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/web"
)

// accountPage shows the visitor their passkeys, their addresses and where they are
// signed in.
func (h *Handlers) accountPage(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if session.Refused(err) {
		return redirect(w, h.loginURL(h.o.Path+"/account"))
	}
	if err != nil {
		return err
	}
	user, err := h.user(r, v)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	page := web.AccountPage{
		Name:       user.Name,
		Email:      v.Identity.Email,
		Groups:     user.Groups,
		MostEmails: h.o.Accounts.MaxAddresses(),
		MayDelete:  h.o.MayDelete,
		Fresh:      v.Fresh(h.o.Now(), h.o.Fresh),
		Notice:     web.Notice(query.Get("done")),
		Problem:    web.Problem(query.Get("problem")),
		Return:     "/",
		RPID:       r.site.RelyingParty.ID,
		UserHandle: base64.RawURLEncoding.EncodeToString(user.Handle()),
	}
	for _, e := range user.Emails {
		page.Emails = append(page.Emails, web.Email{
			ID: e.ID, Address: string(e.Address), Primary: e.Primary, Verified: e.Verified, CreatedAt: e.CreatedAt,
		})
	}
	passkeys, err := h.o.Passkeys.List(r.Context(), r.site, v.Subject)
	if err != nil {
		return err
	}
	for _, k := range passkeys {
		id := base64.RawURLEncoding.EncodeToString(k.ID)
		page.AcceptedCredentialIDs = append(page.AcceptedCredentialIDs, id)
		page.Passkeys = append(page.Passkeys, web.Passkey{
			ID: id, Name: k.Name, Provider: ceremony.AuthenticatorName(k.AAGUID),
			CreatedAt: k.CreatedAt, LastUsedAt: k.LastUsedAt, Synced: k.BackupState,
		})
	}
	sessions, err := h.o.Sessions.List(r.Context(), v.Subject)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		page.Sessions = append(page.Sessions, web.Session{
			ID: s.ID, Client: s.Agent, Address: s.Address, StartedAt: s.StartedAt, LastSeenAt: s.LastSeenAt,
			Methods: s.AMR(), Current: s.ID == v.ID,
		})
	}
	return h.page(w, r, http.StatusOK, page)
}

// changed sends the browser back to the account page, which says what was done
// or what went wrong. Where a recent sign-in is needed it goes there first.
func (h *Handlers) changed(w http.ResponseWriter, r *request, notice web.Notice, err error) error {
	account := h.o.Path + "/account"
	p := problemOf(err)
	switch {
	case err == nil:
		return redirect(w, account+"?done="+string(notice))
	case errors.Is(err, errNotFresh):
		return redirect(w, h.loginURL(account)+"&fresh=1")
	case session.Refused(err):
		return redirect(w, h.loginURL(account))
	case p.failure:
		return err
	}
	h.log(r.Request, p, err)
	return redirect(w, account+"?problem="+string(p.page))
}

func (h *Handlers) renamePasskeyForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.visitor(r)
	if err == nil {
		err = h.renamePasskey(r, v, r.PostForm.Get("id"), r.PostForm.Get("name"))
	}
	return h.changed(w, r, web.PasskeyRenamed, err)
}

func (h *Handlers) removePasskeyForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.fresh(r)
	if err == nil {
		err = h.removePasskey(r, v, r.PostForm.Get("id"))
	}
	return h.changed(w, r, web.PasskeyRemoved, err)
}

func (h *Handlers) endSessionForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.visitor(r)
	if err == nil {
		err = h.end(w, r, v, r.PostForm.Get("id"))
		if err == nil && r.PostForm.Get("id") == v.ID {
			return redirect(w, h.o.Path+"/signed-out")
		}
	}
	return h.changed(w, r, web.SessionClosed, err)
}

func (h *Handlers) endOtherSessionsForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.visitor(r)
	if err == nil {
		err = h.endOthers(r, v)
	}
	return h.changed(w, r, web.SessionsClosed, err)
}

// renamePasskey gives one of the visitor's passkeys another name.
func (h *Handlers) renamePasskey(r *request, v *session.Visitor, id, name string) error {
	credential, err := credentialID(id)
	if err != nil {
		return err
	}
	return h.o.Directory.RenamePasskey(r.Context(), v.Subject, credential, name)
}

// removePasskey removes one of the visitor's passkeys. The last one may go too:
// a passcode is always another way in.
func (h *Handlers) removePasskey(r *request, v *session.Visitor, id string) error {
	credential, err := credentialID(id)
	if err != nil {
		return err
	}
	user, err := h.user(r, v)
	if err != nil {
		return err
	}
	if err := h.o.Passkeys.Remove(r.Context(), r.site, h.client(r), user, credential); err != nil {
		return err
	}
	h.logger().Info("passkey removed", "user", v.Subject)
	h.note(r, "passkey_removed", v.Subject, "")
	return nil
}

// credentialID reads a credential ID as clients write it.
func credentialID(s string) ([]byte, error) {
	id, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, directory.ErrNotFound
	}
	return id, nil
}

// end ends one of the visitor's sessions; ending the one that asks is signing
// out.
func (h *Handlers) end(w http.ResponseWriter, r *request, v *session.Visitor, id string) error {
	err := h.o.Sessions.End(r.Context(), v.Subject, id)
	if errors.Is(err, session.ErrEnded) {
		return directory.ErrNotFound // somebody else's
	}
	if err != nil {
		return err
	}
	if id == v.ID {
		h.forget(w)
	}
	h.logger().Info("session ended", "user", v.Subject)
	return nil
}

func (h *Handlers) endOthers(r *request, v *session.Visitor) error {
	if err := h.o.Sessions.EndAll(r.Context(), v.Subject, v.ID); err != nil {
		return err
	}
	h.logger().Info("other sessions ended", "user", v.Subject)
	return nil
}
