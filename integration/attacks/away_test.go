package attacks

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// A backed house has its expiring state in a Redis of its own, which tests may
// break, and small budgets. A check of a session is good for a moment only.
type backed struct {
	*House
	redis *storetest.Redis
}

// begun is how many ceremonies of each kind one network may begin at a backed
// house.
const begun = 12

var onRedis = sync.OnceValue(func() backed {
	redis := storetest.StartRedis(&ever, "--appendonly", "yes", "--appendfsync", "always")
	return backed{redis: redis, House: Build(&ever, Plan{Doorward: fmt.Sprintf(`
		secret 5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo
		store %s
		session {
			check_interval 100ms
		}
		limits {
			passcodes      %[2]d 1h
			passkey_logins %[2]d 1h
			signups        %[2]d 1h
		}`, redis.URL(), begun)})}
})

// away checks that an answer says that the state cannot be asked, and that nobody
// is signed out by it.
func (s *Scene) away(what string, a Answer) {
	s.T.Helper()
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || len(a.Cookies) > 0 || a.Header.Get("Location") != "" {
		s.T.Errorf("%s: %v, want 503 with Retry-After and no cookies", what, a)
	}
}

// Redis is stopped, paused, read-only or full, or hangs up, while people use the
// app: GET / with a session. integration/faults does so at length, under traffic.
func TestT57StoreIsAway(t *testing.T) {
	h := onRedis()
	for _, fault := range []struct {
		how        string
		reads      bool
		begin, end func(r *storetest.Redis)
	}{
		{"stopped", false, (*storetest.Redis).Stop, (*storetest.Redis).Restart},
		{"paused", false, (*storetest.Redis).Pause, (*storetest.Redis).Resume},
		{"forbidden", false, func(r *storetest.Redis) { r.Must("acl", "setuser", "default", "-@all", "+acl") }, func(r *storetest.Redis) {
			r.Must("acl", "setuser", "default", "+@all")
		}},
		{"read-only", true, func(r *storetest.Redis) {
			r.Must("replicaof", "127.0.0.1", fmt.Sprint(testbed.FreePort(t)))
		}, func(r *storetest.Redis) { r.Must("replicaof", "no", "one") }},
		{"full", true, func(r *storetest.Redis) {
			r.Must("config", "set", "maxmemory", "1", "maxmemory-policy", "noeviction")
		}, func(r *storetest.Redis) { r.Must("config", "set", "maxmemory", "0") }},
	} {
		t.Run(fault.how, func(t *testing.T) {
			s := h.Begin(t)
			s.Fails = true
			alice := s.SignedIn("alice")
			proof := s.Passcode(A, s.Person("bob").Address)
			fault.begin(h.redis)
			a := s.Get(A, "/wiki", alice.Cookie)
			if fault.reads {
				if got := s.One().Values("Remote-User"); a.Status != http.StatusOK || len(got) != 1 || got[0] != alice.Address {
					t.Errorf("what can be read: %v, from %q", a, got)
				}
			} else {
				s.Eventually("the last check to be good no more", func() bool {
					a = s.Get(A, "/wiki", alice.Cookie)
					return a.Status != http.StatusOK
				})
				s.Seen()
				s.away("a request of a program", a)
				s.away("a page", s.Get(A, "/admin/", append(Page, alice.Cookie)...))
				s.away("an endpoint", s.Get(A, "/doorward/me", alice.Bearer))
			}
			s.away("a passcode asked for", s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"email": alice.Address}))
			if a := s.Finalize(A, proof); a.Status != http.StatusServiceUnavailable || a.Cookie("__Host-doorward") != "" {
				t.Errorf("a right passcode: %v", a)
			}
			for _, field := range []string{"X-No: cookie", "Cookie: __Host-doorward=garbage", "Authorization: Bearer " + flip(alice.Token, len(alice.Token)-20)} {
				s.Denied(s.Get(A, "/wiki", field)) // there is nothing to look up
			}
			if a := s.Get(A, "/healthz"); a.Status != http.StatusOK { // open as ever
				t.Errorf("an open path: %v", a)
			}
			s.One()
			// Nobody is told that they are signed out who is not: what is full can be
			// removed from.
			wants := http.StatusOK
			if a := s.Form(A, "/doorward/logout", "", alice.Cookie); a.Status == http.StatusSeeOther {
				wants = http.StatusUnauthorized
			} else {
				s.away("signing out", a)
			}
			fault.end(h.redis)
			s.Eventually("the store to be back", func() bool {
				a := s.Get(A, "/wiki", alice.Cookie)
				if a.Status != wants && a.Status != http.StatusServiceUnavailable {
					t.Fatalf("alice afterwards: %v, want status %d", a, wants)
				}
				return a.Status == wants
			})
			s.Eventually("people to be able to sign in", func() bool {
				return s.Post(A, "/doorward/webauthn/login/initialize", struct{}{}).Status == http.StatusOK
			})
		})
	}
	t.Run("hangs up", storeHangsUp)
}

// storeHangsUp kills the connections to Redis between requests and during them.
func storeHangsUp(t *testing.T) {
	h := onRedis()
	s := h.Begin(t)
	s.Fails = true
	alice := s.SignedIn("alice")
	passed := 0
	for range 20 {
		_, _ = h.redis.Do("client", "kill", "type", "normal")
		_, _ = h.redis.Do("client", "kill", "type", "pubsub")
		switch a := s.Get(A, "/wiki", alice.Cookie); a.Status {
		case http.StatusOK:
			passed++
		case http.StatusServiceUnavailable:
			s.away("with no connection", a)
		default:
			t.Errorf("with no connection: %v", a)
		}
	}
	if got := len(s.Seen()); got != passed {
		t.Errorf("%d requests reached the app, and %d were answered with 200", got, passed)
	}
	s.Eventually("the store to be back", func() bool { return s.Get(A, "/wiki", alice.Cookie).Status == http.StatusOK })
}

// Ceremonies are begun without end, by somebody who finishes none: POST
// /doorward/passcode/login/initialize, and each of the others.
func TestT71CeremoniesAreBegunWithoutEnd(t *testing.T) {
	h := onRedis()
	s := h.Begin(t)
	alice, bob := s.SignedIn("alice"), s.Person("bob")
	keys := func() []any { return h.redis.Must("keys", "*").([]any) }
	before := len(keys())
	asks := map[string]func(i int) Answer{
		"a passcode": func(i int) Answer {
			return s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"email": fmt.Sprintf("flood%d.%s@example.test", i, s.name)})
		},
		"a passcode by the page": func(i int) Answer {
			return s.Form(A, "/doorward/login", url.Values{"email": {fmt.Sprintf("page%d.%s@example.test", i, s.name)}}.Encode())
		},
		"a passkey": func(int) Answer { return s.Post(A, "/doorward/webauthn/login/initialize", struct{}{}) },
		"a sign-up": func(i int) Answer {
			return s.Post(A, "/doorward/users", map[string]string{"email": fmt.Sprintf("up%d.%s@example.test", i, s.name)})
		},
		"garbage": func(int) Answer {
			return s.Post(A, "/doorward/passcode/login/initialize", map[string]string{"email": "nobody"})
		},
		"a made-up session": func(i int) Answer { return s.Get(A, "/wiki", fmt.Sprintf("Cookie: __Host-doorward=%d.%d.%d", i, i, i)) },
		"a made-up passcode": func(i int) Answer {
			return s.Finalize(A, Proof{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Code: "000000"})
		},
		"a page": func(i int) Answer { return s.Get(A, fmt.Sprintf("/wiki/%d", i), Page...) },
	}
	for what, ask := range asks {
		s.Elsewhere()
		refused := 0
		for i := range 2 * begun {
			a := ask(i)
			if a.Status == http.StatusTooManyRequests {
				refused++
				if a.Header.Get("Retry-After") == "" {
					t.Errorf("%s: refused without a time: %v", what, a)
				}
			} else if a.Status >= 500 {
				t.Errorf("%s: %v", what, a)
			}
		}
		// What keeps nothing needs no budget.
		if kept := strings.HasPrefix(what, "a pass") || what == "a sign-up"; kept && refused != begun {
			t.Errorf("%s: of %d, %d were refused, want %d", what, 2*begun, refused, begun)
		}
	}
	if grown := len(keys()) - before; grown > 20*begun {
		t.Errorf("the store has %d keys more", grown)
	}
	for _, key := range keys() {
		if left, _ := h.redis.Must("ttl", key.(string)).(int64); left < 0 && left != -2 {
			t.Errorf("the key %.60q never expires", key)
		}
	}
	// In the very network of the flood, whoever is signed in goes on; and from
	// elsewhere people sign in.
	if a := s.Get(A, "/wiki", alice.Cookie); a.Status != http.StatusOK {
		t.Errorf("somebody who is signed in: %v", a)
	}
	s.Elsewhere()
	s.SignIn(A, bob)
	if a := s.Get(A, "/wiki", bob.Cookie); a.Status != http.StatusOK {
		t.Errorf("somebody who signs in now: %v", a)
	}
}
