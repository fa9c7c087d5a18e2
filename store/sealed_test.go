package store_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

// gcm seals with AES-GCM under a random nonce.
type gcm struct{ cipher.AEAD }

func newGCM(t *testing.T) gcm {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm{aead}
}

func (g gcm) Seal(plaintext, ad []byte) []byte { return g.AEAD.Seal(nil, nil, plaintext, ad) }

// Open answers "not found" for what does not open, as a careless one might.
func (g gcm) Open(sealed, ad []byte) ([]byte, error) {
	plaintext, err := g.AEAD.Open(nil, nil, sealed, ad)
	if err != nil {
		return nil, store.ErrNotFound
	}
	return plaintext, nil
}

func TestSealed(t *testing.T) {
	for _, promise := range storetest.Contract {
		t.Run(promise.Name, func(t *testing.T) {
			t.Parallel()
			defer waitForDisk()()
			clock := newClock()
			e := openEmbedded(t, filepath.Join(t.TempDir(), "store.db"), clock.Now)
			promise.Check(t, store.Sealed(e, newGCM(t)), clock.Wait)
		})
	}
}

func TestSealedValuesCannotBeReadAtRest(t *testing.T) {
	e := openEmbedded(t, filepath.Join(t.TempDir(), "store.db"), nil)
	s := store.Sealed(e, newGCM(t))
	secret := []byte("a challenge")
	if err := s.Put(t.Context(), "put", secret, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "replaced", nil, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), "replaced", secret, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "created", secret, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"replaced together", "with it"} {
		if err := s.Put(t.Context(), key, nil, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	entries := []store.Entry{{Key: "replaced together", Value: secret, TTL: time.Hour}, {Key: "with it", Value: secret, TTL: time.Hour}}
	if err := s.ReplaceAll(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(entries[0].Value, []byte("a challenge")) {
		t.Error("ReplaceAll has changed its caller's entries")
	}
	for _, key := range []string{"put", "replaced", "replaced together", "with it", "created"} {
		if at, err := e.Get(t.Context(), key); err != nil || bytes.Contains(at, secret) {
			t.Errorf("%s: the store has %q, %v, want it sealed", key, at, err)
		}
		if got, err := s.Get(t.Context(), key); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%s: Get = %q, %v, want %q", key, got, err, secret)
		}
	}
}

// Someone who can write to the store copies the record of their own session over
// that of another.
func TestSealedValueDoesNotOpenUnderAnotherKey(t *testing.T) {
	e := openEmbedded(t, filepath.Join(t.TempDir(), "store.db"), nil)
	s := store.Sealed(e, newGCM(t))
	if err := s.Put(t.Context(), "session/mallory", []byte("value"), time.Hour); err != nil {
		t.Fatal(err)
	}
	record, err := e.Get(t.Context(), "session/mallory")
	if err != nil {
		t.Fatal(err)
	}
	wantDoesNotOpen(t, e, s, record)
}

func TestValueThatDoesNotOpenIsAFailure(t *testing.T) {
	e := openEmbedded(t, filepath.Join(t.TempDir(), "store.db"), nil)
	s := store.Sealed(e, newGCM(t))
	for _, record := range []string{"", "not sealed", "{}"} {
		wantDoesNotOpen(t, e, s, []byte(record))
	}
	other := store.Sealed(e, newGCM(t)) // another secret
	if err := other.Put(t.Context(), "session/ann", []byte("value"), time.Hour); err != nil {
		t.Fatal(err)
	}
	record, err := e.Get(t.Context(), "session/ann")
	if err != nil {
		t.Fatal(err)
	}
	wantDoesNotOpen(t, e, s, record)
}

// wantDoesNotOpen puts record at rest and reads it through the sealed store.
func wantDoesNotOpen(t *testing.T, rest, sealed store.Store, record []byte) {
	t.Helper()
	if err := rest.Put(t.Context(), "session/ann", record, time.Hour); err != nil {
		t.Fatal(err)
	}
	if got, err := sealed.Get(t.Context(), "session/ann"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get of %q = %q, %v, want a failure", record, got, err)
	}
	if got, err := sealed.Take(t.Context(), "session/ann"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Take of %q = %q, %v, want a failure", record, got, err)
	}
	if _, err := sealed.Get(t.Context(), "session/ann"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get after Take = %v, want ErrNotFound: it was taken", err)
	}
}
