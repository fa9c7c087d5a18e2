package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// streams is how many requests h2load has under way on one connection.
const streams = 4

// h2load returns the command for HTTP/2, and what reads what it logs.
func (l *load) h2load(t *testing.T, setUp string, during time.Duration) (*exec.Cmd, func([]byte) (outcome, error)) {
	t.Helper()
	log := filepath.Join(l.dir, "h2load.log")
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--threads=1", "--clients=" + strconv.Itoa(max(1, *connections/streams)), "--max-concurrent-streams=" + strconv.Itoa(streams),
		"--duration=" + strconv.Itoa(int(during.Seconds())), "--log-file=" + log,
	}
	for header := range strings.Lines(l.headers(l, setUp, l.token())) {
		if !strings.HasPrefix(header, "Host: ") { // it is in the address
			args = append(args, "--header="+strings.TrimSpace(header))
		}
	}
	read := func(output []byte) (outcome, error) {
		content, err := os.ReadFile(log)
		if err != nil {
			return outcome{}, err
		}
		o, err := readH2load(string(content))
		if err != nil {
			return outcome{}, fmt.Errorf("%w\n%s", err, output)
		}
		return o, nil
	}
	return exec.CommandContext(t.Context(), "h2load", append(args, l.origin(l, setUp)+requestPath)...), read
}

// readH2load reads h2load's log, which has a line for each answer: when the request
// was sent, its status, and how long the answer took, all times in microseconds.
func readH2load(log string) (outcome, error) {
	var o outcome
	var took []int64
	var first, last int64
	for line := range strings.Lines(log) {
		var began, status, lasted int64
		if _, err := fmt.Sscan(line, &began, &status, &lasted); err != nil {
			return outcome{}, fmt.Errorf("reading h2load's log: %w", err)
		}
		o.Answers++
		switch {
		case status < 0:
			o.Broken++
		case status != 200:
			o.Refused++
		}
		if first == 0 || began < first {
			first = began
		}
		last = max(last, began+lasted)
		took = append(took, lasted)
	}
	if len(took) == 0 {
		return outcome{}, errors.New("h2load got no answer")
	}
	slices.Sort(took)
	o.Took = microseconds(last - first)
	o.P50, o.P99 = microseconds(took[len(took)/2]), microseconds(took[len(took)*99/100])
	return o, nil
}
