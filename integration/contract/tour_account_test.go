package contract_test

import (
	"net/http"
	"strings"
)

// accounts goes past looking up, making and deleting accounts.
func (to *tour) accounts(at place) {
	stranger, address := to.arrives(at), to.somebody()
	named := map[string]string{"email": address}
	to.wants(stranger.calls("POST", "/user", named), http.StatusNotFound, "not_found")
	var promised struct {
		UserID  string `json:"user_id"`
		EmailID string `json:"email_id"`
	}
	stranger.has(http.StatusOK, "POST", "/users", named, &promised)
	p := stranger.isSentTo(address, map[string]string{"user_id": promised.UserID, "email_id": promised.EmailID})
	stranger.has(http.StatusOK, "POST", "/passcode/login/finalize", p, nil)
	ann := stranger
	ann.has(http.StatusOK, "GET", "/users/"+promised.UserID, nil, nil)
	to.wants(ann.calls("GET", "/users/2f1a6f3e-5e0c-4c86-9f1b-8f0c1d1c7a11", nil), http.StatusForbidden, "other_user")

	stranger = to.arrives(at)
	stranger.has(http.StatusOK, "POST", "/user", named, nil)
	to.wants(stranger.calls("POST", "/users", named), http.StatusConflict, "account_exists")
	to.wants(stranger.calls("POST", "/users", map[string]string{"email": "ann@evil.test"}), http.StatusForbidden, "not_allowed")
	for _, path := range []string{"/user", "/users"} {
		to.wants(stranger.calls("POST", path, map[string]string{"email": "ann"}), http.StatusBadRequest, "address_invalid")
	}
	ann.has(http.StatusNoContent, "DELETE", "/user", nil, nil)
}

// addresses goes past having more than one address.
func (to *tour) addresses(at place) {
	type email struct {
		ID      string
		Primary bool `json:"is_primary"`
	}
	ann, own := to.arrives(at), to.somebody()
	userID := ann.signsIn(own)
	added := func(address string) string {
		var begun email
		ann.has(http.StatusOK, "POST", "/emails", map[string]string{"address": address}, &begun)
		p := ann.isSentTo(address, map[string]string{"user_id": userID, "email_id": begun.ID})
		ann.has(http.StatusOK, "POST", "/passcode/login/finalize", p, nil)
		return begun.ID
	}
	for address, problem := range map[string]string{own: "address_taken", "ann": "address_invalid"} {
		to.wants(ann.calls("POST", "/emails", map[string]string{"address": address}), http.StatusBadRequest, problem)
	}
	abroad := added(strings.Replace(own, "example.com", "example.org", 1))
	to.wants(ann.calls("POST", "/emails/"+abroad+"/set_primary", nil), http.StatusForbidden, "address_shuts_out")
	to.wants(ann.calls("POST", "/emails", map[string]string{"address": to.somebody()}), http.StatusConflict, "too_many_addresses")
	ann.has(http.StatusNoContent, "DELETE", "/emails/"+abroad, nil, nil)

	second := added(to.somebody())
	ann.has(http.StatusNoContent, "POST", "/emails/"+second+"/set_primary", nil, nil)
	to.wants(ann.calls("DELETE", "/emails/"+second, nil), http.StatusConflict, "primary_address")
	var all []email
	ann.has(http.StatusOK, "GET", "/emails", nil, &all)

	for range 20 { // each may be a letter
		if ann.calls("POST", "/emails/"+second+"/set_primary", nil).Status == http.StatusTooManyRequests {
			break
		}
	}
	to.wants(ann.calls("POST", "/emails/"+second+"/set_primary", nil), http.StatusTooManyRequests, "too_many_requests")
	to.wants(ann.calls("DELETE", "/emails/"+all[len(all)-1].ID, nil), http.StatusTooManyRequests, "too_many_requests")
}

// sessions goes past seeing where one is signed in, and signing out.
func (to *tour) sessions(at place) {
	address := to.somebody()
	here, there := to.arrives(at), to.arrives(at)
	here.signsIn(address)
	there.signsIn(address)
	here.has(http.StatusNoContent, "DELETE", "/sessions/"+there.session(), nil, nil)
	here.has(http.StatusNoContent, "POST", "/sessions/end-others", nil, nil)
	var validity struct {
		Valid bool `json:"is_valid"`
	}
	ended := there.token()
	for token, want := range map[string]bool{here.token(): true, ended: false} {
		to.arrives(at).has(http.StatusOK, "POST", "/sessions/validate", map[string]string{"session_token": token}, &validity)
		if validity.Valid != want {
			to.Errorf("is_valid: %v, want %v", validity.Valid, want)
		}
	}
	here.has(http.StatusOK, "GET", "/sessions/validate", nil, nil)
	to.arrives(at).has(http.StatusOK, "GET", "/sessions/validate", nil, nil)
	here.has(http.StatusNoContent, "POST", "/logout", nil, nil)

	here.signsIn(address)
	form := here.Submit(at.prefix + "/logout")
	if form.Status != http.StatusSeeOther {
		to.Errorf("signing out by a form: status %d, want 303", form.Status)
	}
}

// session returns the ID of the traveller's session.
func (v *traveller) session() string {
	v.Helper()
	var live []struct {
		ID      string
		Current bool
	}
	v.has(http.StatusOK, "GET", "/sessions", nil, &live)
	for _, s := range live {
		if s.Current {
			return s.ID
		}
	}
	v.Fatal("no session is the current one")
	return ""
}

// discovery goes past what everybody may know, from another origin too.
func (to *tour) discovery(at place) {
	v := to.arrives(at)
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/config", "/health/alive", "/health/ready"} {
		v.has(http.StatusOK, "GET", path, nil, nil)
		v.has(http.StatusOK, "HEAD", path, nil, nil)
	}
	asked := v.calls("OPTIONS", "/me", nil, "Origin", elsewhere, "Access-Control-Request-Method", "GET")
	told := v.calls("GET", "/me", nil, "Origin", elsewhere)
	for _, a := range []struct {
		got    int
		want   int
		header http.Header
	}{{asked.Status, http.StatusNoContent, asked.Header}, {told.Status, http.StatusUnauthorized, told.Header}} {
		if origin := a.header.Get("Access-Control-Allow-Origin"); a.got != a.want || origin != elsewhere {
			to.Errorf("from another origin: %d, allowed to %q, want %d, to %s", a.got, origin, a.want, elsewhere)
		}
	}
	to.wants(v.calls("PUT", "/password", nil), http.StatusNotFound, "not_found")
}
