// Package testbed runs the real thing for tests: gateway processes built from
// this repository, an app behind them that remembers what it was sent, a mailbox
// with a real SMTP server, and clients with cookie jars. It holds no assertion
// about Doorward itself.
package testbed

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// BinaryVariable names the environment variable with the path of a gateway that
// is built already. Without it, each test program builds its own.
const BinaryVariable = "DOORWARD_BINARY"

var build struct {
	once sync.Once
	path string
	err  error
}

// Binary returns the path of the gateway.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(BinaryVariable); path != "" {
		return path
	}
	build.once.Do(func() {
		dir, err := os.MkdirTemp("", "doorward-test-")
		if err != nil {
			build.err = err
			return
		}
		build.path = filepath.Join(dir, "doorward")
		build.err = goBuild(build.path, "./cmd/doorward")
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

// Build builds another command of the repository, such as ./cmd/demo, and
// returns the path of the program.
func Build(t testing.TB, command string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(command))
	if err := goBuild(path, command); err != nil {
		t.Fatal(err)
	}
	return path
}

func goBuild(path, pkg string) error {
	command := exec.Command("go", "build", "-race", "-o", path, pkg)
	command.Dir = Root()
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, output)
	}
	return nil
}

// Root returns the root folder of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// FreePort returns a TCP port that nobody uses now at any address of this machine. It is
// none of those that the system gives to connections: one of them would take it before the
// server listens that it is for.
func FreePort(t testing.TB) int {
	t.Helper()
	const first, last = 11_000, 29_999 // a browser opens no page at 10080
	for range 100 {
		port := first + rand.IntN(last-first+1)
		if listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			listener.Close()
			return port
		}
	}
	t.Fatalf("no free port from %d to %d", first, last)
	return 0
}

// Require fails the test if a program that it needs is not installed. It does
// not skip: a test that is not run proves nothing.
func Require(t testing.TB, names ...string) {
	t.Helper()
	var missing []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		t.Fatalf("not installed: %s; ./scripts/test installs what the tests need", strings.Join(missing, ", "))
	}
}
