package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
	"github.com/doorward/doorward/store/storetest"
)

// onRedis is what a Caddyfile says to keep what expires in Redis, and to ask it
// soon after it has answered.
func onRedis(redis *storetest.Redis) string {
	return "store " + redis.URL() + `
		secret 5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo
		session {
			check_interval 100ms
		}`
}

func TestNobodyPassesOrIsSignedOutWhileRedisIsAway(t *testing.T) {
	for _, away := range []struct {
		how       string
		stop, end func(*storetest.Redis)
	}{
		{"stopped", (*storetest.Redis).Stop, (*storetest.Redis).Restart},
		{"silent", (*storetest.Redis).Pause, (*storetest.Redis).Resume},
	} {
		t.Run(away.how, func(t *testing.T) {
			redis := storetest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
			app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
			g := testbed.Start(t, testbed.Options{Caddyfile: caddyfileOf(app, box, onRedis(redis))})
			c := testbed.NewClient(t, g.URL)
			if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
				t.Fatal(err)
			}
			session := c.Cookie("doorward")

			away.stop(redis)
			var page testbed.Answer
			waitFor(t, "the gateway to notice that Redis is "+away.how, func() bool {
				app.Forget()
				page = c.Navigate("/wiki")
				return page.Status != http.StatusOK
			})
			if n := len(app.Requests()); n != 0 {
				t.Errorf("%d requests reached the app together with status %d", n, page.Status)
			}
			checkAway(t, "a page", page)
			checkAway(t, "a request of a script", c.Do("GET", "/api", "", "Sec-Fetch-Mode", "cors"))
			checkAway(t, "asking for a passcode", c.Submit("/doorward/login", "email", "ben@example.com", "return", "/"))
			checkAway(t, "signing out", c.Do("POST", "/doorward/logout", ""))
			checkAway(t, "the readiness check", c.Do("GET", "/doorward/health/ready", ""))
			if got := c.Cookie("doorward"); got != session {
				t.Errorf("the browser's session cookie is %q, want it kept", got)
			}
			if n := len(app.Requests()); n != 0 {
				t.Errorf("%d requests reached the app while Redis was away", n)
			}

			// What needs no store goes on.
			stranger := testbed.NewClient(t, g.URL)
			for path, want := range map[string]int{
				"/healthz": http.StatusOK, "/doorward/.well-known/jwks.json": http.StatusOK,
				"/doorward/health/alive": http.StatusOK, "/doorward/login": http.StatusOK, "/wiki": http.StatusUnauthorized,
			} {
				if a := stranger.Do("GET", path, ""); a.Status != want {
					t.Errorf("%s while Redis is away: status %d, want %d", path, a.Status, want)
				}
			}

			away.end(redis)
			waitFor(t, "the gateway to be back in service", func() bool { return c.Navigate("/wiki").Status == http.StatusOK })
			app.Forget()
			c.Navigate("/wiki")
			checkIdentity(t, app.Requests()[0].Header, "ann@example.com")
			if _, err := testbed.NewClient(t, g.URL).SignIn(box, "carol@example.com", "/"); err != nil {
				t.Errorf("signing in afterwards: %v", err)
			}
		})
	}
}

// checkAway checks that an answer asks to come back later, and takes no cookie.
func checkAway(t *testing.T, what string, a testbed.Answer) {
	t.Helper()
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || a.Header["Set-Cookie"] != nil {
		t.Errorf("%s: status %d, Retry-After %q, Set-Cookie %q; want 503, some seconds, none",
			what, a.Status, a.Header.Get("Retry-After"), a.Header["Set-Cookie"])
	}
}

// A Redis that comes back empty has forgotten who was signed in: that costs a
// sign-in, and no account.
func TestEmptyRedisCostsASignInAndNoAccount(t *testing.T) {
	redis := storetest.StartRedis(t)
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	g := testbed.Start(t, testbed.Options{Caddyfile: caddyfileOf(app, box, onRedis(redis))})
	c := testbed.NewClient(t, g.URL)
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	if output, err := g.Run("users", "groups", "ann@example.com", "staff"); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	redis.Restart()
	waitFor(t, "the gateway to find Redis empty", func() bool { return c.Navigate("/").Status == http.StatusSeeOther })
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	app.Forget()
	c.Navigate("/")
	if got := app.Requests()[0].Header.Get("Remote-Groups"); got != "staff" {
		t.Errorf("signed in again: Remote-Groups = %q, want staff as before", got)
	}
}

// Two gateways that share a Redis, a secret and a directory serve one site, each
// at an address of its own, as behind a balancer.
func TestSessionEndedOnOneNodeIsDeadOnTheOther(t *testing.T) {
	redis := storetest.StartRedis(t)
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	shared, port := t.TempDir(), testbed.FreePort(t)
	node := func(address string) *program {
		configuration := caddyfileOf(app, box, "store "+redis.URL()+`
		directory embedded:`+shared+`/directory.db
		secret 5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo
		session {
			check_interval 1m
		}`)
		g := testbed.Start(t, testbed.Options{Port: port, Caddyfile: strings.Replace(configuration,
			"http://localhost:$PORT {", "http://localhost:$PORT {\n\tbind "+address, 1)})
		p := newProgram(t, g.URL, "")
		p.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("%s:%d", address, port))
		}
		return p
	}
	here, there := node("127.0.0.1"), node("127.0.0.2")

	// A ceremony begun here ends there, and the session that it begins is one here.
	begun, err := here.begin(t.Context(), box, "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	token, err := there.finish(begun)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*program{here, there} {
		if err := p.is("ann@example.com", token); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := here.send("POST", "/doorward/passcode/login/finalize", "", begun); err != nil || a.status != http.StatusUnauthorized {
		t.Errorf("a passcode used on the other node: status %d, %v; want 401", a.status, err)
	}

	// Both have checked the session, and would not ask for it for another minute.
	if _, err := here.want(http.StatusNoContent, "POST", "/doorward/logout", token, nil); err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	waitFor(t, "the other node to be told", func() bool {
		a, err := there.send("GET", "/", token, nil)
		return err == nil && a.status == http.StatusUnauthorized
	})
	if took := time.Since(ended); took > time.Second {
		t.Errorf("the session was dead on the other node after %v, want 1s at most", took)
	}
}
