package integration

import (
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// TestExampleRunsAsItIs does what scripts/demo does, and what it tells people to
// do next.
func TestExampleRunsAsItIs(t *testing.T) {
	demo := fmt.Sprintf("localhost:%d", testbed.FreePort(t))
	app := exec.CommandContext(t.Context(), testbed.Build(t, "./cmd/demo"), "-listen", demo)
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Wait() }) // it is killed when the test's context ends
	testbed.Eventually(t, 30*time.Second, "the demo app", func() bool {
		conn, err := net.Dial("tcp", demo)
		return err == nil && conn.Close() == nil
	})

	port := testbed.FreePort(t)
	g := testbed.Start(t, testbed.Options{
		File: filepath.Join(testbed.Root(), "Caddyfile.example"), Port: port,
		Env: []string{fmt.Sprintf("PORT=%d", port), "APP=" + demo},
	})
	c := testbed.NewClient(t, g.URL)
	c.Submit("/doorward/login", "email", "ann@example.com", "return", "/")
	var passcode string
	testbed.Eventually(t, 30*time.Second, "the letter in the log", func() bool {
		passcode = passcodeInLog(g.Log())
		return passcode != ""
	})
	in := c.Submit("/doorward/login/passcode", "passcode", passcode, "return", "/")
	if in.Status != http.StatusSeeOther || in.Header.Get("Location") != "/" {
		t.Fatalf("signing in: status %d to %q, want 303 to /\n%s", in.Status, in.Header.Get("Location"), in.Body)
	}
	page := c.Navigate("/")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "<h1>Hello, ann@example.com</h1>") {
		t.Errorf("the demo app: status %d\n%s\nwant it to greet ann@example.com", page.Status, page.Body)
	}
	if !strings.Contains(html.UnescapeString(page.Body), `"typ": "doorward-assertion+jwt"`) {
		t.Errorf("the demo app shows no assertion:\n%s", page.Body)
	}
	if strings.Contains(page.Body, c.Cookie("doorward")) {
		t.Error("the demo app was shown the session token")
	}
}

var sixDigits = regexp.MustCompile(`\b[0-9]{6}\b`)

// passcodeInLog returns the passcode of the letter to Ann in a log.
func passcodeInLog(log string) string {
	for line := range strings.Lines(log) {
		var entry struct{ Msg, To, Text string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "letter" && entry.To == "ann@example.com" {
			return sixDigits.FindString(entry.Text)
		}
	}
	return ""
}
