package ceremony_test

import (
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
)

// The letter names the site. Whoever talks its reader into telling the passcode, of a
// site that matters little, does not come in at one that does.
func TestPasscodeOpensNoOtherSiteThanTheOneOfItsLetter(t *testing.T) {
	r := newRig(t, setup{})
	r.user(t, "ann@example.com")
	id, code := r.begin(t, "ann@example.com")
	other := site
	other.Origin, other.Host = "https://payroll.example.com", "payroll.example.com"
	for range 5 { // it is not even a guess
		_, err := r.passcodes.Finalize(t.Context(), other, wideOpen, browser, ceremony.Answer{ID: id, Passcode: code})
		if !errors.Is(err, ceremony.ErrPasscodeGone) {
			t.Fatalf("at another site: %v, want ErrPasscodeGone", err)
		}
	}
	if _, err := r.finalize(t, ceremony.Answer{ID: id, Passcode: code}); err != nil {
		t.Errorf("at its own site afterwards: %v", err)
	}
}

func TestLetterWithAPasscodeLeavesInItsTime(t *testing.T) {
	r := newRig(t, setup{passcode: ceremony.PasscodeOptions{Spread: time.Millisecond}})
	r.user(t, "ann@example.com")
	if err := r.initialize(t, ceremony.Recipient{Address: "ann@example.com"}); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-r.box.arrived:
		if m.To != "ann@example.com" || m.Within != time.Millisecond {
			t.Errorf("a letter to %s within %v, want to ann@example.com within 1ms", m.To, m.Within)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the letter did not leave")
	}
}
