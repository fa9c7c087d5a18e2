package ceremonies

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"runtime"
	"testing"
	"time"

	"github.com/doorward/doorward/bench/processor"
)

// signatureTime returns the processor time of what no passkey sign-in can do
// without: one ES256 verification, of the passkey's signature, and one ES256
// signature, of the session token. The key that is verified with is one that was not
// used before, as that of somebody who signs in is.
func signatureTime(t *testing.T) time.Duration {
	t.Helper()
	const times = 200
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ours, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("authenticator data and the hash of the client data"))
	var took time.Duration
	for range times {
		theirs, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		assertion, err := ecdsa.SignASN1(rand.Reader, theirs, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		before := processor.OfThread(t)
		valid := ecdsa.VerifyASN1(&theirs.PublicKey, sum[:], assertion)
		_, err = ecdsa.SignASN1(rand.Reader, ours, sum[:])
		took += processor.OfThread(t) - before
		if !valid || err != nil {
			t.Fatalf("verified: %t, signed: %v", valid, err)
		}
	}
	return took / times
}
