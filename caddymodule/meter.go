package caddymodule

import (
	"fmt"
	"io"
	"os"
	"time"
)

const (
	meterAfter = 2 * time.Second        // a run that is over before is not talked about
	meterLive  = 200 * time.Millisecond // between two updates of a line on a terminal
	meterLines = 5 * time.Second        // between two lines elsewhere: in a log, say
)

// A meter tells how far a long run has come.
type meter struct {
	w     io.Writer
	doing string
	every time.Duration
	now   func() time.Time

	next  time.Time
	shown bool
}

func newMeter(w io.Writer, doing string) *meter {
	m := &meter{w: w, doing: doing, every: meterLines, now: time.Now}
	if isTerminal(w) {
		m.every = meterLive
	}
	m.next = m.now().Add(meterAfter)
	return m
}

// update is called as often as one likes. A total of 0 is not known.
func (m *meter) update(done, total int64) {
	now := m.now()
	if now.Before(m.next) {
		return
	}
	m.next, m.shown = now.Add(m.every), true
	line := fmt.Sprintf("%s: %d records", m.doing, done)
	if total > 0 {
		done = min(done, total) // a header is a line, too
		line = fmt.Sprintf("%s: %d %%, %d of %d records", m.doing, done*100/total, done, total)
	}
	if m.every == meterLive {
		fmt.Fprintf(m.w, "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(m.w, line)
	}
}

// end leaves the cursor where the next line begins.
func (m *meter) end() {
	if m.shown && m.every == meterLive {
		fmt.Fprint(m.w, "\r\x1b[K")
	}
}

// isTerminal reports whether a person looks at what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
