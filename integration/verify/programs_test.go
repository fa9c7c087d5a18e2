// Package verify takes the programs out of docs/verify.md and runs them behind a
// gateway: they let in whom the gateway lets in, and nobody else.
package verify

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// A language is what a program of docs/verify.md is written in.
type language struct {
	name  string // in the fence around the program
	file  string // what the program is called
	omits string // an algorithm that its library does not have

	// needs says where the libraries are that the tests cannot install: the name
	// of an environment variable. Without it the program is not run.
	needs string

	// start returns the command that runs the program in dir.
	start func(t *testing.T, dir string, port int) *exec.Cmd
}

var languages = []language{
	{name: "go", file: "main.go", start: func(t *testing.T, dir string, _ int) *exec.Cmd {
		// Built in the repository, whose go.mod has the library.
		app := filepath.Join(dir, "app")
		build := exec.Command("go", "build", "-race", "-o", app, filepath.Join(dir, "main.go"))
		build.Dir = testbed.Root()
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building the program: %v\n%s", err, output)
		}
		return exec.Command(app)
	}},
	{name: "js", file: "app.mjs", start: func(t *testing.T, dir string, _ int) *exec.Cmd {
		testbed.Require(t, "node")
		link(t, filepath.Join(testbed.Root(), "integration", "npm", "node_modules"), filepath.Join(dir, "node_modules"))
		return exec.Command("node", "app.mjs")
	}},
	{name: "python", file: "app.py", start: func(t *testing.T, _ string, _ int) *exec.Cmd {
		// Debian's libraries are for Debian's Python, which may not be the first.
		for _, python := range []string{"python3", "/usr/bin/python3"} {
			if exec.Command(python, "-c", "import jwt, cryptography").Run() == nil {
				return exec.Command(python, "-B", "app.py")
			}
		}
		t.Fatal("no python3 with PyJWT and cryptography; ./scripts/test installs what the tests need")
		return nil
	}},
	{name: "php", file: "index.php", needs: "DOORWARD_TEST_PHP_VENDOR", start: func(t *testing.T, dir string, port int) *exec.Cmd {
		testbed.Require(t, "php")
		link(t, os.Getenv("DOORWARD_TEST_PHP_VENDOR"), filepath.Join(dir, "vendor"))
		return exec.Command("php", "-q", "-S", fmt.Sprintf("127.0.0.1:%d", port), "index.php")
	}},
	{name: "java", file: "App.java", omits: "EdDSA", needs: "DOORWARD_TEST_JAVA_CLASSPATH", start: func(t *testing.T, _ string, _ int) *exec.Cmd {
		testbed.Require(t, "java")
		return exec.Command("java", "-cp", os.Getenv("DOORWARD_TEST_JAVA_CLASSPATH"), "App.java")
	}},
}

// runs reports whether the program of l can be run here.
func (l language) runs() bool { return l.needs == "" || os.Getenv(l.needs) != "" }

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// documented returns the programs of docs/verify.md by their language.
func documented(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(testbed.Root(), "docs", "verify.md"))
	if err != nil {
		t.Fatal(err)
	}
	programs := make(map[string]string)
	for _, found := range fence.FindAllStringSubmatch(string(page), -1) {
		if programs[found[1]] != "" {
			t.Fatalf("docs/verify.md has two programs in %s", found[1])
		}
		programs[found[1]] = found[2]
	}
	return programs
}

// adapt returns the program as somebody has it who did what the page says: the
// site, the algorithm and, beyond that, the port are their own.
func adapt(t *testing.T, program, site, algorithm string, port int, binds bool) string {
	t.Helper()
	changes := [][2]string{{"https://app.example.com", site}, {"ES256", algorithm}}
	if binds {
		changes = append(changes, [2]string{"8080", fmt.Sprint(port)})
	}
	for _, change := range changes {
		if strings.Count(program, change[0]) != 1 {
			t.Fatalf("%s stands in the program %d times, want once:\n%s", change[0], strings.Count(program, change[0]), program)
		}
		program = strings.Replace(program, change[0], change[1], 1)
	}
	return program
}

// run runs a program until the test ends, as the app of the site at port.
func (l language) run(t *testing.T, program, site, algorithm string, port int) {
	t.Helper()
	dir := t.TempDir()
	program = adapt(t, program, site, algorithm, port, l.name != "php") // which its server binds
	if err := os.WriteFile(filepath.Join(dir, l.file), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	command := l.start(t, dir, port)
	command.Dir, command.Stdout, command.Stderr = dir, &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("what the program said:\n%s", &output)
		}
	})
	testbed.Eventually(t, time.Minute, "the program in "+l.name, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		return err == nil && conn.Close() == nil
	})
}

func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Symlink(from, to); err != nil {
		t.Fatal(err)
	}
}
