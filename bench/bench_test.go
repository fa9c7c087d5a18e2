// Package bench measures what the door costs: the processor time of a request
// that passes it, beside the same request through the same process without a door,
// through Caddy as it comes, through forward_auth to a server that says yes to
// everything, and through Caddy's basic_auth.
//
// What runs is the real thing: gateway processes, an app behind them as a process of
// its own, wrk and h2load in front. Processor time is what the operating system
// accounts to the gateway's process, divided by the requests that the app counted.
// The set-ups that are compared take turns, in an order that is drawn for each round,
// and their ratio is taken within the round: what else the machine does hits all of
// them. A stock Caddy is no fair yardstick by itself, since a larger heap alone makes
// a process collect its garbage less often; so the ratio is to a site without a door
// in the same process.
//
// In the ordinary tests everything is small and what is judged is that every request
// reached the app; and the door must not cost more than an alarm allows
// (alarm_test.go). scripts/bench sets the flags that give figures to rely on.
package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	rounds      = flag.Int("rounds", 1, "rounds in which each set-up has its turn")
	seconds     = flag.Int("seconds", 1, "how long a set-up is under load in each round")
	sessions    = flag.String("sessions", "100", "how many sessions are in use at once, beside the comparison with one: a list, as in 10000,100000")
	traffic     = flag.String("traffic", "", "a regular expression: which kinds of traffic, as they are called in the tables")
	setUps      = flag.String("set-ups", strings.Join(allSetUps, ","), "which set-ups are compared; unguarded always is")
	backend     = flag.String("backend", "embedded", "where the state is: embedded, or shared, which is Redis and PostgreSQL")
	connections = flag.Int("connections", 32, "requests that are under way at once")
	gogc        = flag.String("gogc", "100", "GOGC of all gateways")
	idle        = flag.Duration("idle", time.Hour, "idle limit of the sessions; the gateway notes that a session is in use every thirtieth part of it")
	printText   = flag.Bool("table", false, "print the tables as text")
	markdown    = flag.Bool("markdown", false, "print the tables as Markdown")
	jsonFile    = flag.String("json", "", "write all figures to this file")
	svgFile     = flag.String("svg", "", "write a plot of the ratios to this file")
	programs    = flag.String("programs", "", "a folder where doorward, caddy and upstream are, or are to be built: to compare builds, or the same one again")
	judge       = flag.Bool("judge", false, "fail if the door costs more than it is meant to")
)

// TestEveryRequestOfTheComparisonReachesTheApp is the whole comparison. It fails if
// any request was refused, and with -judge if the door costs too much.
func TestEveryRequestOfTheComparisonReachesTheApp(t *testing.T) {
	sizes := sessionCounts(t)
	only, err := regexp.Compile(*traffic)
	if err != nil {
		t.Fatalf("-traffic: %v", err)
	}
	r := newRig(t, rigOptions{sessions: slices.Max(sizes), backend: *backend, gogc: *gogc, setUps: wanted(t)})
	report := report{Machine: machine(t, r)}
	for _, l := range r.loads(t, sizes) {
		if !only.MatchString(l.name) {
			continue
		}
		l.warmUp(t)
		report.Series = append(report.Series, l.run(t, *rounds, time.Duration(*seconds)*time.Second))
		t.Logf("%s: done", l.name)
	}
	if *printText {
		fmt.Print(report.text())
	}
	if *markdown {
		fmt.Print(report.markdown())
	}
	write(t, *jsonFile, report.json)
	write(t, *svgFile, report.svg)
	if *judge {
		for _, complaint := range report.judge() {
			t.Error(complaint)
		}
	}
}

// sessionCounts returns the flag's numbers, and 1.
func sessionCounts(t *testing.T) []int {
	t.Helper()
	list := []int{1}
	for field := range strings.SplitSeq(*sessions, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 2 {
			t.Fatalf("-sessions %s: want numbers above 1, as in 10000,100000", *sessions)
		}
		list = append(list, n)
	}
	return list
}

// wanted returns the set-ups of the flag.
func wanted(t *testing.T) []string {
	t.Helper()
	list := strings.Split(*setUps, ",")
	for _, name := range list {
		if !slices.Contains(allSetUps, name) {
			t.Fatalf("-set-ups: there is no %q; there are %s", name, strings.Join(allSetUps, ", "))
		}
	}
	if !slices.Contains(list, unguarded) {
		list = append(list, unguarded)
	}
	return list
}

// write writes what content returns to a file, if there is a name for one.
func write(t *testing.T, path string, content func() ([]byte, error)) {
	t.Helper()
	if path == "" {
		return
	}
	b, err := content()
	if err != nil {
		t.Fatalf("making %s: %v", filepath.Base(path), err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
