package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// A redisFault is a way in which Redis fails.
type redisFault struct {
	how        string
	reads      bool // Redis can be read still, so that sessions can be checked
	writes     bool // it can be written to, too
	begin, end func(t *testing.T, r *storetest.Redis)
}

var redisFaults = []redisFault{
	{
		how:   "stopped",
		begin: func(_ *testing.T, r *storetest.Redis) { r.Stop() },
		end:   func(_ *testing.T, r *storetest.Redis) { r.Restart() },
	},
	{
		how:   "paused",
		begin: func(_ *testing.T, r *storetest.Redis) { r.Pause() },
		end:   func(_ *testing.T, r *storetest.Redis) { r.Resume() },
	},
	{
		how:   "loading",
		begin: beginLoading,
		end: func(t *testing.T, r *storetest.Redis) {
			testbed.Eventually(t, time.Minute, "Redis to have loaded", func() bool { _, err := r.Do("ping"); return err == nil })
		},
	},
	{
		how: "read-only", reads: true,
		begin: func(t *testing.T, r *storetest.Redis) {
			r.Must("replicaof", "127.0.0.1", fmt.Sprint(testbed.FreePort(t)))
		},
		end: func(t *testing.T, r *storetest.Redis) {
			r.Must("replicaof", "no", "one")
		},
	},
	{
		how: "full", reads: true,
		begin: func(t *testing.T, r *storetest.Redis) {
			r.Must("config", "set", "maxmemory", "1", "maxmemory-policy", "noeviction")
		},
		end: func(t *testing.T, r *storetest.Redis) {
			r.Must("config", "set", "maxmemory", "0")
		},
	},
	{
		// Slow, and never so slow that a command fails.
		how: "slow", reads: true, writes: true,
		begin: func(t *testing.T, r *storetest.Redis) {
			began := time.Now()
			go func() {
				for time.Since(began) < *outage {
					_, _ = r.Do("debug", "sleep", "0.2")
				}
			}()
		},
		end: func(t *testing.T, r *storetest.Redis) { r.Must("ping") },
	},
}

// checkedFor is how long a check of a session is good in these tests.
const checkedFor = 300 * time.Millisecond

// underWay is how long a request may take from its check to the app, on a machine
// that has more to do.
const underWay = time.Second

// TestRedisAwayIsA503AndSignsNobodyOut breaks Redis in all ways, one after the
// other, under one site on two nodes.
func TestRedisAwayIsA503AndSignsNobodyOut(t *testing.T) {
	server := storetest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always",
		"--enable-debug-command", "yes", "--rdbcompression", "no", "--loading-process-events-interval-bytes", "1024")
	s := startSite(t, 2, secrets+"store "+server.URL()+`
		directory embedded:`+t.TempDir()+`/directory.db
		session {
			check_interval `+checkedFor.String()+`
		}`)
	browser := testbed.NewClient(t, s.nodes[0].URL)
	if _, err := browser.SignIn(s.box, "browser@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	members := s.members(t, 4)
	s.startTraffic(t, "warm", members).run(time.Second)
	before := s.settled(t)
	for _, fault := range redisFaults {
		t.Run(fault.how, func(t *testing.T) {
			f := s.startTraffic(t, fault.how, members)
			testbed.Eventually(t, 20*time.Second, "a sign-up before the fault", func() bool { return f.signIns.count("finished 200") > 0 })
			fault.begin(t, server)
			fault.watch(t, f, members[0], browser)
			away := s.vitals()
			fault.end(t, server)
			back := s.checkBack(t, f, members[0])
			f.stop()
			fault.check(t, f)
			if a := browser.Navigate("/"); a.Status != http.StatusOK {
				t.Errorf("the browser afterwards: status %d, want 200", a.Status)
			}
			s.checkMembers(t, append(f.newcomers, members...))
			t.Logf("%v; back after %v; in the middle: %v", f, back, away)
		})
	}
	s.checkNoGrowth(t, before)
}

// watch looks at what visitors are told, and what reaches the app, until the
// outage is over.
func (fault redisFault) watch(t *testing.T, f *traffic, m member, browser *testbed.Client) {
	t.Helper()
	began := time.Now()
	<-time.After(checkedFor + underWay)
	if !fault.writes {
		checkNobodySignsIn(t, f.site.program(t, 0))
	}
	if !fault.reads {
		checkNobodyPasses(t, f.site.program(t, 0), m, browser)
	}
	f.site.app.Forget()
	served := f.visits.count("200")
	<-time.After(time.Until(began.Add(*outage)))
	reached := f.site.app.Requests()
	if !fault.reads {
		if got := f.visits.count("200") - served; len(reached) != 0 || got != 0 {
			t.Errorf("%d requests reached the app, and %d visits were answered with 200, while Redis was away", len(reached), got)
		}
		if f.visits.count("503") == 0 {
			t.Error("nobody was told to come back later")
		}
	}
	for _, seen := range reached {
		if seen.Header.Get("Remote-User") == "" {
			t.Errorf("%s %s reached the app, from nobody", seen.Method, seen.URI)
		}
	}
}

// checkBack waits until each node is in service again, with the sessions from
// before, and people sign up. It returns how long each node took.
func (s *site) checkBack(t *testing.T, f *traffic, m member) []time.Duration {
	t.Helper()
	mended, signedIn := time.Now(), f.signIns.count("finished 200")
	back := make([]time.Duration, len(s.nodes))
	for i := range s.nodes {
		p := s.program(t, i)
		testbed.Eventually(t, 10*time.Second, fmt.Sprintf("node %d to be back in service", i), func() bool {
			_, err := p.Want(http.StatusOK, "GET", "/doorward/health/ready", "", nil)
			return err == nil && p.Is(m.address, m.token) == nil
		})
		back[i] = time.Since(mended).Round(time.Millisecond)
	}
	testbed.Eventually(t, 10*time.Second, "a sign-up after the fault", func() bool { return f.signIns.count("finished 200") > signedIn })
	return back
}

// check looks at what traffic was told in all.
func (fault redisFault) check(t *testing.T, f *traffic) {
	t.Helper()
	if fault.writes && (f.visits.count("503") > 0 || strings.Contains(f.signIns.String(), "503")) {
		t.Errorf("%v, though Redis answered in time", f)
	}
	if slowest := time.Duration(f.slowest.Load()); slowest > 10*time.Second {
		t.Errorf("an answer took %v", slowest)
	}
}

// checkNobodySignsIn checks what people are told who begin to sign in.
func checkNobodySignsIn(t *testing.T, p *testbed.Program) {
	t.Helper()
	for _, path := range []string{"/doorward/passcode/login/initialize", "/doorward/webauthn/login/initialize"} {
		a, err := p.Send("POST", path, "", map[string]string{"email": "late@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkAway(path, a); err != nil {
			t.Error(err)
		}
	}
}

// checkNobodyPasses checks what is done for those whom nobody can check, and that
// what needs no check goes on.
func checkNobodyPasses(t *testing.T, p *testbed.Program, m member, browser *testbed.Client) {
	t.Helper()
	cookie := browser.Cookie("doorward")
	if err := checkAway("a page", browser.Navigate("/wiki")); err != nil {
		t.Error(err)
	}
	if got := browser.Cookie("doorward"); got != cookie {
		t.Errorf("the browser's session cookie is %q, want it kept", got)
	}
	for _, request := range []struct {
		method, path, token string
		status              int
	}{
		{"POST", "/doorward/logout", m.token, http.StatusServiceUnavailable},
		{"GET", "/doorward/me", m.token, http.StatusServiceUnavailable},
		{"GET", "/doorward/health/ready", "", http.StatusServiceUnavailable},
		{"GET", "/doorward/health/alive", "", http.StatusOK},
		{"GET", "/doorward/.well-known/jwks.json", "", http.StatusOK},
		{"GET", "/doorward/login", "", http.StatusOK},
		{"GET", "/healthz", "", http.StatusOK},
		{"GET", "/wiki", "", http.StatusUnauthorized},
		{"GET", "/wiki", m.token[:len(m.token)-8] + "AAAAAAAA", http.StatusUnauthorized},
	} {
		a, err := p.Want(request.status, request.method, request.path, request.token, nil)
		if err == nil && request.status == http.StatusServiceUnavailable {
			err = checkAway(request.path, a)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// beginLoading makes the server read its data again, slowly: it answers every
// command with LOADING meanwhile.
func beginLoading(t *testing.T, r *storetest.Redis) {
	const ballast = 1000
	r.Must("debug", "populate", fmt.Sprint(ballast), "ballast", "1024")
	r.Must("config", "set", "key-load-delay", fmt.Sprint(outage.Microseconds()*3/2/ballast))
	go func() { _, _ = r.Do("debug", "reload") }()
	testbed.Eventually(t, 10*time.Second, "Redis to be loading", func() bool {
		_, err := r.Do("ping")
		return err != nil && strings.HasPrefix(err.Error(), "LOADING")
	})
}
