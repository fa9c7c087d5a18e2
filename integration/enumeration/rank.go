package enumeration

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Slower returns how likely it is that one of a, taken at random, is more than one of
// b: the area under the curve (AUC) of whoever tells them apart by a threshold, which
// is the statistic U of Mann and Whitney as a share. With 0.5 there is nothing to be
// told. deviation is how far chance alone takes it from there, as a rule, where both
// come from one distribution, whatever that is.
func Slower(a, b []time.Duration) (share, deviation float64) {
	type sample struct {
		took time.Duration
		ofA  bool
	}
	var all []sample
	for _, d := range a {
		all = append(all, sample{d, true})
	}
	for _, d := range b {
		all = append(all, sample{d, false})
	}
	slices.SortFunc(all, func(x, y sample) int { return cmp.Compare(x.took, y.took) })
	var ranks float64 // sum of those of a; who is equal has the rank in the middle
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].took == all[i].took {
			j++
		}
		middle := float64(i+j+1) / 2
		for ; i < j; i++ {
			if all[i].ofA {
				ranks += middle
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return (ranks - n*(n+1)/2) / (n * m), math.Sqrt((n + m + 1) / (12 * n * m))
}

// Quantile returns the value below which a share of the samples is.
func Quantile(samples []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}
