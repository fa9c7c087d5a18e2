package browser_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/doorward/doorward/integration/browser"
)

// shared is the browser that all tests share: it takes longer to start than most
// tests do to run. It is nil as long as none has wanted it.
var shared struct {
	sync.Mutex
	*browser.Browser
}

// chromium returns the browser, for a test that runs beside others: its visitors
// have nothing in common with theirs.
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
