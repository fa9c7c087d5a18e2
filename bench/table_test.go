package bench

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

var columns = []string{
	"set-up", "CPU per request, µs", "to unguarded", "requests/s", "p50, ms", "p99, ms", "auth server, µs",
}

// cells returns a row as text, each figure as min / median / max.
func (r row) cells() []string {
	cells := []string{
		r.SetUp, r.CPU.text(1), r.Ratio.text(3), r.Rate.text(0), r.P50.text(2), r.P99.text(2), "",
	}
	if r.SetUp == forwardAuth {
		cells[len(cells)-1] = r.AuthCPU.text(1)
	}
	return cells
}

func (s spread) text(digits int) string {
	number := func(v float64) string {
		if digits == 0 {
			return thousands(int(v + 0.5))
		}
		return fmt.Sprintf("%.*f", digits, v)
	}
	return number(s.Min) + " / " + number(s.Median) + " / " + number(s.Max)
}

// text returns the tables for a terminal.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\nAll figures are min / median / max over rounds.\n", strings.Join(r.Machine, "; "))
	for _, s := range r.Series {
		fmt.Fprintf(&b, "\n%s (%d rounds)\n", s.Load, s.rounds())
		w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
		fmt.Fprintln(w, strings.Join(columns, "\t"))
		for _, row := range s.rows() {
			fmt.Fprintln(w, strings.Join(row.cells(), "\t"))
		}
		w.Flush() // to memory: it does not fail
	}
	return b.String()
}

// markdown returns the tables for the documentation.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s. All figures are min / median / max over rounds.\n", strings.Join(r.Machine, "; "))
	for _, s := range r.Series {
		fmt.Fprintf(&b, "\n### %s\n\n%d rounds.\n\n", s.Load, s.rounds())
		fmt.Fprintf(&b, "| %s |\n| ---%s |\n", strings.Join(columns, " | "), strings.Repeat(" | ---:", len(columns)-1))
		for _, row := range s.rows() {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row.cells(), " | "))
		}
	}
	return b.String()
}

// rounds returns how often each set-up had its turn.
func (s *series) rounds() (n int) {
	for _, m := range s.Turns {
		if m.SetUp == unguarded { // which always has one
			n++
		}
	}
	return n
}

// thousands writes a number with commas.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
