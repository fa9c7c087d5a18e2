package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
)

// built keeps the programs that were built, for all tests.
var built = struct {
	mu   sync.Mutex
	dir  string
	path map[string]string
}{path: make(map[string]string)}

// build builds a program without the race detector, which costs many times what is
// measured here, unless the flag's folder has it, and returns its path.
func build(t *testing.T, pkg string) string {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	if path, ok := built.path[pkg]; ok {
		return path
	}
	path := filepath.Join(built.dir, filepath.Base(pkg))
	if *programs != "" {
		path = filepath.Join(*programs, filepath.Base(pkg))
		if _, err := os.Stat(path); err == nil {
			built.path[pkg] = path
			return path
		}
	}
	command := exec.Command("go", "build", "-o", path, pkg)
	command.Dir = testbed.Root()
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, output)
	}
	built.path[pkg] = path
	return path
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "doorward-bench-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		built.dir = dir
		return m.Run()
	}())
}
