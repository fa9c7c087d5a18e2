package bench

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// A report is what a comparison found.
type report struct {
	Machine []string
	Series  []*series
}

// A spread is what all rounds gave.
type spread struct{ Min, Median, Max float64 }

func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	middle := v[len(v)/2]
	if len(v)%2 == 0 {
		middle = (v[len(v)/2-1] + middle) / 2
	}
	return spread{v[0], middle, v[len(v)-1]}
}

// A row is what one set-up did under one load.
type row struct {
	SetUp   string
	CPU     spread // microseconds of the gateway's processor time for each request
	AuthCPU spread // the same of the server that forward_auth asks
	Ratio   spread // of CPU to that of an unguarded request in the same round
	Rate    spread // answers in each second
	P50     spread // milliseconds
	P99     spread // milliseconds
}

// rows compares the set-ups of a series.
func (s *series) rows() []row {
	turns := s.withoutBackground()
	base := make(map[int]turn)
	for _, m := range turns {
		if m.SetUp == unguarded {
			base[m.Round] = m
		}
	}
	var rows []row
	for _, setUp := range s.SetUps {
		turns := slices.DeleteFunc(slices.Clone(turns), func(m turn) bool { return m.SetUp != setUp })
		over := func(of func(turn) float64) spread {
			var values []float64
			for _, m := range turns {
				values = append(values, of(m))
			}
			return spreadOf(values)
		}
		rows = append(rows, row{
			SetUp:   setUp,
			CPU:     over(func(m turn) float64 { return in(m.each(), time.Microsecond) }),
			AuthCPU: over(func(m turn) float64 { return in(m.AuthCPU, time.Microsecond) / float64(m.Requests) }),
			Ratio:   over(func(m turn) float64 { return float64(m.each()) / float64(base[m.Round].each()) }),
			Rate:    over(func(m turn) float64 { return float64(m.Outcome.Answers) / m.Outcome.Took.Seconds() }),
			P50:     over(func(m turn) float64 { return in(m.Outcome.P50, time.Millisecond) }),
			P99:     over(func(m turn) float64 { return in(m.Outcome.P99, time.Millisecond) }),
		})
	}
	return rows
}

// withoutBackground returns the turns, with what the door did in the background taken off
// those of unguarded requests.
func (s *series) withoutBackground() []turn {
	rests := make(map[int]turn)
	for _, m := range s.Turns {
		if m.SetUp == atRest {
			rests[m.Round] = m
		}
	}
	turns := slices.Clone(s.Turns)
	for i := range turns {
		if rest, ok := rests[turns[i].Round]; ok && turns[i].SetUp == unguarded {
			turns[i].CPU -= time.Duration(float64(rest.CPU) * float64(turns[i].Lasted) / float64(rest.Lasted))
		}
	}
	return turns
}

func in(d, unit time.Duration) float64 { return float64(d) / float64(unit) }

// row returns what a set-up did.
func (s *series) row(setUp string) row {
	rows := s.rows()
	return rows[slices.IndexFunc(rows, func(r row) bool { return r.SetUp == setUp })]
}

// judge returns where the door costs more than it is meant to.
func (r *report) judge() (complaints []string) {
	for _, s := range r.Series {
		if s.Goal == 0 || !slices.Contains(s.SetUps, guarded) {
			continue
		}
		with, without := s.row(guarded), s.row(unguarded)
		if with.Ratio.Median > s.Goal {
			complaints = append(complaints, fmt.Sprintf("%s: a guarded request costs %.3f of an unguarded one, want %.2f at most",
				s.Load, with.Ratio.Median, s.Goal))
		}
		// Noise is what unguarded rounds differ by.
		if with.P99.Median > without.P99.Max {
			complaints = append(complaints, fmt.Sprintf("%s: the p99 of guarded requests is %.2f ms, that of unguarded ones %.2f ms and never above %.2f ms",
				s.Load, with.P99.Median, without.P99.Median, without.P99.Max))
		}
	}
	return complaints
}

// json returns all figures: those of the tables, and each turn that they are made of.
func (r *report) json() ([]byte, error) {
	type full struct {
		*series
		Rows []row
	}
	out := struct {
		Machine []string
		Series  []full
	}{Machine: r.Machine}
	for _, s := range r.Series {
		out.Series = append(out.Series, full{s, s.rows()})
	}
	b, err := json.MarshalIndent(out, "", "\t")
	return append(b, '\n'), err
}
