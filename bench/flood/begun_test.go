package flood

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// longest is how long anything is kept of what strangers begin: until the hour of
// a budget ends, or an ID that was promised is forgotten.
const longest = time.Hour

// What strangers begin has to be kept for a while, and they may have any number of
// networks. What bounds it is how much each request leaves, and for how long.
func TestWhatStrangersBeginIsSmallAndExpires(t *testing.T) {
	for name, flood := range map[string]struct {
		request func(n *node, i int) *http.Request
		status  int
		slow    int  // times that it takes of the others' time
		most    left // by each request
	}{
		"passkey logins": {func(n *node, i int) *http.Request {
			return n.post("/doorward/webauthn/login/initialize", "", "X-Forwarded-For", network(i))
		}, http.StatusOK, 1, left{1024, 2}},
		"passcodes": {(*node).passcode, http.StatusOK, 1, left{1536, 4}},
		"guesses":   {(*node).guess, http.StatusUnauthorized, 4, left{3584, 11}},
		"lookups": {func(n *node, i int) *http.Request {
			return n.post("/doorward/user", fmt.Sprintf(`{"email":%q}`, outsider(i)), "X-Forwarded-For", network(i))
		}, http.StatusNotFound, 1, left{384, 1}},
		"sign-ups": {func(n *node, i int) *http.Request {
			return n.post("/doorward/users", fmt.Sprintf(`{"email":"new%d@example.com"}`, i), "X-Forwarded-For", network(i))
		}, http.StatusOK, 1, left{2048, 4}},
		"made-up ceremonies": {func(n *node, i int) *http.Request {
			return n.post("/doorward/passcode/login/finalize",
				fmt.Sprintf(`{"id":"00000000-0000-4000-8000-%012x","code":"123456"}`, i), "X-Forwarded-For", network(i))
		}, http.StatusUnauthorized, 1, left{}},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, "api {\n signup open\n account_lookup on\n}", func(t *testing.T, n *node) {
				looks := n.flood(*requests/flood.slow, func(i int) *http.Request { return flood.request(n, i) }, flood.status)
				holdsNoMore(t, looks)
				keeps(t, looks, flood.most)
				if n.redis == nil {
					return
				}
				if key, lives := n.longest(); lives > longest {
					t.Errorf("%s is kept for %v, want %v at most", key, lives, longest)
				}
			})
		})
	}
}

// Whoever has one network comes to the end of its budget, and leaves nothing from
// then on.
func TestOneNetworkCannotFillTheStore(t *testing.T) {
	const budget = 100
	limits := fmt.Sprintf("limits {\n passkey_logins %d 24h\n passcodes %d 24h\n}", budget, budget)
	for name, request := range map[string]func(n *node, i int) *http.Request{
		"passkey logins": func(n *node, i int) *http.Request {
			return n.post("/doorward/webauthn/login/initialize", "", "X-Forwarded-For", "203.0.113.7")
		},
		"passcodes": func(n *node, i int) *http.Request {
			return n.post("/doorward/passcode/login/initialize", fmt.Sprintf(`{"email":%q}`, outsider(i)),
				"X-Forwarded-For", fmt.Sprintf("2001:db8::%x", 1+i)) // all of one /64
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, limits, func(t *testing.T, n *node) {
				n.send(0, budget, func(i int) *http.Request { return request(n, i) }, http.StatusOK)
				looks := n.flood(*requests, func(i int) *http.Request { return request(n, budget+i) }, http.StatusTooManyRequests)
				holdsNoMore(t, looks)
				keepsNothing(t, looks)
			})
		})
	}
}

// outsider returns the address of somebody who may not sign in, to whom no letter
// is sent.
func outsider(i int) string { return fmt.Sprintf("user%d@elsewhere.test", i) }

// passcode returns a request for a passcode.
func (n *node) passcode(i int) *http.Request {
	return n.post("/doorward/passcode/login/initialize", fmt.Sprintf(`{"email":%q}`, outsider(i)), "X-Forwarded-For", network(i))
}

// guess returns a request with a passcode that is wrong, for a ceremony that it
// begins.
func (n *node) guess(i int) *http.Request {
	response, err := http.DefaultClient.Do(n.passcode(i))
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	var begun struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&begun); err != nil {
		panic(err)
	}
	return n.post("/doorward/passcode/login/finalize", fmt.Sprintf(`{"id":%q,"code":"000000"}`, begun.ID), "X-Forwarded-For", network(i))
}
