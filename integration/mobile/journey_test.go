package mobile

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// A stage is the gateway of the page, under the names that it has there.
type stage struct {
	*testbed.Gateway
	app *testbed.App
	box *mailtest.Mailbox

	authority string // the path of the certificate that vouches for its sites
	client    *http.Client
}

// startStage starts the gateway as somebody has it who did what the page says, with
// their own mail server and app. Its ports and certificates are the test's.
func startStage(t *testing.T, p page) *stage {
	t.Helper()
	s := &stage{app: testbed.StartApp(t), box: mailtest.Start(t, mailtest.Options{})}
	configuration := p.caddyfile
	for _, change := range [][2]string{
		{"smtp://{env.SMTP_USER}:{env.SMTP_PASSWORD}@mail.example.com:587", s.box.URL()},
		{"localhost:8080", s.app.Addr},
		{"{\n\tdoorward {\n\t\tmail", "{\n\thttps_port $PORT\n\tauto_https disable_redirects\n\tlocal_certs\n\tdefault_bind 127.0.0.1\n\tdoorward {\n\t\tmail"},
	} {
		if n := strings.Count(configuration, change[0]); n != 1 {
			t.Fatalf("%q stands in the configuration %d times, want once:\n%s", change[0], n, configuration)
		}
		configuration = strings.Replace(configuration, change[0], change[1], 1)
	}
	s.Gateway = testbed.Start(t, testbed.Options{Caddyfile: configuration})
	s.authority = filepath.Join(s.Dir, "data", "caddy", "pki", "authorities", "local", "root.crt")
	testbed.Eventually(t, time.Minute, "the certificates of all sites", s.hasCertificates)
	return s
}

// connect reaches the gateway, whatever host is asked for.
func (s *stage) connect(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", s.Port))
}

func (s *stage) hasCertificates() bool {
	pem, err := os.ReadFile(s.authority)
	if err != nil {
		return false
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{DialContext: s.connect, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	s.client = &http.Client{Transport: transport, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	for _, host := range []string{"auth.example.com", "app.example.com", "example.com"} {
		response, err := s.client.Get("https://" + host + "/.well-known/assetlinks.json")
		if err != nil {
			return false
		}
		response.Body.Close()
	}
	return true
}

// get fetches a file as the systems of phones do: without an account, and without
// going where it is said to be instead.
func (s *stage) get(url string, v any) error {
	response, err := s.client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "application/json" {
		return fmt.Errorf("%s: status %d and %s", url, response.StatusCode, kind)
	}
	return json.NewDecoder(response.Body).Decode(v)
}

// run runs the page's commands in one shell, and returns what each of them printed.
// Where they read, they are given the passcode that ann has been sent.
func (s *stage) run(t *testing.T, calls []call, phoneURL string) []string {
	t.Helper()
	testbed.Require(t, "bash", "curl", "jq")
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	script := "set -euo pipefail\n"
	for i, c := range calls {
		script += fmt.Sprintf("echo docs/mobile.md:%d >&2\n{\n%s} >output.%d\n", c.line, c.command, i)
	}
	write("script", script, 0o600)
	write(".curlrc", fmt.Sprintf("connect-to = \"::127.0.0.1:%d\"\ncacert = %q\n", s.Port, s.authority), 0o600)
	write("passkey", "#!/bin/sh\nexec curl -q -sS --fail-with-body --data-binary @- "+phoneURL+"/$1\n", 0o700)
	if err := os.Symlink(testbed.Binary(t), filepath.Join(dir, "doorward")); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, "bash", "script")
	command.Dir, command.Stderr = dir, &stderr
	command.Env = append(os.Environ(), "CURL_HOME="+dir, "HOME="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
	typed, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		letter, err := s.box.For(ctx, "ann@example.com")
		if err == nil {
			_, err = io.WriteString(typed, letter.Passcode()+"\n")
		}
		sent <- err
	}()
	if err := command.Run(); err != nil {
		t.Fatalf("running the commands: %v\n%s", err, &stderr)
	}
	if err := <-sent; err != nil {
		t.Fatalf("the first letter and its passcode: %v", err)
	}
	printed := make([]string, len(calls))
	for i := range calls {
		output, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("output.%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		printed[i] = string(output)
	}
	return printed
}

func TestDocumentedCallsDoWhatThePageSays(t *testing.T) {
	p := readPage(t)
	for kind, newPhone := range map[string]func(page, fetch) *phone{"Android": androidPhone, "iOS": applePhone} {
		t.Run(kind, func(t *testing.T) {
			s := startStage(t, p)
			printed := s.run(t, p.calls, newPhone(p, s.get).serve(t))
			same := newShape()
			for i, c := range p.calls {
				if c.answer == "" {
					continue
				}
				ofThePhone := strings.Contains(c.command, "| passkey ")
				for _, difference := range same.differences(c.answer, printed[i], c.json, ofThePhone) {
					t.Errorf("docs/mobile.md:%d: %s", c.line, difference)
				}
				if t.Failed() {
					t.Logf("docs/mobile.md:%d printed\n%s", c.line, printed[i])
				}
			}
			s.checkApp(t, same)
		})
	}
}

// checkApp checks what the server behind the door was told: of the one request that
// the door let through, and not of the one after the session had ended.
func (s *stage) checkApp(t *testing.T, same *shape) {
	t.Helper()
	requests := s.app.Requests()
	if len(requests) != 1 {
		t.Fatalf("%d requests reached the app, want 1: %v", len(requests), requests)
	}
	seen := requests[0]
	if got := seen.Header.Get("Remote-User"); got != "ann@example.com" || seen.URI != "/orders" {
		t.Errorf("the app was asked for %s by %q, want /orders by ann@example.com", seen.URI, got)
	}
	if got := seen.Header.Get("Authorization"); got != "" {
		t.Error("the app was given the session token")
	}
	claims, err := testbed.Claims(seen.Header.Get("X-Auth-Token"))
	if err != nil {
		t.Fatalf("the app's assertion: %v", err)
	}
	if got, want := fmt.Sprint(claims["iss"], claims["aud"]), "https://app.example.com/doorward[https://app.example.com]"; got != want {
		t.Errorf("the issuer and the audience of the app's assertion are %s, want %s", got, want)
	}
	if _, known := same.here[fmt.Sprint(claims["sub"])]; !known {
		t.Errorf("the assertion is about %v, whom the page does not know", claims["sub"])
	}
}
