package handlers

import (
	"testing"

	"github.com/google/uuid"
)

func TestUsersAreNamedByUUIDOrByHandle(t *testing.T) {
	const id = "6f1e0c7e-3c83-4c2f-9d6e-1f2a3b4c5d6e"
	for s, want := range map[string]string{
		id:                                     id,
		"6F1E0C7E-3C83-4C2F-9D6E-1F2A3B4C5D6E": id,
		"bx4MfjyDTC-dbh8qO0xdbg":               id,
		"bx4MfjyDTC-dbh8qO0xdbg==":             id,
		"":                                     "",
		"AAAA":                                 "",
		"bx4MfjyDTC+dbh8qO0xdbg":               "", // base64, but not base64url
		"AAAAAAAAAAAAAAAAAAAAAA":               "", // 16 bytes that are no random UUID
		"6f1e0c7e3c834c2f9d6e1f2a3b4c5d6e":     "",
		"{" + id + "}":                         "",
		"urn:uuid:" + id:                       "",
		uuid.Max.String():                      "",
		uuid.Nil.String():                      "",
		"6f1e0c7e-3c83-1c2f-9d6e-1f2a3b4c5d6e": "", // of version 1
		"6f1e0c7e-3c83-4c2f-1d6e-1f2a3b4c5d6e": "", // of another variant
		id + "\n":                              "",
	} {
		if got, ok := userIDOf(s); got != want || ok != (want != "") {
			t.Errorf("userIDOf(%q) = %q, %v; want %q", s, got, ok, want)
		}
	}
}
