package contract_test

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/doorward/doorward/integration/testbed"
)

// opens asks for one of the pages, as a browser does.
func (v *traveller) opens(status int, path string) testbed.Answer {
	v.Helper()
	a := v.Do("GET", "/doorward"+path, "", "X-Forwarded-For", v.from, "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none")
	v.wantsStatus(a, status, path)
	return a
}

// submits sends a form of one of the pages.
func (v *traveller) submits(status int, path string, fields ...string) testbed.Answer {
	v.Helper()
	a := v.Submit("/doorward"+path, fields...)
	v.wantsStatus(a, status, path)
	return a
}

func (to *tour) wantsStatus(a testbed.Answer, status int, what string) {
	to.Helper()
	if a.Status != status {
		to.Errorf("%s: status %d, want %d\n%s", what, a.Status, status, a.Body)
	}
}

// scripted sends a form as a script of a page could, which is no navigation.
func (v *traveller) scripted(path, form string) testbed.Answer {
	v.Helper()
	return v.Do("POST", "/doorward"+path, form, "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", v.from)
}

// pages goes past all that people see.
func (to *tour) pages() {
	stranger := to.arrives(to.door)
	to.staticFiles(stranger.opens(http.StatusOK, "/login").Body)
	for path, status := range map[string]int{
		"/login/passcode": http.StatusUnprocessableEntity, "/login/offer": http.StatusSeeOther, "/signed-out": http.StatusOK,
		"/account": http.StatusSeeOther, "/account/emails/verify": http.StatusSeeOther, "/nowhere": http.StatusNotFound,
	} {
		stranger.opens(status, path)
	}
	stranger.submits(http.StatusBadRequest, "/login", "email", "ann")
	stranger.submits(http.StatusUnprocessableEntity, "/login/passcode/again")
	stranger.submits(http.StatusUnprocessableEntity, "/login/passcode", "passcode", "000000")

	ann, address := to.arrives(to.door), to.somebody()
	ann.submits(http.StatusSeeOther, "/login", "email", address)
	ann.opens(http.StatusOK, "/login/passcode")
	p := proof{Code: to.code(address)}
	for range 2 {
		ann.submits(http.StatusUnprocessableEntity, "/login/passcode", "passcode", p.wrong().Code)
	}
	ann.submits(http.StatusGone, "/login/passcode", "passcode", p.wrong().Code)
	ann.submits(http.StatusSeeOther, "/login", "email", address)
	to.code(address)
	ann.submits(http.StatusSeeOther, "/login/passcode/again")
	ann.submits(http.StatusSeeOther, "/login/passcode", "passcode", to.code(address), "return", "/wiki")
	for path, status := range map[string]int{
		"/login": http.StatusSeeOther, "/login/passcode": http.StatusSeeOther, "/login/offer": http.StatusOK, "/account": http.StatusOK,
	} {
		ann.opens(status, path)
	}
	ann.submits(http.StatusSeeOther, "/login/offer/later")
	to.accountForms(ann)
	to.shutOut()
	to.pageLimits()

	visitor := to.arrives(to.api)
	visitor.wantsStatus(visitor.Navigate("/"), http.StatusSeeOther, "the root of the API host")
	to.wants(visitor.Do("GET", "/", "", "Host", "api.localhost:1"), http.StatusMisdirectedRequest, "host_not_configured")
}

// accountForms goes past the forms of the account page.
func (to *tour) accountForms(ann *traveller) {
	for _, path := range []string{"/passkeys/rename", "/passkeys/remove", "/sessions/end", "/emails/primary", "/emails/remove"} {
		ann.submits(http.StatusSeeOther, "/account"+path, "id", "AAAA", "name", "Laptop")
	}
	ann.submits(http.StatusSeeOther, "/account/sessions/end-others")
	second := to.somebody()
	ann.submits(http.StatusSeeOther, "/account/emails/add", "email", second)
	ann.opens(http.StatusOK, "/account/emails/verify")
	to.code(second) // letters that are asked for together arrive in any order
	ann.submits(http.StatusSeeOther, "/account/emails/verify/again")
	p := proof{Code: to.code(second)}
	ann.submits(http.StatusUnprocessableEntity, "/account/emails/verify", "passcode", p.wrong().Code)
	ann.submits(http.StatusSeeOther, "/account/emails/verify", "passcode", p.Code)
	ann.submits(http.StatusSeeOther, "/account/delete", "confirm", "yes")
}

// shutOut goes past what those see who may not come in.
func (to *tour) shutOut() {
	abroad := to.abroad()
	to.wants(abroad.Do("GET", "/doorward/login", ""), http.StatusForbidden, "not_allowed")

	ann, address := to.arrives(to.door), to.somebody()
	ann.submits(http.StatusSeeOther, "/login", "email", address)
	to.operates("users", "add", address)
	to.operates("users", "disable", address)
	to.wants(ann.scripted("/login/passcode", "passcode="+to.code(address)), http.StatusForbidden, "not_allowed")
}

// abroad returns somebody at the door who signed in at the API host, which lets
// them in, as the door does not.
func (to *tour) abroad() *traveller {
	v := to.arrives(to.api)
	v.signsIn(strings.Replace(to.somebody(), "example.com", "example.net", 1))
	token, abroad := v.token(), to.arrives(to.door)
	abroad.HTTP.Transport = bearer{abroad.HTTP.Transport, token}
	return abroad
}

// A bearer sends a token with every request.
type bearer struct {
	http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.RoundTripper.RoundTrip(r)
}

// pageLimits goes past the ends of the budgets that the forms spend.
func (to *tour) pageLimits() {
	v, address := to.arrives(to.door), to.somebody()
	for range 7 {
		v.submits(http.StatusSeeOther, "/login", "email", address)
		p := proof{Code: to.code(address)}
		for range 3 {
			v.Submit("/doorward/login/passcode", "passcode", p.wrong().Code)
		}
	}
	v.submits(http.StatusSeeOther, "/login", "email", address)
	v.submits(http.StatusTooManyRequests, "/login/passcode", "passcode", to.code(address))
	for range 2 {
		v.submits(http.StatusSeeOther, "/login", "email", address)
	}
	v.submits(http.StatusTooManyRequests, "/login/passcode/again")
	v.submits(http.StatusTooManyRequests, "/login", "email", address)
}

var staticFile = regexp.MustCompile(`/doorward/static/[a-z]+\.[0-9a-f]+\.[a-z]+`)

// staticFiles goes past the files that a page is made of.
func (to *tour) staticFiles(page string) {
	v := to.arrives(to.door)
	files := staticFile.FindAllString(page, -1)
	if len(files) < 2 {
		to.Fatalf("no files in the page\n%s", page)
	}
	for _, file := range files {
		to.wantsStatus(v.Do("GET", file, ""), http.StatusOK, file)
	}
	copied := v.Do("HEAD", files[0], "").Header.Get("ETag")
	to.wantsStatus(v.Do("GET", files[0], "", "If-None-Match", copied), http.StatusNotModified, "a good copy")
	to.wantsStatus(v.Do("GET", files[0], "", "Range", "bytes=0-9"), http.StatusPartialContent, "a part")
	to.wantsStatus(v.Do("GET", files[0], "", "Range", "bytes=9999999-"), http.StatusRequestedRangeNotSatisfiable, "no part")
	to.wantsStatus(v.Do("GET", "/doorward/static/none.js", ""), http.StatusNotFound, "no file")
}

// wellKnown goes past the files for native apps and password managers.
func (to *tour) wellKnown() {
	v := to.arrives(to.door)
	for _, o := range to.spec.operations {
		if o.server != ofSites || o.id == "app" {
			continue
		}
		a := v.Do("GET", o.path, "")
		if _, documented := o.problems[a.Status]; !documented || a.Header.Get("X-Request-Id") == "" {
			to.Errorf("%s: status %d, which is not documented", o.path, a.Status)
		}
	}
}

// doors goes past what the door says to whom it does not let through.
func (to *tour) doors() {
	stranger := to.arrives(to.door)
	to.wantsStatus(stranger.Navigate("/wiki"), http.StatusSeeOther, "a stranger's browser")
	to.wants(stranger.Do("GET", "/wiki", ""), http.StatusUnauthorized, "sign_in_required")
	to.wants(stranger.Do("GET", "/wiki", "", "Host", "localhost:1"), http.StatusMisdirectedRequest, "host_not_configured")

	ann := to.arrives(to.door)
	ann.signsIn(to.somebody())
	handshake := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==", "Origin", evil}
	to.wants(ann.Do("GET", "/socket", "", handshake...), http.StatusForbidden, "cross_origin")
	to.wants(to.abroad().Do("GET", "/wiki", ""), http.StatusForbidden, "not_allowed")
	token := ann.token()
	ann.has(http.StatusNoContent, "POST", "/logout", nil, nil)
	to.wants(ann.Do("GET", "/wiki", "", "Authorization", "Bearer "+token), http.StatusUnauthorized, "session_ended")
}
