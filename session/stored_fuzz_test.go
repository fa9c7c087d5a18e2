package session_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

// A spoiled store gives back something else than was put into it: a disk, a Redis
// or somebody at either has changed it.
type spoiled struct {
	store.Store
	change func(key string, value []byte) []byte // nil: none
}

func (s *spoiled) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := s.Store.Get(ctx, key)
	if err == nil && s.change != nil {
		value = s.change(key, value)
	}
	return value, err
}

// A record that was changed at rest makes nobody signed in and nobody signed out:
// it is a failure, of the session's record and of its subject's.
func FuzzRecordChangedAtRestIsAFailure(f *testing.F) {
	var rest *spoiled
	h := newHouse(f, func(t testing.TB, clock *clock) store.Store {
		e := store.NewEmbedded(store.EmbeddedOptions{Path: filepath.Join(t.TempDir(), "store.db"), Now: clock.Now})
		t.Cleanup(func() { must(t, e.Close()) })
		must(t, e.Open(context.Background()))
		rest = &spoiled{Store: e}
		return rest
	})
	n := h.node()
	v, token := n.begin("ann")
	n.wantOK("before anything was changed", token)
	for _, subject := range []bool{false, true} {
		for _, at := range []uint16{0, 1, 5, 29, 60, 1 << 15} {
			f.Add(subject, at, uint16(0), []byte{})
			f.Add(subject, at, uint16(1), []byte{0})
			f.Add(subject, at, uint16(1<<15), []byte{})
		}
		f.Add(subject, uint16(0), uint16(1<<15), []byte(`{"id":"`+v.ID+`","sub":"bob","aud":"`+site+`","expires":"2099-01-01T00:00:00Z","idle":9000000000000000}`))
		f.Add(subject, uint16(0), uint16(1<<15), []byte("null"))
	}
	f.Fuzz(func(t *testing.T, subject bool, at, remove uint16, put []byte) {
		same := true
		rest.change = func(key string, value []byte) []byte {
			if strings.HasSuffix(key, v.ID) == subject {
				return value
			}
			changed := splice(value, at, remove, put)
			same = bytes.Equal(changed, value)
			return changed
		}
		defer func() { rest.change = nil }()
		got, err := n.Inspect(t.Context(), token, site)
		switch {
		case same && (err != nil || got.Subject != "ann"):
			t.Errorf("nothing changed: %v, %v", got, err)
		case !same && (err == nil || session.Refused(err)):
			t.Errorf("%q in place of %d bytes from %d: %v, %v; want a failure", put, remove, at, got, err)
		}
	})
}

// Whatever a record says, as one of another version may, it lets nobody in whom it
// does not name: not at another site, not after its end, not whose subject is
// disabled.
func FuzzRecordOfAnotherVersion(f *testing.F) {
	h := newEmbeddedHouse(f)
	above := &spoiled{Store: h.store}
	h.store = above
	n := h.node()
	v, token := n.begin("ann")
	n.wantOK("as it was", token)
	const record = `{"id":"x","sub":"ann","aud":"https://app.example.com","methods":[{"name":"otp","at":"2026-03-01T09:00:00Z"}],"started":"2026-03-01T09:00:00Z","seen":"2026-03-01T09:00:00Z","expires":"2026-03-01T21:00:00Z","idle":3600000000000}`
	const subject = `{"sub":"ann","email":"ann@example.com","email_verified":true,"groups":["staff"],"at":"2026-03-01T09:00:00Z"}`
	f.Add([]byte(record), []byte(subject))
	f.Add([]byte(strings.Replace(record, "app.", "other.", 1)), []byte(subject))
	f.Add([]byte(strings.Replace(record, "T21", "T08", 1)), []byte(subject))
	f.Add([]byte(record), []byte(`{"sub":"ann","disabled":true,"at":"2026-03-01T09:00:00Z"}`))
	f.Add([]byte(`{"ID":1,"idle":-1}`), []byte(`{"groups":null,"at":"0001-01-01T00:00:00Z"}`))
	f.Add([]byte(`{}`), []byte(`{}`))
	f.Add([]byte(`null`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, record, subject []byte) {
		above.change = func(key string, _ []byte) []byte {
			if strings.HasSuffix(key, v.ID) {
				return record
			}
			return subject
		}
		defer func() { above.change = nil }()
		got, err := n.Inspect(t.Context(), token, site)
		if err != nil {
			return
		}
		now := h.clock.Now()
		if !got.For(site) || !now.Before(got.ExpiresAt) || !now.Before(got.IdleAt()) || got.Identity.Disabled {
			t.Errorf("record %s of subject %s lets in %+v", record, subject, got)
		}
	})
}

// A stored key that was changed is a failure to read the keys, or it is the key
// that it was: what is stored beside the sealed half is not believed. No change
// makes another key ours, or has a token that was good refused.
func FuzzStoredKeyChangedAtRest(f *testing.F) {
	h := newEmbeddedHouse(f)
	n := h.node()
	_, token := n.begin("ann")
	honest, jwks := h.chest.keys[0], n.keys.JWKS()
	_, key := h.stolen(0)
	d, err := key.Bytes()
	must(f, err)
	private := base64.RawURLEncoding.EncodeToString(d)
	for field := range uint8(4) {
		for _, at := range []uint16{0, 1, 5, 29, 200} {
			f.Add(field, at, uint16(0), []byte{})
			f.Add(field, at, uint16(1), []byte("x"))
			f.Add(field, at, uint16(1<<15), []byte{})
		}
		f.Add(field, uint16(0), uint16(1<<15), []byte(`{"kty":"oct","k":"AAAA","alg":"HS256"}`))
		f.Add(field, uint16(0), uint16(1<<15), []byte("HS256"))
		f.Add(field, uint16(0), uint16(1<<15), []byte("none"))
	}
	f.Fuzz(func(t *testing.T, field uint8, at, remove uint16, put []byte) {
		stored := honest
		switch field % 4 {
		case 0:
			stored.ID = splice(stored.ID, at, remove, string(put))
		case 1:
			stored.Algorithm = splice(stored.Algorithm, at, remove, string(put))
		case 2:
			stored.Public = splice(stored.Public, at, remove, put)
		case 3:
			stored.Sealed = splice(stored.Sealed, at, remove, put)
		}
		changed := stored.ID != honest.ID || stored.Algorithm != honest.Algorithm || !bytes.Equal(stored.Sealed, honest.Sealed)
		set, err := session.NewKeySet(session.KeyOptions{
			Storage: &chest{keys: []session.StoredKey{stored}}, Sealer: h.ring.Sealer("signing keys"), TokenLifetime: 12 * time.Hour, Now: h.clock.Now,
		})
		must(t, err)
		err = set.Refresh(t.Context())
		if changed != (err != nil) {
			t.Fatalf("field %d, %q in place of %d bytes from %d: changed is %v, and reading gives %v", field%4, put, remove, at, changed, err)
		}
		if changed {
			if strings.Contains(err.Error(), private) {
				t.Error("the error has the private key")
			}
			return
		}
		if !bytes.Equal(set.JWKS(), jwks) {
			t.Errorf("the keys are %s, want %s", set.JWKS(), jwks)
		}
		if _, err := set.Verify(token, site, h.clock.Now()); err != nil {
			t.Errorf("a token of the key: %v", err)
		}
	})
}
