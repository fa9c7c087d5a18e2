package ceremony

import (
	"strconv"
	"testing"
)

// Each place of a passcode holds each digit equally often. For nine degrees of
// freedom chi-square is above 45 once in a million.
func TestPasscodesAreUniform(t *testing.T) {
	const digits, n = 6, 100_000
	var counts [digits][10]int
	for range n {
		code := newPasscode(digits)
		if len(code) != digits {
			t.Fatalf("passcode %q has not %d digits", code, digits)
		}
		for place := range digits {
			counts[place][code[place]-'0']++
		}
	}
	for place, count := range counts {
		chi := 0.0
		for _, c := range count {
			d := float64(c) - n/10
			chi += d * d / (n / 10)
		}
		if chi > 45 {
			t.Errorf("place %d: chi-square %.1f, want below 45: %v", place, chi, count)
		}
	}
}

// A range that stops one short never gives the last passcode. With one digit
// that would show.
func TestEveryPasscodeIsPossible(t *testing.T) {
	seen := make(map[string]bool)
	for range 2000 {
		seen[newPasscode(1)] = true
	}
	for n := range 10 {
		if !seen[strconv.Itoa(n)] {
			t.Errorf("%d never came in 2000 passcodes of one digit", n)
		}
	}
}
