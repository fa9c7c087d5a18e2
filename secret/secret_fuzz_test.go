package secret_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/secret"
)

func fuzzRing(f *testing.F, fill byte) *secret.Ring {
	ring, err := secret.NewRing(bytes.Repeat([]byte{fill}, secret.MinLength))
	if err != nil {
		f.Fatal(err)
	}
	return ring
}

// A sealed value opens where it was sealed, for the purpose that it was sealed for,
// under the secret that sealed it; with any change to it or to its place it does
// not open.
func FuzzSealedValueWithAChangeDoesNotOpen(f *testing.F) {
	ring := fuzzRing(f, 'a')
	sealer, purpose, stranger := ring.Sealer("store"), ring.Sealer("keys"), fuzzRing(f, 'b').Sealer("store")
	for _, at := range []uint16{0, 1, 4, 5, 28, 29, 1 << 15} {
		f.Add([]byte("plaintext"), []byte("session/ann"), []byte("session/ann"), at, uint16(1), []byte{0})
		f.Add([]byte("plaintext"), []byte("session/ann"), []byte("session/ann"), at, uint16(0), []byte{0})
		f.Add([]byte(""), []byte(""), []byte(""), at, uint16(1<<15), []byte{})
	}
	f.Add([]byte("plaintext"), []byte("session/ann"), []byte("session/bob"), uint16(0), uint16(0), []byte{})
	f.Fuzz(func(t *testing.T, plaintext, place, other []byte, at, remove uint16, put []byte) {
		sealed := sealer.Seal(plaintext, place)
		from := int(at) % (len(sealed) + 1)
		to := min(from+int(remove), len(sealed))
		changed := append(append(bytes.Clone(sealed[:from]), put...), sealed[to:]...)
		same := bytes.Equal(changed, sealed)
		got, err := sealer.Open(changed, other)
		switch good := same && bytes.Equal(place, other); {
		case good && (err != nil || !bytes.Equal(got, plaintext)):
			t.Errorf("Open = %q, %v, want %q", got, err, plaintext)
		case !good && (err == nil || got != nil):
			t.Errorf("Open of %x, sealed as %x for %q and read for %q = %q, want an error", changed, sealed, place, other, got)
		}
		for name, s := range map[string]*secret.Sealer{"another purpose": purpose, "another secret": stranger} {
			if got, err := s.Open(changed, place); err == nil {
				t.Errorf("%s opens %x: %q", name, changed, got)
			}
		}
		if len(plaintext) > 8 && bytes.Contains(sealed, plaintext) {
			t.Errorf("%q stands in %x", plaintext, sealed)
		}
	})
}

// A secret is read from its file without the white space around it, or not at all
// if it is short; an error does not show what is in the file.
func FuzzSecretFile(f *testing.F) {
	for _, content := range []string{"", "short", strings.Repeat("x", 32), "\n" + strings.Repeat("x", 31) + " \r\n", "  " + strings.Repeat("\xff", 40) + "\n"} {
		f.Add([]byte(content))
	}
	path := filepath.Join(f.TempDir(), "secret")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		want := bytes.TrimSpace(content)
		got, err := secret.Load(path)
		switch {
		case len(want) >= secret.MinLength && !bytes.Equal(got, want):
			t.Errorf("Load = %q, %v, want %q", got, err, want)
		case len(want) < secret.MinLength && err == nil:
			t.Errorf("Load = %q, want it refused as short", got)
		case err != nil && len(want) > 3 && strings.Contains(strings.ReplaceAll(err.Error(), path, ""), string(want)) && !strings.Contains("secret file : secret: shorter than 32 bytes", string(want)):
			t.Errorf("%v shows the secret %q", err, want)
		}
	})
}
