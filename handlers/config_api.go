package handlers

import (
	"net/http"
	"strconv"
	"time"

	"github.com/doorward/doorward/session"
)

// minPasswordLength is read by Hanko's web components also where there are no
// passwords.
const minPasswordLength = 8

// config tells clients of the Hanko API what there is: no passwords, no other
// providers, and addresses that have to be proved.
//
// Where strangers may not look addresses up, clients have to go the way of a
// sign-up with everybody, since they cannot tell who has an account. It leads
// those who have one in, so that it is open also where nobody can make one.
func (h *Handlers) config(w http.ResponseWriter, r *request) error {
	type passwords struct {
		Enabled   bool `json:"enabled"`
		MinLength int  `json:"min_password_length"`
	}
	type emails struct {
		Verified bool `json:"require_verification"`
		Max      int  `json:"max_num_of_addresses"`
	}
	type accounts struct {
		SignUp   bool `json:"allow_signup"`
		Deletion bool `json:"allow_deletion"`
	}
	signUp := !h.o.Accounts.Closed() || !h.o.Accounts.LooksUp()
	return answer(w, struct {
		Password   passwords `json:"password"`
		Emails     emails    `json:"emails"`
		Providers  []string  `json:"providers"`
		Account    accounts  `json:"account"`
		Enterprise bool      `json:"use_enterprise"`
	}{
		Password:  passwords{MinLength: minPasswordLength},
		Emails:    emails{true, h.o.Accounts.MaxAddresses()},
		Providers: []string{}, // not null
		Account:   accounts{signUp, h.o.MayDelete},
	})
}

// jwks publishes the keys that verify our tokens (RFC 7517). It is the one
// answer that anybody may keep, and may read from anywhere.
func (h *Handlers) jwks(w http.ResponseWriter, r *request) error {
	header := w.Header()
	header.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(session.JWKSMaxAge/time.Second)))
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Set("Content-Type", "application/json")
	_, _ = w.Write(h.o.Keys.JWKS()) // a client that hung up needs no answer
	return nil
}

func (h *Handlers) alive(w http.ResponseWriter, r *request) error {
	return answer(w, map[string]bool{"alive": true})
}

// ready says whether people can sign in now.
func (h *Handlers) ready(w http.ResponseWriter, r *request) error {
	if err := h.o.Sessions.Ping(r.Context()); err != nil {
		return err
	}
	if err := h.o.Directory.Ping(r.Context()); err != nil {
		return err
	}
	return answer(w, map[string]bool{"ready": true})
}
