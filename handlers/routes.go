package handlers

import "net/http"

// A kind says whom a route is for. The answers of each kind are good for others.
type kind int

const (
	// forPeople: a page, or a form in one. It is below Path alone, and no other
	// origin may use it or look into it.
	forPeople kind = iota

	// forPrograms: an endpoint that answers with JSON. It is at the root of an API
	// host, too, and the web clients of API.Origins may use it.
	forPrograms

	// forAnybody: what everybody may know, and scripts of any origin may read. It is
	// at the root of an API host, too.
	forAnybody
)

// A route is what Doorward answers itself.
type route struct {
	method, path string // as http.ServeMux has them; a path stands below Path
	kind         kind
	serve        endpoint
}

// routes is all that Doorward answers itself, but for static files and the files
// of [WellKnown].
func (h *Handlers) routes() []route {
	return []route{
		{"GET", "/login", forPeople, h.loginPage},
		{"POST", "/login", forPeople, h.loginForm},
		{"GET", "/login/passcode", forPeople, h.passcodePage},
		{"POST", "/login/passcode", forPeople, h.passcodeForm},
		{"POST", "/login/passcode/again", forPeople, h.passcodeAgainForm},
		{"GET", "/login/offer", forPeople, h.offerPage},
		{"POST", "/login/offer/later", forPeople, h.offerLaterForm},
		{"GET", "/signed-out", forPeople, h.signedOutPage},

		{"GET", "/account", forPeople, h.accountPage},
		{"POST", "/account/passkeys/rename", forPeople, h.renamePasskeyForm},
		{"POST", "/account/passkeys/remove", forPeople, h.removePasskeyForm},
		{"POST", "/account/emails/add", forPeople, h.addAddressForm},
		{"GET", "/account/emails/verify", forPeople, h.verifyAddressPage},
		{"POST", "/account/emails/verify", forPeople, h.verifyAddressForm},
		{"POST", "/account/emails/verify/again", forPeople, h.verifyAddressAgainForm},
		{"POST", "/account/emails/primary", forPeople, h.setPrimaryAddressForm},
		{"POST", "/account/emails/remove", forPeople, h.removeAddressForm},
		{"POST", "/account/delete", forPeople, h.deleteAccountForm},
		{"POST", "/account/sessions/end", forPeople, h.endSessionForm},
		{"POST", "/account/sessions/end-others", forPeople, h.endOtherSessionsForm},

		{"POST", "/user", forPrograms, h.lookUp},
		{"DELETE", "/user", forPrograms, h.deleteUser},
		{"POST", "/users", forPrograms, h.signUp},
		{"GET", "/users/{id}", forPrograms, h.account},
		{"GET", "/me", forPrograms, h.me},
		{"GET", "/emails", forPrograms, h.emails},
		{"POST", "/emails", forPrograms, h.addEmail},
		{"POST", "/emails/{id}/set_primary", forPrograms, h.makeEmailPrimary},
		{"DELETE", "/emails/{id}", forPrograms, h.removeEmail},

		{"POST", "/passcode/login/initialize", forPrograms, h.passcodeInitialize},
		{"POST", "/passcode/login/finalize", forPrograms, h.passcodeFinalize},
		{"POST", "/webauthn/login/initialize", forPrograms, h.loginInitialize},
		{"POST", "/webauthn/login/finalize", forPrograms, h.loginFinalize},
		{"POST", "/webauthn/authentication/initialize", forPrograms, h.loginInitialize}, // as it was called before
		{"POST", "/webauthn/authentication/finalize", forPrograms, h.loginFinalize},
		{"POST", "/webauthn/registration/initialize", forPrograms, h.registrationInitialize},
		{"POST", "/webauthn/registration/finalize", forPrograms, h.registrationFinalize},
		{"GET", "/webauthn/credentials", forPrograms, h.credentials},
		{"PATCH", "/webauthn/credentials/{id}", forPrograms, h.renameCredential},
		{"DELETE", "/webauthn/credentials/{id}", forPrograms, h.removeCredential},

		{"GET", "/sessions", forPrograms, h.sessions},
		{"GET", "/sessions/validate", forPrograms, h.validateOwn},
		{"POST", "/sessions/validate", forPrograms, h.validate},
		{"DELETE", "/sessions/{id}", forPrograms, h.endSession},
		{"POST", "/sessions/end-others", forPrograms, h.endOtherSessions},
		{"POST", "/logout", forPrograms, h.logout}, // also a form of pages

		{"GET", "/.well-known/config", forPrograms, h.config},
		{"GET", "/.well-known/jwks.json", forAnybody, h.jwks},
		{"GET", "/health/alive", forPrograms, h.alive},
		{"GET", "/health/ready", forPrograms, h.ready},
	}
}

// mount has the routes served.
func (h *Handlers) mount() {
	for _, to := range h.routes() {
		h.handle(h.o.Path, to)
		if h.o.API.Root && to.kind != forPeople {
			h.handle("", to)
		}
	}
	if h.o.API.Root {
		h.handle("", route{"GET", "/{$}", forPeople, h.rootPage})
	}
}

// handle serves one route below prefix.
func (h *Handlers) handle(prefix string, to route) {
	pattern := to.method + " " + prefix + to.path
	h.pages[pattern] = to.kind == forPeople
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if to.kind == forPrograms {
			h.share(w, r)
		}
		site, ok := h.o.Site(r)
		if !ok {
			h.fail(w, r, errMisdirected)
			return
		}
		if err := h.guard(r, site, to.kind); err != nil {
			h.fail(w, r, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := to.serve(w, &request{Request: r, site: site, kind: to.kind}); err != nil {
			h.fail(w, r, err)
		}
	})
}

// rootPage sends whoever opens an API host in a browser to the one thing that
// there is to see.
func (h *Handlers) rootPage(w http.ResponseWriter, r *request) error {
	return redirect(w, h.o.Path+"/account")
}
