package enumeration

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestRankStatisticSeesWhatIsThereAndNothingElse(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int, more time.Duration) (samples []time.Duration) {
		for range n {
			// Skewed, as times of answers are.
			samples = append(samples, more+time.Duration(random.ExpFloat64()*float64(time.Millisecond)))
		}
		return samples
	}
	all := func(d time.Duration) []time.Duration { return []time.Duration{d, d, d} }
	for _, tt := range []struct {
		name     string
		a, b     []time.Duration
		from, to float64
	}{
		{"always slower", all(2), all(1), 1, 1},
		{"always faster", all(1), all(2), 0, 0},
		{"always the same", all(1), all(1), 0.5, 0.5},
		{"by hand", []time.Duration{1, 3, 4}, []time.Duration{2, 3}, 3.5 / 6, 3.5 / 6},
		{"noise", noise(500, 0), noise(500, 0), 0.5 - 3*0.0183, 0.5 + 3*0.0183},
		{"a third of the noise", noise(500, time.Millisecond/3), noise(500, 0), 0.6, 0.7},
	} {
		if got, _ := Slower(tt.a, tt.b); got < tt.from-1e-9 || got > tt.to+1e-9 {
			t.Errorf("%s: %.4f, want %.4f to %.4f", tt.name, got, tt.from, tt.to)
		}
	}
	if _, got := Slower(noise(500, 0), noise(500, 0)); math.Abs(got-0.01826) > 1e-4 {
		t.Errorf("the deviation of twice 500 samples is %.5f, want 0.01826", got)
	}
	if got := Quantile([]time.Duration{5, 1, 4, 2, 3}, 0.5); got != 3 {
		t.Errorf("the median of 1 to 5 is %d", got)
	}
}
