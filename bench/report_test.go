package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// measured returns a series of two set-ups, whose requests take so many microseconds
// in each round.
func measured(goal float64, guardedCPU, unguardedCPU []time.Duration) *series {
	s := &series{Load: "one session", Goal: goal, SetUps: []string{guarded, unguarded}}
	add := func(setUp string, each []time.Duration) {
		for round, cpu := range each {
			s.Turns = append(s.Turns, turn{
				SetUp: setUp, Round: round, Requests: 1000, CPU: 1000 * cpu * time.Microsecond,
				Outcome: outcome{Answers: 1000, Took: time.Second, P50: time.Millisecond, P99: 2 * time.Millisecond},
			})
		}
	}
	add(guarded, guardedCPU)
	add(unguarded, unguardedCPU)
	return s
}

func TestARatioIsTakenWithinItsRound(t *testing.T) {
	// The machine is half as fast in the second round.
	s := measured(0, []time.Duration{52, 106, 54}, []time.Duration{50, 100, 50})
	row := s.row(guarded)
	if want := (spread{1.04, 1.06, 1.08}); row.Ratio != want {
		t.Errorf("the ratio is %v, want %v", row.Ratio, want)
	}
	if want := (spread{52, 54, 106}); row.CPU != want {
		t.Errorf("the CPU is %v, want %v", row.CPU, want)
	}
}

// With many sessions the gateway goes on working when nothing is asked of it.
func TestWhatIsDoneInTheBackgroundIsNoCostOfUnguardedRequests(t *testing.T) {
	s := measured(0, []time.Duration{60, 60}, []time.Duration{50, 50})
	for i := range s.Turns {
		s.Turns[i].Lasted = time.Second
	}
	for round := range 2 { // 20 ms in each second
		s.Turns = append(s.Turns, turn{SetUp: atRest, Round: round, Lasted: 2 * time.Second, CPU: 40 * time.Millisecond})
	}
	if got, want := s.row(unguarded).CPU, (spread{30, 30, 30}); got != want {
		t.Errorf("the CPU of an unguarded request is %v, want %v", got, want)
	}
	if got, want := s.row(guarded).Ratio, (spread{2, 2, 2}); got != want {
		t.Errorf("the ratio is %v, want %v", got, want)
	}
}

func TestTheMedianOfAnEvenNumberIsBetweenTheMiddleOnes(t *testing.T) {
	if got, want := spreadOf([]float64{4, 1, 3, 2}), (spread{1, 2.5, 4}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestADoorThatCostsTooMuchIsComplainedOf(t *testing.T) {
	base := []time.Duration{100, 100, 100}
	for cost, complaints := range map[time.Duration]int{105: 0, 106: 1} {
		r := report{Series: []*series{measured(1.05, []time.Duration{cost, cost, cost}, base)}}
		if got := r.judge(); len(got) != complaints {
			t.Errorf("%d µs instead of 100: complaints %q, want %d", cost, got, complaints)
		}
	}
	slow := measured(1.05, base, base)
	for i := range slow.Turns {
		if slow.Turns[i].SetUp == guarded {
			slow.Turns[i].Outcome.P99 *= 2
		}
	}
	if got := (&report{Series: []*series{slow}}).judge(); len(got) != 1 {
		t.Errorf("with twice the p99: complaints %q, want one", got)
	}
}

func TestThePlotIsWellFormedAndSaysItsFigures(t *testing.T) {
	s := measured(0, []time.Duration{52, 53, 54}, []time.Duration{50, 50, 50})
	s.Load = "<one> & only"
	plot, err := (&report{Series: []*series{s}}).svg()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for d := xml.NewDecoder(strings.NewReader(string(plot))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, plot)
		}
		if characters, ok := token.(xml.CharData); ok {
			text.Write(characters)
		}
	}
	for _, want := range []string{"guarded: <one> & only", "1.06 (1.04–1.08)", "prefers-color-scheme: dark"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the plot does not say %q:\n%s", want, plot)
		}
	}
}

func TestTheLogOfH2loadTellsRefusalsAndLatencies(t *testing.T) {
	got, err := readH2load("1000000\t200\t300\n1000100\t401\t500\n1000200\t-1\t100\n")
	if err != nil {
		t.Fatal(err)
	}
	want := outcome{
		Answers: 3, Refused: 1, Broken: 1,
		Took: 600 * time.Microsecond, P50: 300 * time.Microsecond, P99: 500 * time.Microsecond,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := readH2load(""); err == nil {
		t.Error("an empty log is taken for an answer")
	}
}

func TestInZipfOrderFewSessionsMakeMostRequests(t *testing.T) {
	const sessions = 10_000
	for name, c := range map[string]struct {
		order    []int
		min, max float64 // part of the requests that a hundredth of the sessions makes
	}{
		"uniform": {uniform(sessions), 0.01, 0.02},
		"Zipf":    {zipf(sessions), 0.5, 0.8},
	} {
		counts := make([]int, sessions)
		for _, i := range c.order {
			counts[i]++
		}
		slices.Sort(counts)
		top := 0
		for _, n := range counts[sessions-sessions/100:] {
			top += n
		}
		if got := float64(top) / orderLength; got < c.min || got > c.max {
			t.Errorf("%s: a hundredth of the sessions makes %.3f of the requests, want %.2f to %.2f", name, got, c.min, c.max)
		}
	}
}
