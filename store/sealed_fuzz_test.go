package store_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/secret"
	"github.com/doorward/doorward/store"
)

// An only value is a store that has one value under every key, which somebody who
// can write to it has put there. All else is the store's that it is made of.
type onlyValue struct {
	store.Store
	value []byte
}

func (o *onlyValue) Get(context.Context, string) ([]byte, error)  { return o.value, nil }
func (o *onlyValue) Take(context.Context, string) ([]byte, error) { return o.value, nil }

// Whatever stands in the store under a key, it is what was sealed for that key or
// it is a failure: never nothing, which would sign people out, and never a value.
func FuzzSealedStoreBelievesNoOther(f *testing.F) {
	ring, err := secret.NewRing([]byte("a secret of thirty-two bytes 123"))
	if err != nil {
		f.Fatal(err)
	}
	sealer := ring.Sealer("store")
	good := sealer.Seal([]byte("value"), []byte("session/ann"))
	f.Add("session/ann", []byte{}, uint16(0), uint16(0))
	f.Add("session/bob", []byte{}, uint16(0), uint16(0))
	f.Add("session/ann", []byte("value"), uint16(0), uint16(1<<15))
	f.Add("session/ann", []byte{2}, uint16(0), uint16(1))
	f.Add("", []byte{}, uint16(5), uint16(24))
	f.Fuzz(func(t *testing.T, key string, put []byte, at, remove uint16) {
		from := int(at) % (len(good) + 1)
		to := min(from+int(remove), len(good))
		value := append(append(bytes.Clone(good[:from]), put...), good[to:]...)
		s := store.Sealed(&onlyValue{value: value}, sealer)
		honest := key == "session/ann" && bytes.Equal(value, good)
		for name, read := range map[string]func(context.Context, string) ([]byte, error){"Get": s.Get, "Take": s.Take} {
			got, err := read(t.Context(), key)
			switch {
			case honest && (err != nil || string(got) != "value"):
				t.Errorf("%s = %q, %v, want the value", name, got, err)
			case !honest && (err == nil || errors.Is(err, store.ErrNotFound) || got != nil):
				t.Errorf("%s of %x under %q = %q, %v; want a failure", name, value, key, got, err)
			}
		}
	})
}

// What is put into the embedded store is what it gives back, under that key and no
// other, whatever bytes they are.
func FuzzEmbeddedStoreKeepsBytes(f *testing.F) {
	e := openEmbedded(f, f.TempDir()+"/store.db", nil)
	f.Add("session/ann", []byte("value"), "session/bob")
	f.Add("", []byte{}, "\x00")
	f.Add("a'; DROP TABLE entries; --", []byte("\x00\xff"), "A'; DROP TABLE entries; --")
	f.Add("\xff", []byte("'"), "\ufffd")
	f.Fuzz(func(t *testing.T, key string, value []byte, other string) {
		ctx := t.Context()
		if err := e.Put(ctx, key, value, time.Hour); err != nil {
			t.Fatal(err)
		}
		if other != key {
			if got, err := e.Get(ctx, other); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get(%q) = %q, %v after Put(%q), want ErrNotFound", other, got, err, key)
			}
		}
		if got, err := e.Get(ctx, key); err != nil || !bytes.Equal(got, value) {
			t.Errorf("Get(%q) = %q, %v, want %q", key, got, err, value)
		}
		if got, err := e.Take(ctx, key); err != nil || !bytes.Equal(got, value) {
			t.Errorf("Take(%q) = %q, %v, want %q", key, got, err, value)
		}
		if got, err := e.Get(ctx, key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%q) after Take = %q, %v, want ErrNotFound", key, got, err)
		}
	})
}
