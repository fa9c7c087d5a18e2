package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/web"
)

// errLocksOut: with another primary address the visitor could not come in again,
// since a policy looks at the primary one.
var errLocksOut = errors.New("the policy does not admit this primary address")

// addAddressForm sends a passcode to the address that the visitor wants to add.
// Until it comes back, the address is not theirs.
func (h *Handlers) addAddressForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.fresh(r)
	if err != nil {
		return h.changed(w, r, "", err)
	}
	email, err := h.addAddress(r, v, strings.TrimSpace(r.PostForm.Get("email")))
	if err == nil {
		err = h.sendAddressPasscode(w, r, v, email.ID)
	}
	if err != nil {
		return h.changed(w, r, "", err)
	}
	return redirect(w, h.o.Path+"/account/emails/verify")
}

// sendAddressPasscode begins the ceremony in which this browser proves that an
// address is the visitor's.
func (h *Handlers) sendAddressPasscode(w http.ResponseWriter, r *request, v *session.Visitor, emailID string) error {
	to := ceremony.Recipient{UserID: v.Subject, EmailID: emailID, Visitor: v.Subject}
	begun, err := h.initialize(r, h.bound(w, r), to)
	if err != nil {
		return err
	}
	h.o.Cookie.SetBeside(w, cookieAddress, strings.Join([]string{begun.ID, emailID, v.Subject}, "."), begun.Lifetime)
	return nil
}

// adding returns the ceremony in which this browser proves an address of the
// visitor, and the ID that the address will have. Both are empty if there is none,
// and also if somebody else has begun it before they signed out here.
func (h *Handlers) adding(r *request, v *session.Visitor) (id, emailID string) {
	parts := strings.Split(h.o.Cookie.Beside(r.Request, cookieAddress), ".")
	if len(parts) != 3 || parts[2] != v.Subject {
		return "", ""
	}
	return parts[0], parts[1]
}

// verifyAddressPage asks for the passcode that was sent to a new address.
func (h *Handlers) verifyAddressPage(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil {
		return h.changed(w, r, "", err)
	}
	id, _ := h.adding(r, v)
	address, err := h.o.Passcodes.Address(r.Context(), h.client(r), id)
	if err != nil {
		return h.changed(w, r, "", err)
	}
	page := h.askAddressPasscode(address)
	page.Sent = r.URL.Query().Get("again") != ""
	return h.page(w, r, http.StatusOK, page)
}

func (h *Handlers) askAddressPasscode(address directory.Address) web.VerifyPage {
	return web.VerifyPage{Email: string(address), Digits: h.o.Passcodes.Digits(), Lifetime: h.o.Passcodes.Lifetime()}
}

// verifyAddressForm gives the visitor the address whose passcode they typed. That
// they signed in recently was looked at when they asked for it.
func (h *Handlers) verifyAddressForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.visitor(r)
	if err != nil {
		return h.changed(w, r, "", err)
	}
	id, _ := h.adding(r, v)
	c := h.client(r)
	address, err := h.o.Passcodes.Address(r.Context(), c, id)
	if err != nil {
		return h.changed(w, r, "", err)
	}
	answer := ceremony.Answer{ID: id, Passcode: r.PostForm.Get("passcode"), Visitor: v.Subject}
	in, err := h.finalize(r, c, answer)
	if status := askAgain(err); status != 0 {
		page := h.askAddressPasscode(address)
		page.Problem = web.WrongPasscode
		return h.page(w, r, status, page)
	}
	if err == nil && in.Added == "" { // of a sign-in: the cookie is not as we set it
		err = ceremony.ErrPasscodeGone
	}
	if err == nil {
		err = h.addressAdded(r, in)
	}
	if err == nil {
		h.o.Cookie.ClearBeside(w, cookieAddress)
	}
	return h.changed(w, r, web.AddressAdded, err)
}

// verifyAddressAgainForm sends another passcode to the new address.
func (h *Handlers) verifyAddressAgainForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.visitor(r)
	if err == nil {
		_, emailID := h.adding(r, v)
		if emailID == "" {
			err = ceremony.ErrPasscodeGone
		} else {
			err = h.sendAddressPasscode(w, r, v, emailID)
		}
	}
	if err != nil {
		return h.changed(w, r, "", err)
	}
	return redirect(w, h.o.Path+"/account/emails/verify?again=1")
}

func (h *Handlers) setPrimaryAddressForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.fresh(r)
	if err == nil {
		err = h.setPrimaryAddress(r, v, r.PostForm.Get("id"))
	}
	return h.changed(w, r, web.AddressPrimary, err)
}

func (h *Handlers) removeAddressForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.fresh(r)
	if err == nil {
		err = h.removeAddress(r, v, r.PostForm.Get("id"))
	}
	return h.changed(w, r, web.AddressRemoved, err)
}

// addAddress begins to give the visitor one more address. It is theirs when they
// have proved that they receive mail there; see addressAdded.
func (h *Handlers) addAddress(r *request, v *session.Visitor, address string) (directory.Email, error) {
	user, err := h.user(r, v)
	if err != nil {
		return directory.Email{}, err
	}
	return h.o.Accounts.AddAddress(r.Context(), h.client(r), user, address)
}

// addressAdded tells of the address that a ceremony has just given to its user.
func (h *Handlers) addressAdded(r *request, in ceremony.SignIn) error {
	h.logger().Info("address added", "user", in.User.ID, "address", in.Added.Masked())
	h.note(r, "address_added", in.User.ID, in.Added.Masked())
	if primary, _ := in.User.Primary(); primary.Address != in.Added { // sessions know of no other
		return nil
	}
	return h.userChanged(r, in.User)
}

// setPrimaryAddress makes one of the visitor's addresses the primary one. It may
// be asked for again, for what a failure has left undone.
func (h *Handlers) setPrimaryAddress(r *request, v *session.Visitor, id string) error {
	user, email, err := h.userAndEmail(r, v, id)
	if err != nil {
		return err
	}
	if h.locksOut(user, email) {
		return errLocksOut
	}
	if user, err = h.o.Accounts.SetPrimary(r.Context(), r.site, h.client(r), user, email.ID); err != nil {
		return err
	}
	if !email.Primary {
		h.logger().Info("primary address changed", "user", user.ID, "address", email.Address.Masked())
		h.note(r, "address_primary", user.ID, email.Address.Masked())
	}
	return h.userChanged(r, user)
}

// removeAddress takes one of their addresses from the visitor, and ends all their
// sessions but the one that asks: which of them began with the address is not
// known, and whoever reads its mail shall be out.
//
// They are ended before the address is gone, so that a failure leaves something
// to ask for again; and after it, in case one has begun meanwhile.
func (h *Handlers) removeAddress(r *request, v *session.Visitor, id string) error {
	user, email, err := h.userAndEmail(r, v, id)
	if err != nil {
		return err
	}
	if email.Primary {
		return directory.ErrPrimary
	}
	if err := h.o.Sessions.EndAll(r.Context(), user.ID, v.ID); err != nil {
		return err
	}
	if err := h.o.Accounts.RemoveAddress(r.Context(), r.site, h.client(r), user, email.ID); err != nil {
		return err
	}
	h.logger().Info("address removed", "user", user.ID, "address", email.Address.Masked())
	h.note(r, "address_removed", user.ID, email.Address.Masked())
	if err := h.o.Sessions.EndAll(r.Context(), user.ID, v.ID); err != nil {
		h.logger().Error("sessions that began while an address was removed are not ended", "user", user.ID, "error", err.Error())
	}
	return nil
}

// userAndEmail returns the visitor's user, and which of their addresses has an
// ID, or [directory.ErrNotFound].
func (h *Handlers) userAndEmail(r *request, v *session.Visitor, id string) (directory.User, directory.Email, error) {
	user, err := h.user(r, v)
	if err != nil {
		return directory.User{}, directory.Email{}, err
	}
	for _, e := range user.Emails {
		if strings.EqualFold(e.ID, id) { // UUIDs are read in either case: RFC 9562, section 4
			return user, e, nil
		}
	}
	return directory.User{}, directory.Email{}, fmt.Errorf("looking up address: %w", directory.ErrNotFound)
}

// locksOut reports whether the door would be shut for a user whom it admits now,
// if email were their primary address.
func (h *Handlers) locksOut(user directory.User, email directory.Email) bool {
	door := door{h.o.Policy}
	if !email.Verified || !door.Admits(user) { // it cannot be, or there is nothing to lose
		return false
	}
	return !door.Admits(user.WithPrimary(email.Address))
}

// userChanged makes a change of a user's addresses take effect in all their
// sessions.
func (h *Handlers) userChanged(r *request, user directory.User) error {
	if err := h.o.Sessions.IdentityChanged(r.Context(), IdentityOf(user, h.o.Now())); err != nil {
		return fmt.Errorf("telling the sessions of a changed user: %w", err)
	}
	return nil
}
