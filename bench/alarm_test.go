package bench

import "testing"

const (
	// alarmRatio is what a guarded request may cost, of an unguarded one. It costs some
	// 1.1 times as much where nothing else runs (docs/performance.md says what of), and
	// the machines of CI are noisy.
	alarmRatio = 1.20

	alarmRounds   = 60
	alarmRequests = 800 // of each set-up in each round
	alarmAttempts = 3
)

// TestTheDoorCostsLittle is the alarm of the ordinary tests: one session, on a machine
// that may be busy with something else, which spoils a measurement. So what is too much
// is measured again, and it fails if it always is.
func TestTheDoorCostsLittle(t *testing.T) {
	r := newRig(t, rigOptions{sessions: 1, backend: "embedded", gogc: "100", setUps: []string{guarded, unguarded}})
	hot := r.loads(t, nil)[0]
	hot.warmUp(t)
	var ratio spread
	for range alarmAttempts {
		s := hot.alternate(t, alarmRounds, alarmRequests)
		with, without := s.row(guarded), s.row(unguarded)
		ratio = with.Ratio
		t.Logf("a guarded request takes %s µs of CPU, an unguarded one %s µs; the ratio is %s (min / median / max of %d rounds)",
			with.CPU.text(1), without.CPU.text(1), ratio.text(3), alarmRounds)
		if ratio.Median <= alarmRatio {
			return
		}
	}
	t.Errorf("a guarded request costs %.3f times an unguarded one in the median, want %.2f at most", ratio.Median, alarmRatio)
}
