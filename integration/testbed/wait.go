package testbed

import (
	"testing"
	"time"
)

// Eventually waits until done says so, and fails the test after within. It
// returns how long it took.
func Eventually(t testing.TB, within time.Duration, what string, done func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Since(began) > within {
			t.Fatalf("waited %v in vain for %s", within, what)
		}
		<-tick.C
	}
	return time.Since(began)
}
