package ceremonies

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// markdown returns a table of what was measured: the least, the middle and the most
// of all turns of a kind.
func markdown(t *testing.T, turns []turn, results map[turn][]result) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s, %d processors, %d rounds; one ES256 verification and one signature: %s.\n\n",
		runtime.Version(), runtime.NumCPU(), *rounds, span(every(turns, results), func(r result) float64 { return micro(r.signature) }, "µs"))
	b.WriteString("| sign-in | state | at once | sign-ins a second | gateway's processor for each | times a verification and a signature |\n")
	b.WriteString("| --- | --- | ---: | ---: | ---: | ---: |\n")
	for _, u := range turns {
		kind, list := "passcode", results[u]
		if u.passkey {
			kind = "passkey"
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s |\n", kind, u.site.name, u.atOnce,
			span(list, result.rate, ""), span(list, func(r result) float64 { return micro(r.each()) }, "µs"), span(list, result.ratio, ""))
	}
	return b.String()
}

// every returns the results of all turns.
func every(turns []turn, results map[turn][]result) (all []result) {
	for _, u := range turns {
		all = append(all, results[u]...)
	}
	return all
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// span writes the least, the middle and the most of a figure.
func span(list []result, figure func(result) float64, unit string) string {
	values := sorted(list, figure)
	return strings.TrimSpace(fmt.Sprintf("%s / %s / %s %s",
		number(values[0]), number(values[len(values)/2]), number(values[len(values)-1]), unit))
}

func number(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// middle returns the median of a figure.
func middle(list []result, figure func(result) float64) float64 {
	return sorted(list, figure)[len(list)/2]
}

func sorted(list []result, figure func(result) float64) []float64 {
	var values []float64
	for _, r := range list {
		values = append(values, figure(r))
	}
	slices.Sort(values)
	return values
}
