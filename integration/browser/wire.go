package browser

import (
	"net/url"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// A wire keeps what a visitor's window reports: the requests that it sends, and
// what its pages complain about in the console (exceptions, errors and warnings,
// violations of the content security policy).
type wire struct {
	mu       sync.Mutex
	requests []string // paths, since the last call of forget
	said     []string
}

// hear takes an event of the browser.
func (w *wire) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil {
			w.mu.Lock()
			w.requests = append(w.requests, u.Path)
			w.mu.Unlock()
		}
	case *runtime.EventExceptionThrown:
		message := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			message += " " + e.ExceptionDetails.Exception.Description
		}
		w.complain(message)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var words []string
			for _, argument := range e.Args {
				words = append(words, string(argument.Value)+argument.Description)
			}
			w.complain(strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		loud := e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning
		// The browser notes every answer that is a refusal. Those are for the
		// tests to judge; what a page itself is made of has to be there.
		refusal := e.Entry.Source == log.EntrySourceNetwork && !strings.Contains(e.Entry.URL, "/static/")
		if loud && !refusal {
			w.complain(e.Entry.Text)
		}
	}
}

func (w *wire) complain(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, s)
}

func (w *wire) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.said...)
}

// sent counts the requests to a path.
func (w *wire) sent(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, p := range w.requests {
		if p == path {
			n++
		}
	}
	return n
}

func (w *wire) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = nil
}
