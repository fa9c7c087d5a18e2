package directory_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

func TestKeysAreReadBackWholeAndOldestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d, other := open(t), open(t)
		newer := directory.Key{
			ID: "a", Algorithm: "ES256", Public: []byte(`{"kty":"EC"}`), Sealed: []byte{0, 0xff},
			CreatedAt: epoch.Add(time.Hour), SignsFrom: epoch.Add(2 * time.Hour), RetiresAt: epoch.Add(3 * time.Hour),
		}
		older := directory.Key{ID: "b", Algorithm: "EdDSA", Public: []byte("public"), Sealed: []byte("sealed"), CreatedAt: epoch}
		for _, k := range []directory.Key{newer, older} {
			if err := d.AddKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		older.SignsFrom = older.CreatedAt
		got, err := other.Keys(t.Context())
		if want := []directory.Key{older, newer}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}

		err = other.AddKey(t.Context(), directory.Key{ID: "a", Algorithm: "RS256", Public: []byte("forged")})
		wantErr(t, "AddKey again", err, directory.ErrTaken)
		if again, err := d.Keys(t.Context()); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("after a refused key: got %+v, %v, want %+v", again, err, got)
		}
	})
}

func TestKeysRetireAndGo(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		for _, id := range []string{"old", "new"} {
			if err := d.AddKey(t.Context(), directory.Key{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.RetireKey(t.Context(), "old", epoch); err != nil {
			t.Fatal(err)
		}
		keys, err := d.Keys(t.Context())
		if err != nil || len(keys) != 2 {
			t.Fatalf("got %+v, %v, want 2 keys", keys, err)
		}
		if !keys[0].RetiresAt.Equal(epoch) || !keys[1].RetiresAt.IsZero() || keys[1].CreatedAt.IsZero() {
			t.Errorf("got %+v, want the first to retire at %v and the second at no known time", keys, epoch)
		}
		if err := d.RemoveKey(t.Context(), "old"); err != nil {
			t.Fatal(err)
		}
		if keys, err := d.Keys(t.Context()); err != nil || len(keys) != 1 || keys[0].ID != "new" {
			t.Errorf("got %+v, %v, want the new key alone", keys, err)
		}
		wantErr(t, "RetireKey", d.RetireKey(t.Context(), "old", epoch), directory.ErrNotFound)
		wantErr(t, "RemoveKey", d.RemoveKey(t.Context(), "old"), directory.ErrNotFound)
	})
}
