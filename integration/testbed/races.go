package testbed

import (
	"regexp"
	"strings"
)

var (
	raceReport = regexp.MustCompile(`(?s)WARNING: DATA RACE\n(.*?)\n==================`)
	raceAccess = regexp.MustCompile(`(?m)^(?:Previous )?(?:atomic )?(?i:read|write) at .*:\n((?:  .*\n?)*)`)
	raceFrame  = regexp.MustCompile(`(?m)^  (\S+)\(`)
)

// races returns the reports of the race detector in a log that are about code of
// Doorward: those in which the code of one of the two accesses, looked for from the
// access outwards and past the standard library, is. Caddy has some of its own, in
// how it logs requests that break off and in how it starts, which no change here
// could mend. A report that cannot be read counts.
func races(log string) []string {
	var ours []string
	for _, report := range raceReport.FindAllStringSubmatch(log, -1) {
		accesses := raceAccess.FindAllStringSubmatch(report[1], -1)
		elsewhere := len(accesses) == 2
		for _, access := range accesses {
			elsewhere = elsewhere && isCaddys(access[1])
		}
		if !elsewhere {
			ours = append(ours, report[0])
		}
	}
	return ours
}

// isCaddys reports whether the first function of a stack that is not of the standard
// library is one of Caddy's.
func isCaddys(stack string) bool {
	for _, frame := range raceFrame.FindAllStringSubmatch(stack, -1) {
		first, _, _ := strings.Cut(frame[1], "/")
		if !strings.Contains(frame[1], "/") || !strings.Contains(first, ".") {
			continue // runtime.mapassign, net/http.Header.Set
		}
		return strings.HasPrefix(frame[1], "github.com/caddyserver/caddy/")
	}
	return false
}
