package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

var (
	shown    = regexp.MustCompile("(?ms)^```sh\n(.*?)^```\n\n```text\n(.*?)^```$")
	testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
)

func securityPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testbed.Root(), "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What docs/security.md has an operator type prints what it says there.
func TestOperatorProvesTheDoorOnTheirOwnSite(t *testing.T) {
	testbed.Require(t, "curl")
	_, page, _ := strings.Cut(securityPage(t), "\n## Prove it")
	files := fence.FindAllStringSubmatch(page, -1)
	commands := shown.FindAllStringSubmatch(page, -1)
	if len(files) != 2 || len(commands) < 5 || strings.Count(page, "```sh") != len(commands) {
		t.Fatalf("docs/security.md has %d Caddyfiles and %d commands that say what they print", len(files), len(commands))
	}
	box := mailtest.Start(t, mailtest.Options{})

	port := fmt.Sprint(testbed.FreePort(t))
	file := write(t, "echo.Caddyfile", strings.ReplaceAll(files[0][1], "9099", port))
	run := testbed.Prepare(t, testbed.Options{File: file}).Command("run", "--config", file)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
	})

	site := strings.NewReplacer(
		"app.example.com {", "https://app.example.com:$PORT {\n\ttls internal",
		"9099", port,
	).Replace(files[1][1])
	g := testbed.Start(t, testbed.Options{Caddyfile: `{
	doorward {
		mail ` + box.URL() + ` {
			from "Doorward <door@example.com>"
		}
		relying_party app.example.com {
			origins https://app.example.com
		}
	}
}
` + site})

	// curl finds the site where the test has it.
	home := t.TempDir()
	curlrc := fmt.Sprintf("insecure\nconnect-to = \"app.example.com:443:127.0.0.1:%d\"\n", g.Port)
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte(curlrc), 0o600); err != nil {
		t.Fatal(err)
	}
	enter := func(command, input string) string {
		shell := exec.CommandContext(t.Context(), "bash", "-c", command)
		shell.Env = append(os.Environ(), "HOME="+home, "CURL_HOME="+home)
		shell.Stdin = strings.NewReader(input)
		output, _ := shell.Output() // grep -c that finds nothing is an error to the shell
		return string(output)
	}
	testbed.Eventually(t, 30*time.Second, "the site and its echo", func() bool {
		return enter("curl -s https://app.example.com/proof/open -H 'X-Other: forged'", "") != ""
	})

	begun := enter(`curl -s https://app.example.com/doorward/passcode/login/initialize -H 'Content-Type: application/json' -d '{"email": "ann@example.com"}'`, "")
	letter, err := box.For(t.Context(), "ann@example.com")
	if err != nil {
		t.Fatalf("%v: %s", err, begun)
	}
	id := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(begun)
	in := enter(fmt.Sprintf(`curl -si https://app.example.com/doorward/passcode/login/finalize -H 'Content-Type: application/json' -d '{"id": "%s", "code": "%s"}'`, id[1], letter.Passcode()), "")
	session := regexp.MustCompile(`__Host-doorward=([^;]+)`).FindStringSubmatch(in)
	if session == nil {
		t.Fatalf("not signed in: %s", in)
	}
	for _, c := range commands {
		if got := enter(c[1], session[1]+"\n"); got != c[2] {
			t.Errorf("%s\nprints:\n%s\nand docs/security.md says:\n%s", c[1], got, c[2])
		}
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A promise is worth the test that holds it: each that docs/security.md names is
// there.
func TestTestsThatAreSaidToHoldAPromiseExist(t *testing.T) {
	names := testName.FindAllString(securityPage(t), -1)
	if len(names) < 20 {
		t.Fatalf("docs/security.md names %d tests, want many", len(names))
	}
	var all strings.Builder
	err := filepath.WalkDir(testbed.Root(), func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		all.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(all.String(), "func "+name+"(") {
			t.Errorf("docs/security.md names %s, which is no test", name)
		}
	}
}
