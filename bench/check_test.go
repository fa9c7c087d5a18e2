package bench

import (
	"testing"
	"time"
)

// checkAnswers fails the test if a request was not answered with 200 by the
// app, which counted so many meanwhile: then the figures are of something else.
func (l *load) checkAnswers(t *testing.T, setUp string, o outcome, app counts) {
	t.Helper()
	if o.Answers == 0 || o.Refused != 0 || o.Broken != 0 {
		t.Fatalf("%s, %s: %d of %d answers are refusals, %d are broken; want none", l.name, setUp, o.Refused, o.Answers, o.Broken)
	}
	// When the time is up, the client leaves without the answers that are under way.
	// Those of the turn before may have been counted late.
	if left := app.Requests - o.Answers; left < 0 || left > 2*int64(*connections) {
		t.Fatalf("%s, %s: the app was asked %d times, and the client got %d answers", l.name, setUp, app.Requests, o.Answers)
	}
	want := int64(0)
	if setUp == guarded {
		want = app.Requests
	}
	if app.Asserted != want {
		t.Fatalf("%s, %s: %d of %d requests had an assertion, want %d", l.name, setUp, app.Asserted, app.Requests, want)
	}
}

// checkAccounts fails the test if the system's two accounts differ by more than the
// coarser one leaves open.
func checkAccounts(t *testing.T, exact, ticks time.Duration) {
	t.Helper()
	if difference := (exact - ticks).Abs(); difference > 50*time.Millisecond+exact/50 {
		t.Errorf("the system accounts %v to the gateway by its clock, and %v in /proc", exact, ticks)
	}
}
