package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// score prints a table of the results and what they come to, and reports whether all
// patches were noticed.
func score(w io.Writer, results []result) bool {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\npatch\tverdict\ttook\tchanges\tlets in\n")
	counts := make(map[verdict]int)
	var took time.Duration
	for _, r := range results {
		counts[r.verdict]++
		took += r.took
		fmt.Fprintf(table, "%s\t%s\t%.1fs\t%s\t%s\n", r.patch.name, r.verdict, r.took.Seconds(), r.patch.file, r.patch.lets)
	}
	table.Flush()
	fmt.Fprintf(w, "\n%d of %d noticed, by %s of building and testing\n", counts[noticed], len(results), took.Round(time.Second))
	for _, r := range results {
		if r.verdict != noticed {
			fmt.Fprintf(w, "%s: %s: %s\n", r.verdict, r.patch.name, r.detail)
		}
	}
	return counts[noticed] == len(results)
}
