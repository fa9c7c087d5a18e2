package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/web"
)

// loginPage asks the visitor who they are. Who is signed in already goes on to
// where they were going; who has to prove it again is asked again.
func (h *Handlers) loginPage(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	target := h.returnTarget(query.Get("return"))
	page := web.LoginPage{Return: target, Passkeys: true}
	v, err := h.visitor(r)
	switch {
	case err == nil && !h.o.Policy.Admits(v.Identity):
		if query.Get("fresh") == "" {
			return errNotAdmitted
		}
		// They want to sign in as somebody else.
	case err == nil && query.Get("fresh") == "":
		return redirect(w, target)
	case err == nil && v.Fresh(h.o.Now(), h.o.Fresh):
		return redirect(w, target)
	case err == nil:
		page.Fresh, page.Email = true, v.Identity.Email
	case !session.Refused(err):
		return err
	case h.o.Cookie.Beside(r.Request, cookieBegan) != "" && !errors.Is(err, session.ErrEnded):
		// A session began here seconds ago, and is not here now: to ask again would
		// send the visitor round in circles.
		h.forget(w)
		return h.page(w, r, http.StatusOK, web.LoopPage{Cause: loopCause(err), LoginURL: h.loginURL(target)})
	}
	return h.page(w, r, http.StatusOK, page)
}

// loopCause says why a session that began did not come back.
func loopCause(err error) web.LoopCause {
	switch {
	case errors.Is(err, session.ErrNone):
		return web.LoopCookies
	case errors.Is(err, session.ErrExpired):
		return web.LoopClock
	}
	return web.LoopHost
}

// loginForm sends a passcode to the address that the visitor typed.
func (h *Handlers) loginForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	target := h.returnTarget(r.PostForm.Get("return"))
	email := strings.TrimSpace(r.PostForm.Get("email"))
	if err := h.sendPasscode(w, r, email, r.PostForm.Get("passkeys") == "1"); err != nil {
		return h.showLogin(w, r, err, web.LoginPage{Return: target, Email: email, Passkeys: true})
	}
	return redirect(w, h.passcodeURL(target, "sent"))
}

// sendPasscode begins a passcode ceremony that this browser has to finish, and
// notes whether the browser can make passkeys.
func (h *Handlers) sendPasscode(w http.ResponseWriter, r *request, email string, passkeys bool) error {
	begun, err := h.initialize(r, h.bound(w, r), ceremony.Recipient{Address: email})
	if err != nil {
		return err
	}
	value := begun.ID
	if passkeys {
		value += ".passkeys"
	}
	h.o.Cookie.SetBeside(w, cookiePasscode, value, begun.Lifetime)
	return nil
}

// initialize begins a passcode ceremony. The visitor cannot tell whether a letter
// was sent; the operator, whom they ask why nothing came, finds it in the log.
func (h *Handlers) initialize(r *request, c ceremony.Client, to ceremony.Recipient) (ceremony.Passcode, error) {
	begun, err := h.o.Passcodes.Initialize(r.Context(), r.site, door{h.o.Policy}, c, to)
	if err != nil {
		return ceremony.Passcode{}, err
	}
	logger := h.logger()
	if to.Visitor != "" {
		logger = logger.With("user", to.Visitor)
	}
	logger.Info("passcode asked for", "to", begun.Address.Masked(), "withheld", begun.Withheld, "client", h.o.ClientAddress(r.Request))
	return begun, nil
}

// passcodeURL returns the page that asks for a passcode. sign tells it what has
// just happened.
func (h *Handlers) passcodeURL(target, sign string) string {
	return h.o.Path + "/login/passcode?" + sign + "=1&return=" + url.QueryEscape(target)
}

// underway returns the passcode ceremony that this browser is in.
func (h *Handlers) underway(r *request) (id string, passkeys bool) {
	return strings.CutSuffix(h.o.Cookie.Beside(r.Request, cookiePasscode), ".passkeys")
}

func (h *Handlers) passcodePage(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	target := h.returnTarget(query.Get("return"))
	id, _ := h.underway(r)
	if id == "" && h.client(r).Binding == "" && query.Get("sent") != "" {
		// We have just set cookies, and the browser did not send them back. Without
		// the one for the ceremony alone, the ceremony is over.
		return h.page(w, r, http.StatusOK, web.LoopPage{Cause: web.LoopCookies, LoginURL: h.loginURL(target)})
	}
	address, err := h.o.Passcodes.Address(r.Context(), h.client(r), id)
	if errors.Is(err, ceremony.ErrPasscodeGone) {
		if _, err := h.visitor(r); err == nil { // they went back after signing in
			return redirect(w, target)
		}
	}
	if err != nil {
		return h.showLogin(w, r, err, web.LoginPage{Return: target, Passkeys: true})
	}
	page := h.askPasscode(target, address)
	page.Sent = query.Get("again") != ""
	return h.page(w, r, http.StatusOK, page)
}

func (h *Handlers) askPasscode(target string, address directory.Address) web.PasscodePage {
	return web.PasscodePage{
		Return: target, Email: string(address), Digits: h.o.Passcodes.Digits(), Lifetime: h.o.Passcodes.Lifetime(),
	}
}

// passcodeForm signs in the visitor who typed the right passcode.
func (h *Handlers) passcodeForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	target := h.returnTarget(r.PostForm.Get("return"))
	id, passkeys := h.underway(r)
	c := h.client(r)
	address, err := h.o.Passcodes.Address(r.Context(), c, id)
	if err != nil {
		return h.showLogin(w, r, err, web.LoginPage{Return: target, Passkeys: true})
	}
	in, err := h.finalize(r, c, ceremony.Answer{ID: id, Passcode: r.PostForm.Get("passcode")})
	if status := askAgain(err); status != 0 {
		page := h.askPasscode(target, address)
		page.Problem = web.WrongPasscode
		return h.page(w, r, status, page)
	}
	if err != nil {
		return h.showLogin(w, r, err, web.LoginPage{Return: target, Email: string(address), Passkeys: true})
	}
	if _, err := h.begin(w, r, in); err != nil {
		return err
	}
	if passkeys && h.o.Cookie.Beside(r.Request, cookieLater) == "" {
		have, err := h.o.Passkeys.List(r.Context(), r.site, in.User.ID)
		if err == nil && len(have) == 0 { // an offer is not worth a refusal
			return redirect(w, h.o.Path+"/login/offer?return="+url.QueryEscape(target))
		}
	}
	return redirect(w, target)
}

// askAgain returns the status with which a page asks for a passcode once more, or 0
// if err is no reason to.
func askAgain(err error) int {
	switch {
	case errors.Is(err, ceremony.ErrWrongPasscode):
		return http.StatusUnprocessableEntity
	case errors.Is(err, ceremony.ErrMalformed): // none was typed, and no attempt counted
		return http.StatusBadRequest
	}
	return 0
}

// passcodeAgainForm sends another passcode to the same address.
func (h *Handlers) passcodeAgainForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	target := h.returnTarget(r.PostForm.Get("return"))
	id, passkeys := h.underway(r)
	address, err := h.o.Passcodes.Address(r.Context(), h.client(r), id)
	if err != nil {
		return h.showLogin(w, r, err, web.LoginPage{Return: target, Passkeys: true})
	}
	if err := h.sendPasscode(w, r, string(address), passkeys); err != nil {
		return h.showLogin(w, r, err, web.LoginPage{Return: target, Email: string(address), Passkeys: true})
	}
	return redirect(w, h.passcodeURL(target, "again"))
}

// showLogin shows the sign-in page once more, with what went wrong. Failures of
// ours have a page of their own.
func (h *Handlers) showLogin(w http.ResponseWriter, r *request, err error, page web.LoginPage) error {
	p := h.describe(r.Request, err)
	if p.failure && p.page != web.MailAway || p.Status == http.StatusForbidden {
		return err
	}
	h.log(r.Request, p, err)
	setRetryAfter(w, p)
	page.Problem = p.page
	status := p.Status
	if status == http.StatusUnauthorized || status == http.StatusRequestTimeout {
		// A page with a form asks for no WWW-Authenticate, and to a browser 408 means
		// that it may send the form once more by itself.
		status = http.StatusUnprocessableEntity
	}
	return h.page(w, r, status, page)
}

// offerPage offers a passkey to somebody who has just signed in with a passcode.
func (h *Handlers) offerPage(w http.ResponseWriter, r *request) error {
	target := h.returnTarget(r.URL.Query().Get("return"))
	if _, err := h.fresh(r); err != nil {
		return redirect(w, target)
	}
	return h.page(w, r, http.StatusOK, web.OfferPage{Return: target})
}

func (h *Handlers) offerLaterForm(w http.ResponseWriter, r *request) error {
	if err := form(r); err != nil {
		return err
	}
	h.o.Cookie.SetBeside(w, cookieLater, "1", laterLifetime)
	return redirect(w, h.returnTarget(r.PostForm.Get("return")))
}

// logout ends the visitor's session, everywhere and at once.
func (h *Handlers) logout(w http.ResponseWriter, r *request) error {
	v, err := h.visitor(r)
	if err != nil && (!session.Refused(err) || !Navigation(r.Request)) {
		return err
	}
	if err == nil {
		if err := h.o.Sessions.End(r.Context(), v.Subject, v.ID); err != nil {
			return err
		}
		h.logger().Info("signed out", "user", v.Subject)
	}
	h.forget(w)
	if Navigation(r.Request) {
		return redirect(w, h.o.Path+"/signed-out")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handlers) signedOutPage(w http.ResponseWriter, r *request) error {
	page := web.SignedOutPage{LoginURL: h.loginURL("")}
	if handle := h.o.Cookie.Beside(r.Request, cookieDeleted); handle != "" {
		page.Deleted, page.RPID, page.UserHandle = true, r.site.RelyingParty.ID, handle
	}
	return h.page(w, r, http.StatusOK, page)
}
