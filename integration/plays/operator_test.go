package plays

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// gateway start | stop | kill | reload [caddyfile]
func (s *stage) doGateway(ts *testscript.TestScript, args []string) error {
	file := "Caddyfile"
	if len(args) == 2 {
		file = args[1]
	}
	switch args[0] {
	case "start", "reload":
		s.gateway.Configure(strings.NewReplacer(
			"$APP", s.app.Addr, "$MAIL", s.mailbox.URL(), "$STATE", s.state).Replace(ts.ReadFile(file)))
		if args[0] == "start" {
			return s.gateway.Start()
		}
		return s.gateway.Reload()
	case "stop":
		s.gateway.Stop()
	case "kill":
		s.gateway.Kill()
	default:
		return fmt.Errorf("gateway %s: want start, stop, kill or reload", args[0])
	}
	return nil
}

// mailserver stop: from now on it takes no letters.
func (s *stage) doMailServer(_ *testscript.TestScript, args []string) error {
	if args[0] != "stop" {
		return fmt.Errorf("mailserver %s: want stop", args[0])
	}
	return s.mailbox.Close()
}

// blurs are what differs from one performance to the next.
var blurs = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "USER-ID"},
	{regexp.MustCompile(`\b[A-Z2-7]{26}\b`), "RANDOM-ID"},
	{regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z`), "TIME"},
	{regexp.MustCompile(`localhost:[0-9]{5}`), "localhost:PORT"},
}

// blur file: writes what the last program printed to a file, with names in place
// of IDs, times and ports.
func (s *stage) doBlur(ts *testscript.TestScript, args []string) error {
	text := ts.ReadFile("stdout")
	for _, b := range blurs {
		text = b.pattern.ReplaceAllString(text, b.instead)
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600)
}
