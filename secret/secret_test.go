package secret_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/doorward/doorward/secret"
)

var (
	first  = bytes.Repeat([]byte("a"), 32)
	second = bytes.Repeat([]byte("b"), 32)
)

func ring(t *testing.T, secrets ...[]byte) *secret.Ring {
	t.Helper()
	r, err := secret.NewRing(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestShortSecretsAreRefused(t *testing.T) {
	for _, secrets := range [][][]byte{{}, {{}}, {first[:31]}, {first, second[:8]}} {
		if _, err := secret.NewRing(secrets...); !errors.Is(err, secret.ErrTooShort) {
			t.Errorf("NewRing(%d secrets) = %v, want ErrTooShort", len(secrets), err)
		}
	}
}

func TestSealedValueOpensOnlyInItsPlaceAndForItsPurpose(t *testing.T) {
	r := ring(t, first)
	sealed := r.Sealer("store").Seal([]byte("value"), []byte("session/1"))
	if bytes.Contains(sealed, []byte("value")) {
		t.Error("the sealed value shows its plaintext")
	}
	got, err := r.Sealer("store").Open(sealed, []byte("session/1"))
	if err != nil || string(got) != "value" {
		t.Fatalf("Open = %q, %v, want the value", got, err)
	}
	if _, err := r.Sealer("store").Open(sealed, []byte("session/2")); !errors.Is(err, secret.ErrDamaged) {
		t.Errorf("Open in another place = %v, want ErrDamaged", err)
	}
	if _, err := r.Sealer("keys").Open(sealed, []byte("session/1")); !errors.Is(err, secret.ErrOtherSecret) {
		t.Errorf("Open for another purpose = %v, want ErrOtherSecret", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := r.Sealer("store").Open(bad, []byte("session/1")); err == nil {
			t.Errorf("Open took a value with byte %d changed", i)
		}
		if _, err := r.Sealer("store").Open(sealed[:i], []byte("session/1")); err == nil {
			t.Errorf("Open took a value cut to %d bytes", i)
		}
	}
}

func TestAllSecretsOpenAndTheFirstSeals(t *testing.T) {
	old, both, new := ring(t, first).Sealer("keys"), ring(t, second, first).Sealer("keys"), ring(t, second).Sealer("keys")
	sealedByOld, sealedByBoth := old.Seal([]byte("k"), nil), both.Seal([]byte("k"), nil)
	if _, err := both.Open(sealedByOld, nil); err != nil {
		t.Errorf("a ring with the old secret behind does not open its value: %v", err)
	}
	if _, err := new.Open(sealedByBoth, nil); err != nil {
		t.Errorf("the first secret did not seal: %v", err)
	}
	if _, err := new.Open(sealedByOld, nil); !errors.Is(err, secret.ErrOtherSecret) {
		t.Errorf("Open without the old secret = %v, want ErrOtherSecret", err)
	}
	if both.Current(sealedByOld) || !both.Current(sealedByBoth) {
		t.Error("Current does not tell the newest secret's values from the old one's")
	}
}

func TestMACBindsItsPartsAndItsPurpose(t *testing.T) {
	m := ring(t, first).MAC("passcode")
	code := m.Sum("ab", "c")
	if !m.Verify(code, "ab", "c") {
		t.Error("a right code does not verify")
	}
	if m.Verify(code, "a", "bc") || m.Verify(code, "abc") || m.Verify(code, "ab", "c", "") {
		t.Error("a code verifies for parts cut elsewhere")
	}
	if ring(t, first).MAC("other").Verify(code, "ab", "c") {
		t.Error("a code verifies for another purpose")
	}
	if !ring(t, second, first).MAC("passcode").Verify(code, "ab", "c") {
		t.Error("a code by an old secret does not verify")
	}
	if ring(t, second).MAC("passcode").Verify(code, "ab", "c") {
		t.Error("a code verifies by a secret that did not make it")
	}
}

func TestConcurrentStartsMakeOneSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward", "secret")
	var wg sync.WaitGroup
	secrets := make([][]byte, 20)
	for i := range secrets {
		wg.Go(func() {
			s, err := secret.LoadOrCreate(path)
			if err != nil {
				t.Errorf("LoadOrCreate: %v", err)
			}
			secrets[i] = s
		})
	}
	wg.Wait()
	for _, s := range secrets {
		if !bytes.Equal(s, secrets[0]) || len(s) < secret.MinLength {
			t.Fatalf("two starts have different secrets")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
}

func TestSecretFileThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, first, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.LoadOrCreate(path); err == nil {
		t.Error("a world-readable secret was taken")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Load(path); err != nil {
		t.Errorf("Load = %v, want the secret", err)
	}
	if err := os.WriteFile(path, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Load(path); !errors.Is(err, secret.ErrTooShort) {
		t.Errorf("Load of a short secret = %v, want ErrTooShort", err)
	}
}
