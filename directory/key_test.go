package directory_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

// addKeys adds keys to those that there are.
func addKeys(t testing.TB, d *directory.Directory, add ...directory.Key) {
	t.Helper()
	err := d.ChangeKeys(t.Context(), func(keys []directory.Key) ([]directory.Key, error) { return append(keys, add...), nil })
	if err != nil {
		t.Fatal(err)
	}
}

func wantKeys(t testing.TB, d *directory.Directory, want ...directory.Key) {
	t.Helper()
	got, err := d.Keys(t.Context())
	if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("got keys %+v, %v\nwant %+v", got, err, want)
	}
}

func key(id string, age time.Duration) directory.Key {
	created := epoch.Add(-age)
	return directory.Key{
		ID: id, Algorithm: "ES256", Public: []byte(`{"kty":"EC"}`), Sealed: []byte{0, 0xff},
		CreatedAt: created, SignsFrom: created.Add(time.Hour), RetiresAt: created.Add(2 * time.Hour),
	}
}

func TestKeysAreReadBackWholeAndOldestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d, other := open(t), open(t)
		wantKeys(t, d)
		newer, older := key("a", 0), key("b", time.Hour)
		older.SignsFrom, older.RetiresAt = time.Time{}, time.Time{}
		addKeys(t, d, newer, older)
		older.SignsFrom = older.CreatedAt
		wantKeys(t, other, older, newer)

		var given []directory.Key
		err := other.ChangeKeys(t.Context(), func(keys []directory.Key) ([]directory.Key, error) {
			given = slices.Clone(keys)
			return keys, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := []directory.Key{older, newer}; !reflect.DeepEqual(given, want) {
			t.Errorf("change was given %+v, want %+v", given, want)
		}
		wantKeys(t, d, older, newer)
	})
}

func TestAKeyWithoutTimesSignsFromNow(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		addKeys(t, d, directory.Key{ID: "a"})
		keys, err := d.Keys(t.Context())
		if err != nil || len(keys) != 1 {
			t.Fatalf("got %+v, %v, want 1 key", keys, err)
		}
		if k := keys[0]; !k.CreatedAt.After(epoch) || !k.SignsFrom.Equal(k.CreatedAt) || !k.RetiresAt.IsZero() {
			t.Errorf("got %+v, want it to sign from its creation, and not to retire", k)
		}
	})
}

func TestOneChangeAddsUpdatesAndRemovesKeys(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		gone, kept, sealed, signs := key("gone", 4*time.Hour), key("kept", 3*time.Hour), key("sealed", 2*time.Hour), key("signs", time.Hour)
		addKeys(t, d, gone, kept, sealed, signs)
		added := key("added", 0)
		sealed.Sealed = []byte{7, 0xff}
		signs.SignsFrom, signs.RetiresAt = epoch.Add(time.Minute), time.Time{}
		err := d.ChangeKeys(t.Context(), func(keys []directory.Key) ([]directory.Key, error) {
			keys[2].Sealed[0] = 7 // in place, as a careless caller would
			return []directory.Key{added, signs, keys[2], keys[1]}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, d, kept, sealed, signs, added)

		err = d.ChangeKeys(t.Context(), func([]directory.Key) ([]directory.Key, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, d)
	})
}

func TestARefusedChangeOfKeysChangesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		old, current := key("old", time.Hour), key("current", 0)
		addKeys(t, d, old, current)
		broken := errors.New("broken")
		for _, tt := range []struct {
			name   string
			change func(keys []directory.Key) ([]directory.Key, error)
			want   error // nil for any
		}{
			{"an error", func(keys []directory.Key) ([]directory.Key, error) { return nil, broken }, broken},
			{"an error with keys", func(keys []directory.Key) ([]directory.Key, error) { return keys[:1], broken }, broken},
			{"two keys with one ID", func(keys []directory.Key) ([]directory.Key, error) {
				return []directory.Key{key("new", 0), key("new", 0)}, nil
			}, directory.ErrTaken},
			{"a key twice", func(keys []directory.Key) ([]directory.Key, error) {
				return []directory.Key{keys[1], keys[1]}, nil
			}, directory.ErrTaken},
			{"another algorithm", func(keys []directory.Key) ([]directory.Key, error) {
				keys[1].Algorithm = "RS256"
				return keys[1:], nil
			}, nil},
			{"another public half", func(keys []directory.Key) ([]directory.Key, error) {
				keys[1].Public[0]++
				return keys[1:], nil
			}, nil},
			{"another age", func(keys []directory.Key) ([]directory.Key, error) {
				keys[1].CreatedAt = epoch.Add(time.Minute)
				return keys[1:], nil
			}, nil},
			{"an ID that is no text", func(keys []directory.Key) ([]directory.Key, error) {
				return []directory.Key{key("a\x00b", 0)}, nil
			}, nil},
			{"an algorithm that is no text", func(keys []directory.Key) ([]directory.Key, error) {
				return []directory.Key{{ID: "a", Algorithm: "\xff"}}, nil
			}, nil},
		} {
			err := d.ChangeKeys(t.Context(), tt.change)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%s: got error %v, want %v", tt.name, err, tt.want)
			}
			wantKeys(t, d, old, current)
		}
	})
}

// Nodes that start at once find no key, and must end with one: what one node
// signs, the others have to know.
func TestNodesThatFindNoKeyMakeOne(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		nodes := make([]*directory.Directory, 8)
		for i := range nodes {
			nodes[i] = open(t)
		}
		for round := range 3 {
			made := make([]int, len(nodes)) // keys that a node believes to have made
			errs := concurrently(len(nodes), func(i int) error {
				return nodes[i].ChangeKeys(t.Context(), func(keys []directory.Key) ([]directory.Key, error) {
					made[i] = 0
					if len(keys) > round {
						return keys, nil
					}
					made[i] = 1
					return append(keys, key(fmt.Sprintf("round %d, node %d", round, i), 0)), nil
				})
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, n := range made {
				sum += n
			}
			keys, err := nodes[0].Keys(t.Context())
			if err != nil || len(keys) != round+1 || sum != 1 {
				t.Errorf("round %d: %d nodes made a key and there are %d, %v, want 1 and %d", round, sum, len(keys), err, round+1)
			}
		}
	})
}

// Verifying goes on while a node makes a key.
func TestKeysAreReadWhileTheyChange(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d, other := open(t), open(t)
		old := key("old", time.Hour)
		addKeys(t, d, old)
		err := d.ChangeKeys(t.Context(), func(keys []directory.Key) ([]directory.Key, error) {
			wantKeys(t, other, old)
			return append(keys, key("new", 0)), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, other, old, key("new", 0))
	})
}
