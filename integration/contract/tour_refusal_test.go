package contract_test

import (
	"net/http"
	"slices"
	"strings"

	"github.com/doorward/doorward/integration/testbed"
)

// each has send go to every operation of a place that the document says to
// answer with a problem, and holds the answers against that.
func (to *tour) each(at place, status int, problem string, send func(o operation) testbed.Answer) {
	to.Helper()
	for _, o := range to.spec.operations {
		listed, documented := o.problems[status]
		if !o.at(at) || !documented || len(listed) > 0 && !slices.Contains(listed, problem) {
			continue
		}
		if a := send(o); a.Status != status || problemIn(a) != problem {
			to.Errorf("%s %s at %s: %d %s, want %d %s\n%s", o.method, o.path, at.base+at.prefix, a.Status, problemIn(a), status, problem, a.Body)
		}
	}
}

// refusals goes past what all operations refuse alike.
func (to *tour) refusals(at place) {
	stranger, ann, ben, gone := to.arrives(at), to.arrives(at), to.arrives(at), to.arrives(at)
	for _, v := range []*traveller{ann, ben, gone} {
		v.signsIn(to.somebody())
	}
	theirs := ben.session()
	dead := "Bearer " + gone.token()
	gone.has(http.StatusNoContent, "POST", "/logout", nil, nil)

	to.each(at, http.StatusMisdirectedRequest, "host_not_configured", func(o operation) testbed.Answer {
		return stranger.calls(o.method, o.target(), nil, "Host", "localhost:1")
	})
	to.each(at, http.StatusForbidden, "cross_origin", func(o operation) testbed.Answer {
		return ann.calls(o.method, o.target(), nil, "Origin", evil, "Sec-Fetch-Site", "cross-site")
	})
	to.each(at, http.StatusUnauthorized, "sign_in_required", func(o operation) testbed.Answer {
		return stranger.calls(o.method, o.target(), nil)
	})
	to.each(at, http.StatusUnauthorized, "session_ended", func(o operation) testbed.Answer {
		return stranger.calls(o.method, o.target(), nil, "Authorization", dead)
	})
	to.each(at, http.StatusNotFound, "not_found", func(o operation) testbed.Answer {
		switch {
		case o.id == "endSession": // what nobody has is ended already
			return ann.calls(o.method, "/sessions/"+theirs, nil)
		case strings.Contains(o.path, "{id}"):
			return ann.calls(o.method, o.target(), map[string]string{"name": "Laptop"})
		case o.id == "lookUp":
			return ann.calls(o.method, o.target(), map[string]string{"email": "nobody@example.com"})
		}
		return testbed.Answer{Status: http.StatusNotFound, Body: `{"type":"#not_found"}`} // see otherwise
	})
	sends := func(o operation, contentType, body string) testbed.Answer {
		return ann.Do(o.method, at.prefix+o.target(), body, "Content-Type", contentType, "X-Forwarded-For", ann.from)
	}
	expected := func(o operation) string {
		if o.form {
			return "application/x-www-form-urlencoded"
		}
		return "application/json"
	}
	to.each(at, http.StatusUnsupportedMediaType, "content_type", func(o operation) testbed.Answer {
		return sends(o, "text/plain", "{}")
	})
	to.each(at, http.StatusRequestEntityTooLarge, "too_large", func(o operation) testbed.Answer {
		return sends(o, expected(o), `{"a":"`+strings.Repeat("a", 64<<10)+`"}`)
	})
	to.each(at, http.StatusBadRequest, "malformed", func(o operation) testbed.Answer {
		return sends(o, expected(o), map[bool]string{true: "%zz", false: "[]"}[o.form])
	})
}

// stale goes past what wants a recent sign-in, with a session of another hour.
func (to *tour) stale(old *traveller) {
	to.each(old.at, http.StatusForbidden, "fresh_sign_in_required", func(o operation) testbed.Answer {
		return old.calls(o.method, o.target(), nil)
	})
}

// limits goes past the ends of all budgets.
func (to *tour) limits(at place) {
	// exhausts calls an endpoint until it has had enough.
	exhausts := func(v *traveller, times int, method, path string, body func(i int) any) {
		to.Helper()
		for i := range times {
			a := v.calls(method, path, body(i))
			if a.Status == http.StatusTooManyRequests {
				return
			}
		}
		to.Errorf("%s %s: %d requests met no limit", method, path, times)
	}
	named := func(name, address string) func(int) any {
		return func(int) any { return map[string]string{name: address} }
	}
	exhausts(to.arrives(at), 11, "POST", "/passcode/login/initialize", named("email", to.somebody()))
	exhausts(to.arrives(at), 61, "POST", "/user", named("email", to.somebody()))
	exhausts(to.arrives(at), 61, "POST", "/users", named("email", to.somebody()))

	address := to.somebody()
	guesser := to.arrives(at)
	for range 7 {
		p := guesser.isSent(address)
		for range 3 {
			guesser.calls("POST", "/passcode/login/finalize", p.wrong())
		}
	}
	// Twenty tries were looked at, and the next is not.
	to.wants(guesser.calls("POST", "/passcode/login/finalize", guesser.isSent(address)), http.StatusTooManyRequests, "too_many_requests")

	ann := to.arrives(at)
	ann.signsIn(to.somebody())
	exhausts(ann, 61, "POST", "/webauthn/registration/initialize", func(int) any { return nil })
	exhausts(ann, 21, "POST", "/emails", func(int) any { return map[string]string{"address": to.somebody()} })

	// Strangers may begin 3000 logins with passkeys in an hour.
	stranger := to.arrives(at)
	to.beginsLogins(stranger, 3000)
	for _, spelling := range []string{"login", "authentication"} {
		to.wants(stranger.calls("POST", "/webauthn/"+spelling+"/initialize", nil), http.StatusTooManyRequests, "too_many_requests")
	}
}

// beginsLogins has a traveller begin logins, whose answers nobody looks at.
func (to *tour) beginsLogins(v *traveller, times int) {
	to.Helper()
	client := &http.Client{Transport: v.Wire}
	requests := make(chan int)
	failures := make(chan error, 8)
	for range cap(failures) {
		go func() {
			var failure error
			for range requests {
				request, err := http.NewRequest("POST", v.at.base+v.at.prefix+"/webauthn/login/initialize", nil)
				if err != nil {
					failure = err
					continue
				}
				request.Header.Set("X-Forwarded-For", v.from)
				response, err := client.Do(request)
				if err != nil {
					failure = err
					continue
				}
				response.Body.Close()
			}
			failures <- failure
		}()
	}
	for i := range times {
		requests <- i
	}
	close(requests)
	for range cap(failures) {
		if err := <-failures; err != nil {
			to.Fatal(err)
		}
	}
}
