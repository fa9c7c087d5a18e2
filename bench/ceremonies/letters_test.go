package ceremonies

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/doorward/doorward/mail/mailtest"
)

// letters is a mail server, and the passcodes that came there for each address.
type letters struct {
	*mailtest.Mailbox

	mu    sync.Mutex
	codes map[string]chan string
}

func newLetters(t *testing.T) *letters {
	t.Helper()
	l := &letters{Mailbox: mailtest.Start(t, mailtest.Options{}), codes: make(map[string]chan string)}
	mailtest.Watch(func(letter mailtest.Letter) { // of any mail server: addresses tell whose it is
		for _, to := range letter.To {
			l.passcodes(to) <- letter.Passcode()
		}
	})
	return l
}

// passcodes returns where the passcodes for an address arrive. There is room for
// those of a whole measurement.
func (l *letters) passcodes(address string) chan string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.codes[address] == nil {
		l.codes[address] = make(chan string, 1000)
	}
	return l.codes[address]
}

// passcode waits for the passcode that was sent to an address.
func (l *letters) passcode(ctx context.Context, address string) (string, error) {
	select {
	case code := <-l.passcodes(address):
		return code, nil
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for a letter: %w", context.Cause(ctx))
	}
}
