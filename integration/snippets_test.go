package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/doorward/doorward/integration/testbed"
)

// A snippet is a configuration that the documentation shows.
type snippet struct {
	where string // file:line
	text  string
}

var fence = regexp.MustCompile("(?m)^```caddyfile\n((?s).*?)^```$")

// documented returns every Caddyfile in the documentation. Each is whole: a
// reader can copy it and go on from there.
func documented(t *testing.T) []snippet {
	t.Helper()
	files := []string{filepath.Join(testbed.Root(), "README.md")}
	guides, err := filepath.Glob(filepath.Join(testbed.Root(), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all []snippet
	for _, file := range append(files, guides...) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range fence.FindAllSubmatchIndex(content, -1) {
			line := strings.Count(string(content[:at[2]]), "\n") + 1
			all = append(all, snippet{fmt.Sprintf("%s:%d", filepath.Base(file), line), string(content[at[2]:at[3]])})
		}
	}
	example, err := os.ReadFile(filepath.Join(testbed.Root(), "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	return append(all, snippet{"Caddyfile.example", string(example)})
}

var (
	fromEnvironment = regexp.MustCompile(`\{(?:env\.|\$)([A-Z_]+)`)
	fromFile        = regexp.MustCompile(`\{file\.[^}]+\}`)
)

func TestEveryDocumentedCaddyfileIsValidAndFormatted(t *testing.T) {
	snippets := documented(t)
	if len(snippets) < 2 {
		t.Fatalf("%d snippets in the documentation, want some", len(snippets))
	}
	for _, s := range snippets {
		t.Run(s.where, func(t *testing.T) {
			// What stands for a secret of the operator's is one.
			const secret = "5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo"
			secretFile := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(secretFile, []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "Caddyfile")
			if err := os.WriteFile(file, []byte(fromFile.ReplaceAllLiteralString(s.text, "{file."+secretFile+"}")), 0o600); err != nil {
				t.Fatal(err)
			}
			var env []string
			for _, name := range fromEnvironment.FindAllStringSubmatch(s.text, -1) {
				switch name[1] {
				case "PORT": // have defaults
				case "APP":
				default:
					env = append(env, name[1]+"="+secret)
				}
			}
			g := testbed.Prepare(t, testbed.Options{File: file, Env: env})
			// To validate is to adapt, and to provision what that makes.
			if output, err := g.Command("validate", "--config", file, "--adapter", "caddyfile").CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, s.text, output)
			}
			if formatted := string(caddyfile.Format([]byte(s.text))); formatted != s.text {
				t.Errorf("not formatted:\n%s\nwant:\n%s", s.text, formatted)
			}
		})
	}
}
