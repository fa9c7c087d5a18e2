package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// wrk returns the command for HTTP/1.1, and what reads its output.
func (l *load) wrk(t *testing.T, setUp string, seed uint64, during time.Duration) (*exec.Cmd, func([]byte) (outcome, error)) {
	t.Helper()
	headers := l.file(t, "headers of "+setUp, l.headers(l, setUp, l.token()))
	command := exec.CommandContext(t.Context(), "wrk", "--threads", "1", "--connections", strconv.Itoa(*connections),
		"--duration", fmt.Sprintf("%ds", int(during.Seconds())), "--timeout", "5m",
		"--script", "testdata/load.lua", l.origin(l, setUp)+requestPath)
	command.Env = append(os.Environ(), "HEADERS="+headers)
	if l.sessions > 1 {
		start := rand.New(rand.NewPCG(seed, 0)).IntN(orderLength)
		command.Env = append(command.Env,
			"TOKENS="+l.tokenFile, "ORDER="+l.orderFile, "START="+strconv.Itoa(start))
	}
	return command, readWrk
}

// readWrk reads what testdata/load.lua prints at the end.
func readWrk(output []byte) (outcome, error) {
	_, summary, ok := bytes.Cut(output, []byte("\nSUMMARY "))
	if !ok {
		return outcome{}, fmt.Errorf("wrk gave no summary:\n%s", output)
	}
	var s struct{ Answers, Refused, Broken, Took, P50, P99 int64 }
	if err := json.NewDecoder(bytes.NewReader(summary)).Decode(&s); err != nil {
		return outcome{}, fmt.Errorf("reading wrk's summary: %w", err)
	}
	return outcome{
		Answers: s.Answers, Refused: s.Refused, Broken: s.Broken,
		Took: microseconds(s.Took), P50: microseconds(s.P50), P99: microseconds(s.P99),
	}, nil
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
