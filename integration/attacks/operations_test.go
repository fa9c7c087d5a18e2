package attacks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

const separateSecret = "separate separate separate separate"

// apart is a house on a Redis, whose configuration tests change.
var apart = sync.OnceValues(func() (*House, *storetest.Redis) {
	redis := storetest.StartRedis(&ever)
	return Build(&ever, Plan{Doorward: "secret \"" + separateSecret + "\"\n\t\tstore " + redis.URL() + " {\n\t\t\tprefix first:\n\t\t}"}), redis
})

// reconfigure replaces a text of the Caddyfile and has the gateway take it.
func (s *Scene) reconfigure(old, changed string) {
	s.T.Helper()
	file := filepath.Join(s.Gateway.Dir, "Caddyfile")
	content, err := os.ReadFile(file)
	if err != nil {
		s.T.Fatal(err)
	}
	if !strings.Contains(string(content), old) {
		s.T.Fatalf("the Caddyfile has no %q", old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(content), old, changed, 1)), 0o600); err != nil {
		s.T.Fatal(err)
	}
	if err := s.Gateway.Load(); err != nil {
		s.T.Fatal(err)
	}
}

// A client looks for the operators' API on a site; a page that an operator has open
// asks it, at the admin endpoint; somebody reads the configuration for secrets.
// GET /doorward/users at a site; Host: evil.test at the admin endpoint.
func TestT141OperatorsAPIIsAskedByOthers(t *testing.T) {
	house, _ := apart()
	s := house.Begin(t)
	alice := s.SignedIn("alice", "admins")
	for _, target := range []string{
		"/doorward/users", "/doorward/users/" + alice.ID + "/sessions", "/doorward/users/" + alice.ID + "/disable", "/doorward/keys", "/doorward/keys/rotate", "/doorward/keys/reseal",
		"/doorward/export", "/doorward/import", "/doorward/../doorward/users", "/doorward/%75sers",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			a := s.Send(A, s.Request(A, method, target, alice.Bearer, "Content-Type: application/json", "Content-Length: 0"))
			// POST /users is how people sign up; it wants an address.
			if a.Status/100 != 4 || strings.Contains(a.Body, alice.Address) {
				t.Errorf("%s %s at a site: %v", method, target, a)
			}
		}
	}
	for _, target := range []string{"/config/", "/load", "/stop", "/id/x", "/debug/pprof/", "/metrics"} {
		if a := s.Get(A, target, alice.Bearer); a.Status == http.StatusOK {
			if b := s.One(); b.Target != target { // it is the app's
				t.Errorf("%s at a site: %v", target, a)
			}
		}
	}
	s.Denied(s.Get(A, "/config/"))

	admin := func(fields ...string) int {
		t.Helper()
		conn, err := net.Dial("tcp", s.Gateway.AdminAddr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /doorward/users/%s/disable HTTP/1.1\r\n%s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", alice.ID, strings.Join(fields, "\r\n"))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode
	}
	for _, fields := range [][]string{
		{"Host: evil.test"}, {"Host: evil.test:" + s.Gateway.AdminAddr[strings.LastIndexByte(s.Gateway.AdminAddr, ':')+1:]}, {"Host: " + A},
		{"Host: " + s.Gateway.AdminAddr, "Origin: https://evil.test"}, {"Host: " + s.Gateway.AdminAddr, "Origin: null"}, {"Host: " + s.Gateway.AdminAddr, "Origin: " + s.Origin(A)},
		{"Host: " + s.Gateway.AdminAddr, "Sec-Fetch-Mode: no-cors", "Referer: https://evil.test/"},
	} {
		if status := admin(fields...); status/100 != 4 {
			t.Errorf("%q at the admin endpoint: status %d, want a refusal", fields, status)
		}
	}
	if a := s.Get(A, "/", alice.Bearer); a.Status != http.StatusOK {
		t.Errorf("alice was disabled by one of them: %v", a)
	}

	// An operator's secret stands in the configuration if they write it there, and only
	// then; keys of ours never do.
	config := string(s.Admin(t, "GET", "/config/", nil))
	for _, word := range []string{`"d":`, "PRIVATE KEY", "sealed"} {
		if strings.Contains(config, word) {
			t.Errorf("the configuration has %q", word)
		}
	}
}

// One configuration follows another: nothing of the first is taken for the second's.
// Sign in; reload with the prefix of another store; GET / with the session.
func TestT143ConfigurationsShareNothing(t *testing.T) {
	house, _ := apart()
	s := house.Begin(t)
	alice := s.SignedIn("alice")
	s.reconfigure("prefix first:", "prefix second:")
	s.Denied(s.Get(A, "/", alice.Bearer))
	s.Denied(s.Get(A, "/", alice.Cookie))
	bob := s.SignedIn("bob")
	if a := s.Get(A, "/", bob.Bearer); a.Status != http.StatusOK {
		t.Errorf("a session of the second: %v", a)
	}
	s.reconfigure("prefix second:", "prefix first:")
	s.Seen()
	s.Denied(s.Get(A, "/", bob.Bearer))
	if a := s.Get(A, "/", alice.Bearer); a.Status != http.StatusOK {
		t.Errorf("a session of the first, which is back: %v", a)
	}
}

// The configuration is loaded again and again while somebody signs in.
// 20 x reload, in the middle of a ceremony, with traffic.
func TestT142ReloadWhilePeopleSignIn(t *testing.T) {
	house, _ := apart()
	s := house.Begin(t)
	alice := s.SignedIn("alice")
	proof := s.Passcode(A, s.Person("bob").Address)
	challenge := s.Challenge(A, loginInitialize, struct{}{})
	s.AddPasskey(A, alice)
	s.Finalize(A, Proof{proof.ID, "000000"}) // one of three attempts
	for range 20 {
		if err := s.Gateway.Load(); err != nil {
			t.Fatal(err)
		}
		a := s.Get(A, "/", alice.Bearer)
		for tries := 0; a.Status == 0 && tries < 3; tries++ {
			a = s.Get(A, "/", alice.Bearer) // Caddy closed a connection that came as it changed servers
		}
		if a.Status != http.StatusOK {
			t.Fatalf("after a reload: %v", a)
		}
		s.One()
	}
	if a := s.Finalize(A, Proof{proof.ID, "000000"}); a.Status != http.StatusUnauthorized {
		t.Errorf("the second attempt: %v, want 401", a)
	}
	if a := s.Finalize(A, Proof{proof.ID, "000000"}); a.Status != http.StatusGone {
		t.Errorf("the third attempt: %v, want 410: a reload gives none back", a)
	}
	s.rejects("the right passcode after three wrong ones", s.Finalize(A, proof))
	if a := s.Post(A, loginFinalize, s.Assert(alice, challenge)); a.Status != http.StatusOK {
		t.Errorf("a challenge from before: %v", a)
	}
}

// Somebody misconfigures the gateway: it never starts open.
// doorward validate.
func TestT144MistakesOfTheConfigurationAreRefused(t *testing.T) {
	s := Begin(t)
	global := func(body string) string {
		return "{\n\tdoorward {\n\t\t" + body + "\n\t}\n}\nhttps://app.example.test {\n\ttls internal\n\tdoorward\n}\n"
	}
	for name, tt := range map[string]struct{ file, want string }{
		"a typo":                   {global("sesion {\n\t\t}"), "Caddyfile:3"},
		"a typo at a site":         {"https://app.example.test {\n\tdoorward {\n\t\talow *@example.test\n\t}\n}\n", "Caddyfile:3"},
		"no TLS":                   {"http://app.example.test {\n\tdoorward\n}\n", "without TLS"},
		"a short secret":           {global("secret 12345678"), "secret"},
		"a secret that is not set": {global("secret {env.DOORWARD_NO_SUCH_VARIABLE}"), "DOORWARD_NO_SUCH_VARIABLE"},
		"a bypass of everything":   {"https://app.example.test {\n\tdoorward {\n\t\tbypass /*\n\t}\n}\n", "bypass"},
		"the app before the door":  {"https://app.example.test {\n\troute {\n\t\treverse_proxy 127.0.0.1:1\n\t\tdoorward\n\t}\n}\n", "reverse_proxy"},
		"a budget that is none":    {global("limits {\n\t\t\ttries 0 1h\n\t\t}"), "Caddyfile:4"},
	} {
		file := filepath.Join(t.TempDir(), "Caddyfile")
		if err := os.WriteFile(file, []byte(tt.file), 0o600); err != nil {
			t.Fatal(err)
		}
		output, err := s.Gateway.Command("validate", "--config", file).CombinedOutput()
		if err == nil || !strings.Contains(string(output), tt.want) {
			t.Errorf("%s: %v, want an error that says %q:\n%.600s", name, err, tt.want, output)
		}
	}
}

// An operator sends requests round the door, with routes that exclude each other: the
// configuration is theirs to write, and the log says so at the start.
// handle /open/* { reverse_proxy } beside handle { doorward; reverse_proxy }.
func TestT145AppOutsideTheDoorIsTold(t *testing.T) {
	h := Build(t, Plan{Sites: `
https://app.example.test:$PORT {
	tls internal
	handle /open/* {
		reverse_proxy $RAW
	}
	handle {
		reverse_proxy $RAW
		doorward
	}
}
`})
	s := h.Begin(t)
	if log := s.Gateway.Log(); !strings.Contains(log, `"level":"warn"`) || !strings.Contains(log, "/open/*") {
		t.Errorf("the log does not say what is open: %.2000s", log)
	}
	s.Denied(s.Get(A, "/")) // doorward comes first, wherever it stands in a handle
	s.Denied(s.Get(A, "/opening"))
}

// Somebody else on the machine reads the secret, or it is too short to be one.
// A start with a secret file of mode 0644, of 8 bytes, of none.
func TestT154SecretIsPoor(t *testing.T) {
	const long = "a secret of more than thirty-two bytes"
	for name, tt := range map[string]struct {
		content string
		mode    os.FileMode
		starts  bool
	}{
		"readable by all":   {long, 0o644, false},
		"readable by group": {long, 0o640, false},
		"short":             {"12345678", 0o600, false},
		"empty":             {"", 0o600, false},
		"spaces":            {strings.Repeat(" ", 64), 0o600, false},
		"as it should be":   {long, 0o600, true},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "data", "caddy", "doorward", "secret")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(tt.content), tt.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, tt.mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
		g := testbed.Prepare(t, testbed.Options{Dir: dir, Port: testbed.FreePort(t), Caddyfile: "http://localhost:$PORT {\n\tdoorward\n}\n"})
		if err := g.Start(); (err == nil) != tt.starts {
			t.Errorf("%s: %v, want that it starts: %v", name, err, tt.starts)
		}
		if strings.Contains(g.Log(), "12345678") {
			t.Errorf("%s: the secret is in the log", name)
		}
		g.Stop()
	}
}
