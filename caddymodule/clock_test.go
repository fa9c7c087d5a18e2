package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store/storetest"
)

// clockVariable names the environment variable that makes the test program a
// gateway whose clock is wrong: the path of a file that says by how much.
const clockVariable = "DOORWARD_TEST_CLOCK"

// runWithWrongClock is Caddy, with now as the file at path says.
func runWithWrongClock(path string) {
	now = func() time.Time {
		content, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		offset, err := time.ParseDuration(string(content))
		if err != nil {
			panic(err)
		}
		return turned(time.Now(), offset)
	}
	caddycmd.Main()
}

// turned returns t as a clock shows it that was set wrong by d, in whole seconds:
// the reading of the wall clock is another, that of the monotonic clock the same.
// Package time has no way to say so; Add moves both. In a Time with both readings
// the first word has the seconds of the wall clock from bit 30 on.
func turned(t time.Time, d time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall += uint64(d/time.Second) << 30
	return t
}

func TestATurnedClockLeavesTheMonotonicOneAlone(t *testing.T) {
	right := time.Now()
	for _, d := range []time.Duration{0, time.Second, -time.Second, time.Hour, -3 * time.Hour} {
		wrong := turned(right, d)
		if got := wrong.Round(0).Sub(right.Round(0)); got != d {
			t.Errorf("turned by %v: the wall clock shows %v more", d, got)
		}
		if got := wrong.Sub(right); got != 0 {
			t.Errorf("turned by %v: the monotonic clock shows %v more", d, got)
		}
	}
}

// A wrongClock is that of a gateway process.
type wrongClock struct{ path string }

// set turns it to so much more than what is right.
func (c wrongClock) set(t *testing.T, offset time.Duration) {
	t.Helper()
	written := c.path + ".new"
	if err := os.WriteFile(written, []byte(offset.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(written, c.path); err != nil {
		t.Fatal(err)
	}
}

// clocked is a site on nodes with clocks of their own.
type clocked struct {
	box    *mailtest.Mailbox
	nodes  []*testbed.Program
	clocks []wrongClock
}

// startClocked starts a node for each offset of a clock.
func startClocked(t *testing.T, option string, offsets ...time.Duration) *clocked {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	app := testbed.StartApp(t)
	s := &clocked{box: mailtest.Start(t, mailtest.Options{})}
	port := testbed.FreePort(t)
	for i, offset := range offsets {
		clock := wrongClock{filepath.Join(t.TempDir(), "clock")}
		clock.set(t, offset)
		g := testbed.Start(t, testbed.Options{
			Binary: program, Env: []string{clockVariable + "=" + clock.path},
			Port: port, Host: fmt.Sprintf("127.0.0.%d", i+1),
			Caddyfile: testbed.Caddyfile(app, s.box, option),
		})
		s.nodes = append(s.nodes, testbed.NewProgram(t, g, ""))
		s.clocks = append(s.clocks, clock)
	}
	return s
}

// sharedBy returns what several nodes have in common in their configuration.
func sharedBy(t *testing.T, redis *storetest.Redis) string {
	return "secret " + strings.Repeat("clock", 8) + "\nstore " + redis.URL() + "\ndirectory embedded:" + t.TempDir() + "/directory.db\n"
}

// refused waits until a session is refused, which may take check_interval.
func refused(t *testing.T, p *testbed.Program, token, when string) {
	t.Helper()
	testbed.Eventually(t, 5*time.Second, "the session to be refused "+when, func() bool {
		a, err := p.Send("GET", "/", token, nil)
		return err == nil && a.Status == http.StatusUnauthorized
	})
}

func TestSignInBegunOnOneNodeIsFinishedOnAnotherWithAnotherClock(t *testing.T) {
	s := startClocked(t, sharedBy(t, storetest.StartRedis(t)), 0, 90*time.Second)
	for i, here := range s.nodes {
		there, address := s.nodes[1-i], fmt.Sprintf("ann%d@example.com", i)
		begun, err := here.Begin(t.Context(), s.box, address)
		if err != nil {
			t.Fatal(err)
		}
		token, err := there.Finish(begun)
		if err != nil {
			t.Fatalf("a passcode of node %d, sent to the other: %v", i, err)
		}
		for _, p := range s.nodes {
			if err := p.Is(address, token); err != nil {
				t.Errorf("the session: %v", err)
			}
		}
		// The other node finds the sign-in recent enough for a passkey.
		key, err := here.AddPasskey(token)
		if err != nil {
			t.Fatalf("adding a passkey on node %d: %v", i, err)
		}
		assertion, err := here.Challenge(key)
		if err != nil {
			t.Fatal(err)
		}
		a, err := there.FinalizePasskey(assertion)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("a challenge of node %d, sent to the other: status %d, %v: %s", i, a.Status, err, a.Body)
		}
		for _, p := range s.nodes {
			if err := p.Is(address, a.Session()); err != nil {
				t.Errorf("the session: %v", err)
			}
		}
		if _, err := here.Want(http.StatusNoContent, "POST", "/doorward/logout", token, nil); err != nil {
			t.Fatal(err)
		}
		refused(t, there, token, "after signing out on the other node")
	}
}

// Clocks further apart than the leeway cost people sign-ins. What they never do
// is to let somebody pass.
func TestSessionFromTheFarFutureIsRefusedUntilItComes(t *testing.T) {
	const apart = session.Leeway + time.Minute
	s := startClocked(t, sharedBy(t, storetest.StartRedis(t)), 0, apart)
	right, ahead := s.nodes[0], s.nodes[1]
	token, err := ahead.SignIn(t.Context(), s.box, "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := ahead.Is("ann@example.com", token); err != nil {
		t.Error(err)
	}
	if _, err := right.Want(http.StatusUnauthorized, "GET", "/", token, nil); err != nil {
		t.Errorf("a session that begins in %v: %v", apart, err)
	}
	s.clocks[0].set(t, apart-session.Leeway/2)
	if err := right.Is("ann@example.com", token); err != nil {
		t.Errorf("the same session, when it begins in %v: %v", session.Leeway/2, err)
	}
}

// TestNobodyIsImmortalWhenTheClockIsSetBack sets the clock of a node an hour back
// and an hour forward. What was begun before ends at most an hour later than
// promised: when the clock shows again what was promised, or when Redis, which
// has a clock of its own, forgets it.
func TestNobodyIsImmortalWhenTheClockIsSetBack(t *testing.T) {
	const lifetime = 3 * time.Hour
	limits := `
		session {
			lifetime 3h
			idle 3h
			check_interval 100ms
		}`
	t.Run("embedded", func(t *testing.T) {
		jump(t, startClocked(t, limits, -2*time.Hour), func(*testing.T) {})
	})
	t.Run("Redis", func(t *testing.T) {
		redis := storetest.StartRedis(t)
		jump(t, startClocked(t, sharedBy(t, redis)+limits, -2*time.Hour), func(t *testing.T) {
			for pattern, limit := range map[string]time.Duration{
				"doorward:key:session/*": lifetime, "doorward:key:passcode/*": 10 * time.Minute, "doorward:key:passkey/*": 5 * time.Minute,
			} {
				keys, _ := redis.Must("keys", pattern).([]any)
				if len(keys) == 0 {
					t.Errorf("Redis has no key like %s: that proves nothing", pattern)
				}
				for _, key := range keys {
					left := time.Duration(redis.Must("pttl", key.(string)).(int64)) * time.Millisecond
					if left < 0 || left > limit {
						t.Errorf("Redis keeps %s for %v, want %v at most", pattern, left, limit)
					}
				}
			}
		})
	})
}

// jump is a day in the life of a node whose clock shows two hours less than it
// should. checkStore looks at what the store has when the clock was set back.
func jump(t *testing.T, s *clocked, checkStore func(*testing.T)) {
	p, clock := s.nodes[0], s.clocks[0]
	ann, err := p.SignIn(t.Context(), s.box, "ann@example.com") // until 1:00
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.AddPasskey(ann)
	if err != nil {
		t.Fatal(err)
	}

	clock.set(t, 0)
	if err := p.Is("ann@example.com", ann); err != nil {
		t.Errorf("after two hours of three: %v", err)
	}
	passcode, err := p.Begin(t.Context(), s.box, "ben@example.com") // until 0:05
	if err != nil {
		t.Fatal(err)
	}
	var assertion json.RawMessage // until 0:05
	if assertion, err = p.Challenge(key); err != nil {
		t.Fatal(err)
	}

	clock.set(t, -time.Hour)
	if err := p.Is("ann@example.com", ann); err != nil {
		t.Errorf("an hour back: %v", err)
	}
	dora, err := p.SignIn(t.Context(), s.box, "dora@example.com") // until 2:00
	if err != nil {
		t.Fatalf("signing in with a passcode, an hour back: %v", err)
	}
	if _, err := p.SignInWith(key); err != nil {
		t.Errorf("signing in with a passkey, an hour back: %v", err)
	}
	checkStore(t)

	clock.set(t, 6*time.Minute)
	if a, err := p.Finalize(passcode); err != nil || a.Status != http.StatusRequestTimeout {
		t.Errorf("a passcode that was good until a minute ago: status %d, %v; want 408", a.Status, err)
	}
	if a, err := p.FinalizePasskey(assertion); err != nil || a.Status != http.StatusUnauthorized {
		t.Errorf("a challenge that was good until a minute ago: status %d, %v; want 401", a.Status, err)
	}

	clock.set(t, time.Hour+time.Minute)
	refused(t, p, ann, "when its time is over")
	if err := p.Is("dora@example.com", dora); err != nil {
		t.Errorf("after two hours of three: %v", err)
	}
	if _, err := p.SignIn(t.Context(), s.box, "ann@example.com"); err != nil {
		t.Errorf("signing in, an hour forward: %v", err)
	}

	clock.set(t, 2*time.Hour+time.Minute)
	refused(t, p, dora, "when its time is over")
	eve, err := p.SignIn(t.Context(), s.box, "eve@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Want(http.StatusNoContent, "POST", "/doorward/logout", eve, nil); err != nil {
		t.Fatal(err)
	}

	// What was ended stays ended. What time has ended may live again while the clock
	// shows that it is not over, and not a moment longer.
	clock.set(t, time.Hour+30*time.Minute)
	refused(t, p, ann, "when its time is over, again")
	if a, err := p.Send("GET", "/", eve, nil); err != nil || a.Status != http.StatusUnauthorized {
		t.Errorf("a session that was signed out, when the clock was set back: status %d, %v; want 401", a.Status, err)
	}
	clock.set(t, 2*time.Hour+time.Minute)
	refused(t, p, dora, "when its time is over, again")
}

// A clock that is an hour off keeps nobody from signing in. What it would do to
// the keys, all nodes would have to live with.
func TestGatewayWhoseClockIsWrongServesAndChangesNoKeys(t *testing.T) {
	var ahead atomic.Int64
	defer func(before func() time.Time) { now = before }(now)
	now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	err := load(t, "{"+quiet+"\n\tdoorward {\n\t\tdirectory "+directorytest.StartPostgres(t).URL()+
		"\n\t\tsecret "+strings.Repeat("clock", 8)+"\n\t}\n}\n"+base+" {\n\tdoorward\n\trespond ok\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	keys := listedKeys(t, running(t).core.keys)
	for i, off := range []time.Duration{time.Hour, -time.Hour, 0} {
		ahead.Store(int64(off))
		token := signIn(t, running(t), fmt.Sprintf("user%d@example.com", i), base)
		if got := send(t, client(t), "GET", base+"/", "", "Authorization", "Bearer "+token); got.status != http.StatusOK {
			t.Errorf("off by %v: status %d: %s", off, got.status, got.body)
		}
		_, err := running(t).operator().rotateKeys(t.Context(), true)
		if off == 0 {
			if err != nil || len(listedKeys(t, running(t).core.keys)) != 2 {
				t.Errorf("put right: %v, want a second key", err)
			}
			break
		}
		if !errors.Is(err, directory.ErrClock) {
			t.Errorf("off by %v: rotating: %v, want %v", off, err, directory.ErrClock)
		}
		if got := listedKeys(t, running(t).core.keys); !slices.Equal(got, keys) {
			t.Errorf("off by %v: keys %+v, want %+v as before", off, got, keys)
		}
	}
	if err := load(t, "{"+quiet+"}\n"); err != nil {
		t.Fatal(err)
	}
}
