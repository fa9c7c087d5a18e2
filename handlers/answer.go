package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/web"
)

// Refusals that belong to HTTP. The others are the ceremonies', the sessions'
// and the directory's.
var (
	errNoRoute     = errors.New("no such page or endpoint")
	errMisdirected = errors.New("host not configured")
	errCrossOrigin = errors.New("request caused by another site")
	errContentType = errors.New("wrong content type")
	errTooLarge    = errors.New("body too large")
	errBody        = errors.New("malformed body")
	errNotFresh    = errors.New("the sign-in is not recent enough")
	errNotAdmitted = errors.New("signed in, but not admitted")
	errNoCookies   = errors.New("the browser sent no cookies back")
	errUnready     = errors.New("not ready")
	errPanic       = errors.New("panic")

	// errAddressField is directory.ErrAddress of a field that is named address.
	errAddressField = errors.New("malformed address")

	// errRegistration wraps what went wrong with a registration, where the status
	// is another than for a login.
	errRegistration = errors.New("registration")

	// errLogin wraps what went wrong with naming a user at a login with a passkey.
	errLogin = errors.New("login with a passkey")
)

// A problem is what a visitor is told about an error (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`

	// What clients of the Hanko API read.
	Code    int    `json:"code"`
	Message string `json:"message"`

	Login string `json:"login,omitempty"` // where signing in would help
	ID    string `json:"id,omitempty"`    // X-Request-Id, as in the log, where the failure is ours

	slug    string      // ends Type
	page    web.Problem // what a page says instead
	retry   time.Duration
	limit   ceremony.Limit // of the budget that is spent
	failure bool           // ours, not the visitor's
}

// problemTypes is where the problem types are explained.
const problemTypes = "https://github.com/doorward/doorward/blob/main/docs/problems.md#"

// problemOf says what an error is for the visitor. It is the only place where an
// error becomes a status. What it does not know is a failure of ours, and of its
// text nothing is shown: it is for the log.
func problemOf(err error) problem {
	is := func(target error) bool { return errors.Is(err, target) }
	var limit *ceremony.LimitError
	switch {
	case is(errNoRoute), is(directory.ErrNotFound), is(ceremony.ErrLookup): // no lookups: no such endpoint
		return problem{Status: 404, slug: "not_found", Title: "Not Found", page: web.NotFound}
	case is(errMisdirected):
		return problem{Status: 421, slug: "host_not_configured", Title: "This host is not configured", page: web.NotFound}
	case is(errCrossOrigin):
		return problem{Status: 403, slug: "cross_origin", Title: "The request comes from another site", page: web.CrossOrigin}
	case is(errContentType):
		return problem{Status: 415, slug: "content_type", Title: "Unsupported Media Type", Detail: "The body of a request must be application/json.", page: web.Malformed}
	case is(errTooLarge):
		return problem{Status: 413, slug: "too_large", Title: "The body is too large", page: web.Malformed}
	case is(errBody):
		return problem{Status: 400, slug: "malformed", Title: "Malformed request", Detail: after(err, errBody), page: web.Malformed}
	case is(ceremony.ErrMalformed):
		return problem{Status: 400, slug: "malformed", Title: "Malformed request", page: web.PasskeyFailed}
	case is(directory.ErrAddress):
		return problem{Status: 400, slug: "address_invalid", Title: "email must be a valid email address", page: web.AddressInvalid}
	case is(errAddressField):
		return problem{Status: 400, slug: "address_invalid", Title: "address must be a valid email address", page: web.AddressInvalid}
	case is(directory.ErrName):
		return problem{Status: 400, slug: "name_invalid", Title: "name must be at most 64 characters on one line", page: web.NameInvalid}
	case is(errLocksOut):
		return problem{Status: 403, slug: "address_shuts_out", Title: "With this primary address the account could not enter here", page: web.AddressShutsOut}
	case is(errUnconfirmed):
		return problem{Status: 400, slug: "unconfirmed", Title: "The deletion is not confirmed", page: web.Unconfirmed}

	case is(ceremony.ErrUnknownUser) && is(errLogin):
		return problem{Status: 400, slug: "unknown_user", Title: "user not found", page: web.Malformed}
	case is(ceremony.ErrUnknownUser):
		return problem{Status: 400, slug: "unknown_user", Title: "Bad Request", page: web.Malformed}
	case is(ceremony.ErrUnknownEmail):
		return problem{Status: 400, slug: "unknown_address", Title: "the specified emailId is not available", page: web.NotFound}
	case is(ceremony.ErrOtherUser):
		return problem{Status: 403, slug: "other_user", Title: "Forbidden", Detail: "Sign in to the account that this belongs to. To add an address, begin with POST /emails.", page: web.AddressOfOther}
	case is(ceremony.ErrAccountExists):
		return problem{Status: 409, slug: "account_exists", Title: "This address has an account already", page: web.AddressTaken}
	case is(ceremony.ErrTooManyAddresses), is(directory.ErrTooMany):
		return problem{Status: 409, slug: "too_many_addresses", Title: "The account has as many addresses as it may have", page: web.TooManyAddresses}
	case is(directory.ErrTaken):
		return problem{Status: 400, slug: "address_taken", Title: "This address is assigned already", page: web.AddressTaken}
	case is(directory.ErrPrimary):
		return problem{Status: 409, slug: "primary_address", Title: "The primary address cannot be removed", page: web.AddressInUse}
	case is(directory.ErrUnverified):
		return problem{Status: 409, slug: "address_unverified", Title: "The address is not verified", page: web.AddressUnproved}

	case is(errNotFresh):
		return problem{Status: 403, slug: "fresh_sign_in_required", Title: "A recent sign-in is required", page: web.FreshNeeded}
	case is(errNotAdmitted), is(ceremony.ErrNotAllowed):
		return problem{Status: 403, slug: "not_allowed", Title: "This account may not enter here", page: web.NotAllowed}
	case is(errNoCookies):
		return problem{Status: 400, slug: "cookies_blocked", Title: "The browser sent no cookies", page: web.PasskeyFailed}

	case is(ceremony.ErrWrongPasscode):
		return problem{Status: 401, slug: "wrong_passcode", Title: "Unauthorized", page: web.WrongPasscode}
	case is(ceremony.ErrTooManyAttempts):
		return problem{Status: 410, slug: "too_many_attempts", Title: "max attempts reached", page: web.TooManyAttempts}
	case is(ceremony.ErrPasscodeGone):
		return problem{Status: 401, slug: "passcode_not_found", Title: "passcode not found", page: web.PasscodeExpired}
	case is(ceremony.ErrPasscodeExpired):
		return problem{Status: 408, slug: "passcode_expired", Title: "passcode request timed out", page: web.PasscodeExpired}
	case is(ceremony.ErrUserVerification):
		return problem{Status: 422, slug: "user_verification_required", Title: "The authenticator did not verify its user", page: web.PasskeyNotAdded}
	case is(ceremony.ErrPasskeyTaken):
		return problem{Status: 409, slug: "passkey_exists", Title: "This passkey is registered already", page: web.PasskeyExists}
	case is(ceremony.ErrChallenge) && is(errRegistration):
		return problem{Status: 400, slug: "challenge_mismatch", Title: "Stored challenge and received challenge do not match", page: web.PasskeyNotAdded}
	case is(ceremony.ErrPasskey) && is(errRegistration):
		return problem{Status: 400, slug: "attestation_failed", Title: "failed to validate attestation", page: web.PasskeyNotAdded}
	case is(ceremony.ErrChallenge):
		return problem{Status: 401, slug: "challenge_mismatch", Title: "Stored challenge and received challenge do not match", page: web.PasskeyFailed}
	case is(ceremony.ErrUnknownPasskey):
		return problem{Status: 401, slug: "unknown_passkey", Title: "Unauthorized", page: web.PasskeyUnknown}
	case is(ceremony.ErrPasskey):
		return problem{Status: 401, slug: "assertion_failed", Title: "failed to validate assertion", page: web.PasskeyFailed}

	case is(session.ErrNone):
		return problem{Status: 401, slug: "sign_in_required", Title: "Unauthorized", page: web.SignInNeeded}
	case session.Refused(err):
		return problem{Status: 401, slug: "session_ended", Title: "Unauthorized", page: web.SessionEnded}
	case errors.As(err, &limit):
		return problem{Status: 429, slug: "too_many_requests", Title: "Too Many Requests", page: web.TryAgainLater, retry: limit.RetryAfter, limit: limit.Limit}
	case is(ceremony.ErrBusy):
		return problem{Status: 503, slug: "mail_away", Title: "Service Unavailable", page: web.MailAway, retry: 30 * time.Second, failure: true}
	case is(errPanic), is(errRendering):
		return problem{Status: 500, slug: "internal", Title: "Internal Server Error", page: web.Internal, failure: true}
	}
	return problem{Status: 503, slug: "unavailable", Title: "Service Unavailable", page: web.StoreAway, retry: 5 * time.Second, failure: true}
}

// after returns the detail that an error adds to the sentinel that it wraps.
func after(err, sentinel error) string {
	_, detail, _ := strings.Cut(err.Error(), sentinel.Error()+": ")
	return detail
}

// errRendering wraps a page that could not be rendered.
var errRendering = errors.New("rendering")

// fail answers a request with what went wrong: with a page where somebody reads
// it, else with a problem document. What was decided is the same for both.
func (h *Handlers) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := h.describe(r, err)
	h.log(r, p, err)
	setRetryAfter(w, p)
	setLimit(w, p.limit)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge(err))
	}
	if Navigation(r) && !errors.Is(err, errRendering) {
		page := web.ErrorPage{Status: p.Status, Problem: p.page, ID: p.ID, Return: "/", LoginURL: p.Login}
		if p.failure && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			page.Return = h.returnTarget(r.RequestURI) // the same may well succeed in a while
		}
		if h.o.Pages.Render(w, r.Header.Get("Accept-Language"), p.Status, page) == nil {
			return
		}
	}
	writeJSON(w, "application/problem+json", p.Status, p)
}

func setRetryAfter(w http.ResponseWriter, p problem) {
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retry.Seconds()))))
	}
}

// setLimit tells a client how much of its budget is left. The zero Limit is none.
func setLimit(w http.ResponseWriter, l ceremony.Limit) {
	if l.Times == 0 {
		return
	}
	header := w.Header()
	header.Set("X-RateLimit-Limit", strconv.FormatInt(l.Times, 10))
	header.Set("X-RateLimit-Remaining", strconv.FormatInt(max(l.Remaining, 0), 10))
	header.Set("X-RateLimit-Reset", strconv.Itoa(int(math.Ceil(l.Reset.Seconds()))))
}

// whole fills in what follows from the rest.
func (p problem) whole() problem {
	p.Type, p.Code, p.Message = problemTypes+p.slug, p.Status, p.Title
	if p.Detail != "" {
		p.Message = p.Detail
	}
	return p
}

// describe completes the problem that err is for the visitor of r.
func (h *Handlers) describe(r *http.Request, err error) problem {
	p := problemOf(err).whole()
	switch p.slug {
	case "sign_in_required", "session_ended":
		p.Login = h.loginURL("")
	case "fresh_sign_in_required":
		p.Login = h.loginURL(h.o.Path+"/account") + "&fresh=1"
	case "not_allowed":
		p.Login = h.loginURL("") + "?fresh=1" // as somebody else
	}
	if p.failure {
		p.ID = requestID(r)
	}
	return p
}

// log writes one line about a request that was not served: what is ours is an
// error, with the cause; what is the visitor's is information, with the reason.
func (h *Handlers) log(r *http.Request, p problem, err error) {
	switch {
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		h.logger().Debug("the client hung up", "path", r.URL.Path)
	case p.failure:
		h.logger().Error("request failed", "id", p.ID, "path", r.URL.Path, "status", p.Status, "error", err.Error())
	default:
		h.logger().Info("request refused", append([]any{
			"id", requestID(r), "reason", p.slug, "path", r.URL.Path, "status", p.Status, "client", h.o.ClientAddress(r),
		}, circumstances(r, err)...)...)
	}
}

// circumstances returns what else an operator wants to know about a refusal: which
// limit may want raising, and which host may want a site.
func circumstances(r *http.Request, err error) []any {
	var limit *ceremony.LimitError
	switch {
	case errors.As(err, &limit):
		return []any{"limit", limit.Name}
	case errors.Is(err, errMisdirected):
		return []any{"host", r.Host}
	}
	return nil
}

// challenge returns the WWW-Authenticate header of a 401 (RFC 6750, section 3).
func challenge(err error) string {
	if session.Refused(err) && !errors.Is(err, session.ErrNone) {
		return `Bearer realm="doorward", error="invalid_token"`
	}
	return `Bearer realm="doorward"`
}

// loginURL returns where to sign in and then go to target.
func (h *Handlers) loginURL(target string) string {
	if target == "" || target == "/" {
		return h.o.Path + "/login"
	}
	return h.o.Path + "/login?return=" + url.QueryEscape(target)
}

// page answers with a page.
func (h *Handlers) page(w http.ResponseWriter, r *request, status int, page web.Page) error {
	if err := h.o.Pages.Render(w, r.Header.Get("Accept-Language"), status, page); err != nil {
		return errors.Join(errRendering, err)
	}
	return nil
}

// redirect sends the browser to a place on this site with a GET request.
func redirect(w http.ResponseWriter, target string) error {
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// answer answers with JSON.
func answer(w http.ResponseWriter, v any) error {
	writeJSON(w, "application/json", http.StatusOK, v)
	return nil
}

func writeJSON(w http.ResponseWriter, contentType string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // of our own types: cannot be
		status, body = http.StatusInternalServerError, []byte(`{"code":500,"message":"Internal Server Error"}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that hung up needs no answer
}

// Navigation reports whether a person's browser asks for a page, rather than a
// script or a program for data. The answer's form depends on it, and nothing
// else.
func Navigation(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	// A browser that does not say what it is about: a page, or a form in one.
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	sends := r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	return (reads || sends) &&
		strings.Contains(r.Header.Get("Accept"), "text/html") &&
		r.Header.Get("X-Requested-With") != "XMLHttpRequest"
}
