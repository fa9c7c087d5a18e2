package contract_test

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/integration/testbed"
)

// reload makes the sites take other options.
func (to *tour) reload(options ...string) {
	to.Helper()
	to.configures(options...)
	if err := to.gateway.Reload(); err != nil {
		to.Fatal(err)
	}
}

// otherwise goes past what other configurations answer.
func (to *tour) otherwise() {
	to.reload(to.mail(), `
		api {
			token_header on
		}`)
	for _, at := range to.places {
		v := to.arrives(at)
		signedIn := v.has(http.StatusOK, "POST", "/passcode/login/finalize", v.isSent(to.somebody()), nil)
		token := signedIn.Header.Get("X-Auth-Token")
		v.has(http.StatusOK, "GET", "/me", nil, nil, "Authorization", "Bearer "+token)
		to.wants(v.calls("DELETE", "/user", nil, "Authorization", "Bearer "+token), http.StatusNotFound, "not_found")

		v = to.arrives(at)
		signedIn = v.has(http.StatusOK, "POST", "/passcode/login/finalize", v.isSent(to.somebody()), nil, "Doorward-Session", "cookie")
		if v.token() == "" || signedIn.Header.Get("X-Auth-Token") != "" {
			to.Errorf("asked for the cookie, a client got %v", signedIn.Header)
		}
	}
	stranger := to.arrives(to.door)
	to.wants(stranger.scripted("/account/delete", "confirm=yes"), http.StatusNotFound, "not_found")
	to.wants(stranger.Do("GET", "/.well-known/webauthn", ""), http.StatusNotFound, "not_found")

	to.reload("") // no mail
	for _, at := range to.places {
		a := to.arrives(at).calls("POST", "/passcode/login/initialize", map[string]string{"email": to.somebody()})
		to.wants(a, http.StatusServiceUnavailable, "mail_away")
	}
	stranger.submits(http.StatusServiceUnavailable, "/login", "email", to.somebody())
}

// away goes past what everything answers while the store is away.
func (to *tour) away() {
	to.reload(to.mail(), `
		api {
			account_lookup on
		}
		account {
			deletion on
		}`)
	travellers := make(map[place]*traveller)
	bodies := make(map[place]map[string]any)
	for _, at := range to.places {
		v, address := to.arrives(at), to.somebody()
		v.signsIn(address)
		key := v.makesPasskey()
		travellers[at], bodies[at] = v, to.granted(v, address, key)
	}
	browser := travellers[to.door]
	browser.submits(http.StatusSeeOther, "/login", "email", to.somebody())
	token := browser.token()

	to.redis.Stop()
	time.Sleep(200 * time.Millisecond) // what was checked a moment ago is good for 100 ms
	for _, at := range to.places {
		to.each(at, http.StatusServiceUnavailable, "unavailable", func(o operation) testbed.Answer {
			if o.form {
				return travellers[at].scripted(o.path, "email=ann@example.com&passcode=000000")
			}
			return travellers[at].calls(o.method, o.target(), bodies[at][o.id])
		})
	}
	to.wants(to.arrives(to.door).Do("GET", "/wiki", "", "Authorization", "Bearer "+token), http.StatusServiceUnavailable, "unavailable")
}

// granted returns bodies with which operations would do what they are asked to,
// by operation ID.
func (to *tour) granted(v *traveller, address string, key *authenticator.Authenticator) map[string]any {
	to.Helper()
	named := map[string]string{"email": address}
	return map[string]any{
		"initializePasscode":     named,
		"finalizePasscode":       v.isSent(address),
		"finalizeLogin":          json.RawMessage(v.answers("login", key)),
		"finalizeAuthentication": json.RawMessage(v.answers("authentication", key)),
		"lookUp":                 named,
		"signUp":                 named,
		"validateSession":        map[string]string{"session_token": v.token()},
	}
}
