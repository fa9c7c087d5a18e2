// Package mobile does what docs/mobile.md says: it runs the gateway that the page
// configures and, one after the other, the calls that the page shows, and compares
// what they answer with what the page says they do.
package mobile

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
)

// A page is what docs/mobile.md has in it for somebody to try.
type page struct {
	text      string
	caddyfile string
	calls     []call

	// Who the app is to Android, and to Apple's systems.
	androidPackage, fingerprint, appID string
}

// A call is a command, and what the page says that it prints.
type call struct {
	line    int
	command string
	answer  string // empty: not shown
	json    bool
}

var (
	fence      = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")
	androidApp = regexp.MustCompile(`(?m)^\s*android (\S+) (\S+)$`)
	appleApp   = regexp.MustCompile(`(?m)^\s*ios (\S+)$`)
	errorRow   = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\d{3}) \\|")
	problemRow = regexp.MustCompile("(?m)^\\| <a id=\"([a-z_]+)\"></a>`[a-z_]+` \\| ([0-9, ]+) \\|")
)

// readPage reads the page.
func readPage(t *testing.T) page {
	t.Helper()
	p := page{text: document(t, "mobile.md")}
	for _, at := range fence.FindAllStringSubmatchIndex(p.text, -1) {
		language, body := p.text[at[2]:at[3]], p.text[at[4]:at[5]]
		line := strings.Count(p.text[:at[4]], "\n") + 1
		switch language {
		case "caddyfile":
			p.caddyfile += body
		case "sh":
			p.calls = append(p.calls, call{line: line, command: body})
		case "json", "text":
			if len(p.calls) == 0 || p.calls[len(p.calls)-1].answer != "" {
				t.Fatalf("docs/mobile.md:%d: the answer of no command", line)
			}
			last := &p.calls[len(p.calls)-1]
			last.answer, last.json = body, language == "json"
		case "kotlin", "swift":
			t.Logf("NOT RUN: docs/mobile.md:%d, which is %s and for a phone", line, language)
		default:
			t.Fatalf("docs/mobile.md:%d: who runs %s?", line, language)
		}
	}
	android, apple := androidApp.FindStringSubmatch(p.caddyfile), appleApp.FindStringSubmatch(p.caddyfile)
	if android == nil || apple == nil || len(p.calls) == 0 {
		t.Fatal("docs/mobile.md has no apps in its configuration, or no commands")
	}
	p.androidPackage, p.fingerprint, p.appID = android[1], android[2], apple[1]
	return p
}

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testbed.Root(), "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// An app that is told to look out for an error which never comes is told nothing.
func TestErrorsThatAppsLookOutForAreThere(t *testing.T) {
	known := make(map[string]string)
	for _, row := range problemRow.FindAllStringSubmatch(document(t, "problems.md"), -1) {
		known[row[1]] = row[2]
	}
	rows := errorRow.FindAllStringSubmatch(readPage(t).text, -1)
	if len(rows) < 10 {
		t.Fatalf("docs/mobile.md lists %d errors, want the ones that an app meets", len(rows))
	}
	for _, row := range rows {
		if !strings.Contains(known[row[1]], row[2]) {
			t.Errorf("docs/mobile.md says that %s is %s, docs/problems.md says %q", row[1], row[2], known[row[1]])
		}
	}
}
