package clients_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/integration/browser"
	"github.com/doorward/doorward/integration/testbed"
)

// shared is the browser that all tests share. It is nil as long as none has
// wanted it.
var shared struct {
	sync.Mutex
	*browser.Browser
}

// chromium returns the browser, for a test that runs beside others.
func chromium(t *testing.T) *browser.Browser {
	t.Helper()
	t.Parallel()
	shared.Lock()
	defer shared.Unlock()
	if shared.Browser == nil {
		b, err := browser.Launch()
		if err != nil {
			t.Fatal(err)
		}
		shared.Browser = b
	}
	return shared.Browser
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.Browser != nil {
		if err := shared.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// quote writes s as a string of JavaScript.
func quote(s string) string { return fmt.Sprintf("%q", s) }

// A test that drove other releases than it says would prove something else.
func TestReleasesAreThoseThatThePackageCommentNames(t *testing.T) {
	comment, err := os.ReadFile("clients.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hanko-frontend-sdk", "hanko-elements", "hanko-webauthn"} {
		content, err := os.ReadFile(filepath.Join(testbed.Root(), "integration", "npm", "node_modules", "@teamhanko", name, "package.json"))
		if err != nil {
			t.Fatalf("%v; ./scripts/test installs what the tests need", err)
		}
		var installed struct{ Name, Version string }
		if err := json.Unmarshal(content, &installed); err != nil {
			t.Fatal(err)
		}
		if want := installed.Name + " " + installed.Version; !strings.Contains(string(comment), want) {
			t.Errorf("got %s installed, which the package comment does not name", want)
		}
	}
}
