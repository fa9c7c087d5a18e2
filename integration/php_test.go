package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// seenByPHP is what testdata/php/index.php tells.
type seenByPHP struct {
	Greeting  string
	Assertion string
	Server    map[string]string
	Headers   map[string]string
	Cookies   any // a list if there are none
}

// startPHP runs the PHP app, and returns its address.
func startPHP(t *testing.T) string {
	t.Helper()
	testbed.Require(t, "php")
	address := fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))
	server := exec.CommandContext(t.Context(), "php", "-q", "-S", address, filepath.Join("testdata", "php", "index.php"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() }) // it is killed when the test's context ends
	testbed.Eventually(t, 30*time.Second, "php", func() bool {
		conn, err := net.Dial("tcp", address)
		return err == nil && conn.Close() == nil
	})
	return address
}

// phpDoor is a door in front of the PHP app.
func phpDoor(t *testing.T, box *mailtest.Mailbox) *testbed.Gateway {
	t.Helper()
	return testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(&testbed.App{Addr: startPHP(t)}, box, "")})
}

func TestPHPAppKnowsWhoIsThereAndBelievesNoForgery(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	g := phpDoor(t, box)
	c := testbed.NewClient(t, g.URL)
	ask := func(path string, header ...string) seenByPHP {
		t.Helper()
		a := c.Do("GET", path, "", header...)
		var seen seenByPHP
		if err := a.JSON(&seen); err != nil {
			t.Fatalf("%s: status %d: %v\n%s", path, a.Status, err, a.Body)
		}
		return seen
	}

	// On an open path nobody is anybody.
	stranger := ask("/healthz", "X-Proof", "1")
	if stranger.Greeting != "Hello, stranger" || stranger.Server["HTTP_X_PROOF"] != "1" {
		t.Errorf("on an open path PHP says %q to %v, want Hello, stranger", stranger.Greeting, stranger.Server)
	}
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	ann := ask("/")
	if ann.Greeting != "Hello, ann@example.com" || ann.Assertion == "" {
		t.Errorf("signed in, PHP says %q and has the assertion %q, want Hello, ann@example.com and one", ann.Greeting, ann.Assertion)
	}
	if cookies, ok := ann.Cookies.([]any); !ok || len(cookies) > 0 {
		t.Errorf("PHP has the cookies %v, want none", ann.Cookies)
	}

	for _, name := range identityNames {
		for few := range slices.Chunk(spellings(name), 60) {
			var forged []string
			for _, spelt := range few {
				forged = append(forged, spelt, "mallory")
			}
			for path, want := range map[string]string{"/": ann.Greeting, "/healthz": stranger.Greeting} {
				seen := ask(path, forged...)
				if seen.Greeting != want {
					t.Errorf("%s with forged %s: PHP says %q, want %q", path, name, seen.Greeting, want)
				}
				for variable, value := range seen.Server {
					if strings.Contains(value, "mallory") {
						t.Errorf("%s with forged %s: PHP has %s = %q", path, name, variable, value)
					}
				}
				for header, value := range seen.Headers {
					if strings.Contains(value, "mallory") {
						t.Errorf("%s with forged %s: PHP has the header %s: %q", path, name, header, value)
					}
				}
			}
		}
	}
}

// TestAppVerifiesItsAssertionWithAnotherLibrary is what documentation asks of an
// app that wants proof: only a true assertion, for this app, counts.
func TestAppVerifiesItsAssertionWithAnotherLibrary(t *testing.T) {
	testbed.Require(t, "node")
	box := mailtest.Start(t, mailtest.Options{})
	g := phpDoor(t, box)
	c := testbed.NewClient(t, g.URL)
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	if output, err := g.Run("users", "groups", "ann@example.com", "staff"); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	var seen seenByPHP
	if err := c.Do("GET", "/", "").JSON(&seen); err != nil {
		t.Fatal(err)
	}

	output, err := verify(t, g, seen.Assertion, g.URL+"/doorward", g.URL)
	if err != nil {
		t.Fatalf("the assertion that PHP was sent: %v\n%s", err, output)
	}
	var claims struct {
		Email  string   `json:"email"`
		Groups []string `json:"groups"`
		Exp    int64    `json:"exp"`
	}
	if err := json.Unmarshal(output, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Email != "ann@example.com" || !slices.Equal(claims.Groups, []string{"staff"}) {
		t.Errorf("the assertion is of %s in %v, want ann@example.com in [staff]", claims.Email, claims.Groups)
	}
	if left := time.Until(time.Unix(claims.Exp, 0)); left > 5*time.Minute || left < time.Minute {
		t.Errorf("the assertion is good for another %v, want five minutes at most and more than one", left)
	}

	for _, wrong := range []struct {
		what, token, issuer, audience, code string
	}{
		{"one changed byte of the payload", changeByte(seen.Assertion, 1), g.URL + "/doorward", g.URL, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"},
		{"one changed byte of the signature", changeByte(seen.Assertion, 2), g.URL + "/doorward", g.URL, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"},
		{"the audience of another app", seen.Assertion, g.URL + "/doorward", "https://other.example.com", "ERR_JWT_CLAIM_VALIDATION_FAILED"},
		{"another issuer", seen.Assertion, "https://other.example.com/doorward", g.URL, "ERR_JWT_CLAIM_VALIDATION_FAILED"},
		{"the session token instead", c.Cookie("doorward"), g.URL + "/doorward", g.URL, "ERR_JWT_CLAIM_VALIDATION_FAILED"},
	} {
		output, err := verify(t, g, wrong.token, wrong.issuer, wrong.audience)
		if err == nil || !strings.HasPrefix(string(output), wrong.code) {
			t.Errorf("%s: %v, %s; want it refused with %s", wrong.what, err, output, wrong.code)
		}
	}
}

// verify runs npm/verify.mjs.
func verify(t *testing.T, g *testbed.Gateway, token, issuer, audience string) ([]byte, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "node", "verify.mjs", token, g.URL+"/doorward/.well-known/jwks.json", issuer, audience)
	command.Dir = "npm"
	return command.CombinedOutput()
}

// changeByte changes a byte in the middle of one part of a JWT for another letter
// of base64.
func changeByte(token string, part int) string {
	parts := strings.Split(token, ".")
	changed := []byte(parts[part])
	at := len(changed) / 2
	if changed[at] == 'A' {
		changed[at] = 'B'
	} else {
		changed[at] = 'A'
	}
	parts[part] = string(changed)
	return strings.Join(parts, ".")
}
