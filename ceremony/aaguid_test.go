package ceremony_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
)

func TestAuthenticatorNamesAreSortedAndEachUnderAUUID(t *testing.T) {
	file, err := os.ReadFile("aaguids.json")
	if err != nil {
		t.Fatal(err)
	}
	// Read token by token: a map would hide what stands there twice.
	d := json.NewDecoder(bytes.NewReader(file))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		t.Fatalf("begins with %v, %v; want {", open, err)
	}
	previous, n := "", 0
	for ; d.More(); n++ {
		var pair [2]string
		for i := range pair {
			token, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			pair[i], _ = token.(string)
		}
		id, name := pair[0], pair[1]
		parsed, err := uuid.Parse(id)
		if err != nil || parsed.String() != id || parsed == uuid.Nil {
			t.Errorf("%q is not a UUID as it is usually written: %v", id, err)
		}
		if id <= previous {
			t.Errorf("%s stands after %s", id, previous)
		}
		if name == "" || strings.TrimSpace(name) != name || utf8.RuneCountInString(name) > 64 {
			t.Errorf("%s: %q is no name for a passkey", id, name)
		}
		if got := ceremony.AuthenticatorName(parsed[:]); got != name {
			t.Errorf("AuthenticatorName(%s) = %q, want %q", id, got, name)
		}
		previous = id
	}
	if _, err := d.Token(); err != nil {
		t.Errorf("the list does not end: %v", err)
	}
	if n < 30 {
		t.Errorf("%d names, want the well-known ones", n)
	}
}

func TestUnknownAuthenticatorHasNoName(t *testing.T) {
	unknown := uuid.MustParse("00000000-0000-4000-8000-000000000000")
	for _, aaguid := range [][]byte{nil, {}, make([]byte, 16), make([]byte, 17), unknown[:], unknown[:15]} {
		if got := ceremony.AuthenticatorName(aaguid); got != "" {
			t.Errorf("AuthenticatorName(%x) = %q, want none", aaguid, got)
		}
	}
}
