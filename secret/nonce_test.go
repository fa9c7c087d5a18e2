package secret_test

import (
	"bytes"
	"testing"
)

// Two values that are sealed with one key and one nonce show how they differ, and
// let whoever has both forge a third one. Nothing else would look wrong: each of
// them still opens.
func TestSealingOneValueTwiceLooksDifferent(t *testing.T) {
	s := ring(t, first).Sealer("store")
	const n = 100
	seen := make(map[string]bool)
	for range n {
		sealed := s.Seal([]byte("value"), []byte("session/1"))
		if got, err := s.Open(sealed, []byte("session/1")); err != nil || !bytes.Equal(got, []byte("value")) {
			t.Fatalf("Open = %q, %v, want the value", got, err)
		}
		seen[string(sealed[5:5+24])] = true // after the version and the key's ID: the nonce of XChaCha20
	}
	if len(seen) != n {
		t.Errorf("%d values were sealed with %d nonces", n, len(seen))
	}
}
