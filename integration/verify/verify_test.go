package verify

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// A site is a gateway with the programs behind it, each below a path of its name,
// and an echo elsewhere, whose visitor ann is signed in.
type site struct {
	*testbed.Gateway
	box   *mailtest.Mailbox
	ann   *testbed.Client
	ports map[string]int // of the programs
}

func startSite(t *testing.T, algorithm string, programs map[string]string) site {
	t.Helper()
	s := site{box: mailtest.Start(t, mailtest.Options{}), ports: make(map[string]int)}
	port := testbed.FreePort(t)
	url := fmt.Sprintf("http://localhost:%d", port)
	var routes strings.Builder
	for _, l := range languages {
		if !l.runs() || l.omits == algorithm {
			continue
		}
		s.ports[l.name] = testbed.FreePort(t)
		l.run(t, programs[l.name], url, algorithm, s.ports[l.name])
		fmt.Fprintf(&routes, "\treverse_proxy /%s 127.0.0.1:%d\n", l.name, s.ports[l.name])
	}
	caddyfile := testbed.Caddyfile(testbed.StartApp(t), s.box, "session {\n\t\t\talgorithm "+algorithm+"\n\t\t}")
	caddyfile = strings.Replace(caddyfile, "\treverse_proxy", routes.String()+"\treverse_proxy", 1)
	s.Gateway = testbed.Start(t, testbed.Options{Caddyfile: caddyfile, Port: port})
	s.ann = s.signIn(t)
	return s
}

func (s site) signIn(t *testing.T) *testbed.Client {
	t.Helper()
	c := testbed.NewClient(t, s.URL)
	if _, err := c.SignIn(s.box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	return c
}

// assertion returns what the gateway tells an app about c.
func assertion(t *testing.T, c *testbed.Client) string {
	t.Helper()
	var seen testbed.Seen
	if err := c.Do("GET", "/", "").JSON(&seen); err != nil {
		t.Fatal(err)
	}
	return seen.Header.Get("X-Auth-Token")
}

// around sends a token to the app at port, where the gateway does not see it.
func around(t *testing.T, port int, token string) testbed.Answer {
	t.Helper()
	request, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/", port), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Auth-Token", token)
	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return testbed.Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)}
}

// wantClaims checks that an app answered with the claims of an assertion.
func wantClaims(t *testing.T, what string, got testbed.Answer, assertion string) {
	t.Helper()
	want, err := testbed.Claims(assertion)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if got.Status != http.StatusOK || got.JSON(&claims) != nil {
		t.Errorf("%s: got status %d and %q, want the claims", what, got.Status, got.Body)
		return
	}
	for _, name := range []string{"sub", "email", "email_verified", "groups", "sid", "iss"} {
		if g, w := asJSON(t, claims[name]), asJSON(t, want[name]); g != w || want[name] == nil {
			t.Errorf("%s: got %s = %s, want %s", what, name, g, w)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDocumentedProgramsLetInWhomTheGatewayLetsIn(t *testing.T) {
	programs := documented(t)
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, algorithm, programs)
			good := assertion(t, s.ann)
			key := signingKey(t, s.Gateway)
			parts := strings.Split(good, ".")
			again := signed(t, key, jwa.SignatureAlgorithm(algorithm), changed(t, parts[0], nil), changed(t, parts[1], nil))
			bad := forgeries(t, key, good, s.ann.Cookie("doorward"), s.URL)
			for name, port := range s.ports {
				t.Run(name, func(t *testing.T) {
					wantClaims(t, "through the gateway", s.ann.Do("GET", "/"+name, ""), good)
					wantClaims(t, "the same, sent around it", around(t, port, good), good)
					// What is changed below, unchanged: one thing is wrong with each of those.
					wantClaims(t, "signed by the test", around(t, port, again), good)
					for _, f := range bad {
						if got := around(t, port, f.token); got.Status != http.StatusUnauthorized {
							t.Errorf("%s: got status %d and %q, want 401", f.name, got.Status, got.Body)
						}
					}
					wantClaims(t, "after all of them", around(t, port, good), good)
				})
			}
		})
	}
}

// A key that signs at once is one that no app can have heard of.
func TestDocumentedProgramsHearOfANewKey(t *testing.T) {
	s := startSite(t, "ES256", documented(t))
	good := assertion(t, s.ann)
	for name, port := range s.ports {
		wantClaims(t, name+" with the old key", around(t, port, good), good)
	}
	if output, err := s.Run("keys", "rotate", "--now"); err != nil {
		t.Fatalf("rotating the keys: %v\n%s", err, output)
	}
	newer := assertion(t, s.signIn(t))
	if strings.Split(newer, ".")[0] == strings.Split(good, ".")[0] {
		t.Fatal("the new session's assertion is signed with the old key")
	}
	for name, port := range s.ports {
		took := testbed.Eventually(t, time.Minute, name+" to accept the new key", func() bool {
			return around(t, port, newer).Status == http.StatusOK
		})
		t.Logf("%s accepts the new key after %v", name, took.Round(time.Second))
		wantClaims(t, name+" with the new key", around(t, port, newer), newer)
		wantClaims(t, name+" with the old key", around(t, port, good), good)
	}
}

func TestDocumentedProgramsLetNobodyInWithoutKeys(t *testing.T) {
	programs := documented(t)
	s := startSite(t, "ES256", programs)
	good := assertion(t, s.ann)
	nobody := fmt.Sprintf("http://localhost:%d", testbed.FreePort(t))
	for name := range s.ports {
		l := languages[slices.IndexFunc(languages, func(l language) bool { return l.name == name })]
		port := testbed.FreePort(t)
		l.run(t, programs[name], nobody, "ES256", port)
		if got := around(t, port, good); got.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: got status %d and %q, want 503", name, got.Status, got.Body)
		}
	}
}

// What cannot be run is not passed over in silence.
func TestEveryDocumentedProgramIsRunOrNamed(t *testing.T) {
	programs := documented(t)
	var known []string
	for _, l := range languages {
		known = append(known, l.name)
		if programs[l.name] == "" {
			t.Errorf("docs/verify.md has no program in %s", l.name)
			continue
		}
		if l.runs() {
			continue
		}
		t.Logf("NOT RUN: the program in %s, since %s does not say where its libraries are", l.name, l.needs)
		path := filepath.Join(t.TempDir(), l.file)
		if err := os.WriteFile(path, []byte(programs[l.name]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkSyntax[l.name](t, path); err != nil {
			t.Errorf("the program in %s: %v", l.name, err)
		}
	}
	for name := range programs {
		if !slices.Contains(known, name) {
			t.Errorf("docs/verify.md has a program in %s, which is not run", name)
		}
	}
	if got := slices.Sorted(maps.Keys(checkSyntax)); !slices.Equal(got, []string{"java", "php"}) {
		t.Errorf("syntax is checked of %v, want of java and php: the others are run", got)
	}
}

// checkSyntax says what is wrong with a program as far as can be told without its
// libraries.
var checkSyntax = map[string]func(t *testing.T, path string) error{
	"php": func(t *testing.T, path string) error {
		testbed.Require(t, "php")
		if output, err := exec.Command("php", "-l", path).CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, output)
		}
		return nil
	},
	"java": func(t *testing.T, path string) error {
		if _, err := exec.LookPath("javac"); err != nil {
			t.Log("NOT CHECKED: the syntax of the program in java, since there is no javac")
			return nil
		}
		// The compiler looks for names only after it has understood the syntax.
		output, err := exec.Command("javac", "-d", t.TempDir(), path).CombinedOutput()
		for _, line := range javaErrors.FindAllString(string(output), -1) {
			if !strings.HasSuffix(line, "does not exist") && !strings.HasSuffix(line, "cannot find symbol") {
				return fmt.Errorf("%w\n%s", err, line)
			}
		}
		if !strings.Contains(string(output), "package com.nimbusds.jose does not exist") {
			return fmt.Errorf("javac said something else: %w\n%s", err, output)
		}
		return nil
	},
}

var javaErrors = regexp.MustCompile(`(?m)^.*: error: .*$`)
