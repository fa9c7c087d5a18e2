package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// newRedisRig is a rig whose store is a real Redis.
func newRedisRig(t *testing.T, s setup) (*rig, *storetest.Redis) {
	t.Helper()
	server := storetest.StartRedis(t)
	kept, err := store.NewRedis(store.RedisOptions{URL: server.URL(), Prefix: "t:"})
	must(t, err)
	s.store = kept
	return newRig(t, s), server
}

// keys returns all keys of a Redis, with how long each will be there.
func keys(t *testing.T, server *storetest.Redis) map[string]time.Duration {
	t.Helper()
	all := make(map[string]time.Duration)
	for _, key := range server.Must("keys", "*").([]any) {
		name := key.(string)
		all[name] = time.Duration(server.Must("pttl", name).(int64)) * time.Millisecond
	}
	return all
}

// T71: whoever has no account can make the store keep something, a little for each
// request that a budget lets through. All of it goes away by itself.
func TestWhatStrangersLeaveInTheStoreExpires(t *testing.T) {
	r, server := newRedisRig(t, setup{accounts: ceremony.AccountOptions{Lookup: true}})
	r.client().signIn("ann@example.com").submit("/doorward/logout")
	ann := r.user("ann@example.com")
	server.Must("flushall")
	const times = 5
	for i := range times {
		for _, address := range []string{"ann@example.com", fmt.Sprintf("new%d@example.com", i)} {
			c, body := r.client(), `{"email":"`+address+`"}`
			id, _ := c.initialize(address)
			c.finalize(id, "000000x")
			c.submit("/doorward/login", "email", address)
			c.submit("/doorward/login/passcode", "passcode", "x")
			c.submit("/doorward/login/passcode/again")
			c.call("POST", "/doorward/users", body)
			c.call("POST", "/doorward/user", body)
			c.call("POST", "/doorward/passcode/login/initialize", `{"user_id":"`+ann.ID+`"}`)
			c.fetch("POST", "/doorward/webauthn/login/initialize", "")
			c.call("POST", "/doorward/webauthn/login/initialize", `{"user_id":"`+ann.ID+`"}`)
			c.call("POST", "/doorward/webauthn/login/finalize", "{}")
			c.call("POST", "/doorward/webauthn/registration/initialize", "")
			c.call("POST", "/doorward/emails", `{"address":"ann@example.org"}`)
		}
	}
	all := keys(t, server)
	for key, ttl := range all {
		if ttl <= 0 || ttl > 7*24*time.Hour {
			t.Errorf("%s is there for %v, want an end within the longest budget", key, ttl)
		}
	}
	if len(all) < 10*times {
		t.Errorf("%d keys: the requests did not get as far as the store", len(all))
	}
}

// outlives are the keys under a user's ID that a stranger would miss, and know from
// it that the account is gone: what strangers have spent under the ID, and who they
// were promised that it is. Their time is over in an hour. Who a subject is, is kept
// for as long as a token of theirs could come back.
func outlives(key, id string) bool {
	for _, name := range []string{"budget/letters-as/", "budget/passcode-tries-as/", "promise/"} {
		if strings.Contains(key, name) {
			return true
		}
	}
	return strings.HasSuffix(key, "subject/"+id)
}

// T163: of a user who is gone nothing is kept that could be theirs again.
func TestDeletedUserLeavesNothingInTheStore(t *testing.T) {
	r, server := newRedisRig(t, setup{mayDelete: true, budgets: ceremony.Budgets{Letters: hourly(50)}})
	c := r.client().signIn("ann@example.com")
	a := newAuthenticator()
	c.addPasskey(a)
	ann := r.user("ann@example.com")
	token := c.cookies[r.cookie.Name]
	phone := r.client().signIn("ann@example.com")

	// Whatever there is to do with an account, by its owner and by strangers.
	c.fetch("POST", "/doorward/webauthn/login/initialize", "")
	phone.usePasskey(a)
	c.fetch("POST", "/doorward/webauthn/registration/initialize", "")
	added := c.fetch("POST", "/doorward/emails", `{"address":"ann@example.org"}`)
	r.wantStatus("adding an address", added, 200)
	var email struct{ ID string }
	added.decode(t, &email)
	c.fetch("POST", "/doorward/emails/"+ann.Emails[0].ID+"/set_primary", "")
	for _, who := range []*client{r.client(), phone} {
		id, _ := who.initialize("ann@example.com")
		who.finalize(id, "000000x")
		who.call("POST", "/doorward/passcode/login/initialize", `{"user_id":"`+ann.ID+`"}`)
	}
	phone.submit("/doorward/logout")
	known := r.client()
	known.cookies[r.known()] = c.cookies[r.known()]
	id, _ := known.initialize("ann@example.com")
	known.finalize(id, "000000x")
	known.fetch("POST", "/doorward/webauthn/login/initialize", "")

	named := func() (names []string) {
		for key := range keys(t, server) {
			if strings.Contains(key, ann.ID) || strings.Contains(key, email.ID) {
				names = append(names, key)
			}
		}
		return names
	}
	if before := named(); len(before) < 12 {
		t.Errorf("%d keys name Ann before, want those of sessions, budgets and the address that she adds: %q", len(before), before)
	}
	r.wantRedirect("delete", c.submit("/doorward/account/delete", "confirm", "1"), "/doorward/signed-out")
	for _, key := range named() {
		if !outlives(key, ann.ID) {
			t.Errorf("after the deletion: %s is left", key)
		}
	}
	thief := r.client()
	thief.cookies[r.cookie.Name] = token
	if thief.signedIn() {
		t.Error("the old token signs in")
	}
	if a := thief.usePasskey(a); a.status != 401 {
		t.Errorf("the old passkey: status %d, want 401", a.status)
	}
	if got, err := r.sessions.List(t.Context(), ann.ID); err != nil || len(got) != 0 {
		t.Errorf("sessions: %d, %v; want none", len(got), err)
	}
	value, err := r.store.Get(t.Context(), "subject/"+ann.ID)
	var left session.Identity
	if err == nil {
		err = json.Unmarshal(value, &left)
	}
	if want := (session.Identity{Subject: ann.ID, Disabled: true, At: left.At}); err != nil || fmt.Sprint(left) != fmt.Sprint(want) {
		t.Errorf("who Ann is, is kept as %+v, %v; want %+v", left, err, want)
	}
}
