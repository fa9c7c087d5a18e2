package testbed

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/doorward/doorward/integration/logs"
	"github.com/doorward/doorward/mail/mailtest"
)

// Passcodes come to light in letters.
func init() {
	mailtest.Watch(func(l mailtest.Letter) {
		logs.Seen.Letter(l.Text)
		for _, to := range l.To {
			logs.Seen.Person(to)
		}
	})
}

var mailLog = regexp.MustCompile(`(?m)^\s*mail\s+log\b`)

// configured notes what no log may have of a configuration, and whether the gateway
// was asked to write letters into its log, passcodes and all.
func (g *Gateway) configured(caddyfile string) {
	logs.Seen.Configuration(caddyfile)
	for _, variable := range g.env {
		_, value, _ := strings.Cut(variable, "=")
		logs.Seen.Configuration(value)
		if strings.Contains(variable, "SECRET=") {
			logs.Seen.Add(logs.Sealing, value)
		}
	}
	g.letters = g.letters || mailLog.MatchString(caddyfile)
}

// examine fails the test if the gateway's log has what it must not have: a data
// race, a panic, or anything that was issued.
func (g *Gateway) examine() {
	if generated, err := os.ReadFile(filepath.Join(g.Dir, "data", "caddy", "doorward", "secret")); err == nil {
		logs.Seen.Add(logs.Sealing, strings.TrimSpace(string(generated)))
	}
	log := []byte(g.log.String())
	search := logs.NewSearch(logs.Without(logs.Seen.Secrets(), g.exempt()...))
	for _, finding := range search.Log(log) {
		g.t.Errorf("the gateway's log: %v", finding)
	}
	if err := logs.Keep(log, g.letters); err != nil {
		g.t.Error(err)
	}
	for _, report := range races(string(log)) {
		g.t.Errorf("the gateway's log: %s", report)
	}
	if strings.Contains(string(log), "panic") {
		g.t.Error(`the gateway's log has "panic"`)
	}
	if g.t.Failed() {
		g.t.Logf("the gateway's log, without debug and access lines (with %s=folder, all of it is left there):\n%s",
			logs.EvidenceVariable, memorable(search.Masked(log)))
	}
}

// exempt returns what the gateway's log may have.
func (g *Gateway) exempt() []logs.Kind {
	if g.letters {
		return []logs.Kind{logs.Passcode, logs.Address}
	}
	return nil
}

// memorable returns the lines of a log that somebody wants to read after a test
// failed.
func memorable(log string) string {
	var kept strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"level":"debug"`) && !strings.Contains(line, `"logger":"http.log.access`) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
