package handlers

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/doorward/doorward/directory"
)

// faults is what is wrong with the fields of a body, in the words of the Hanko
// API. A field that is null is one that is not there.
type faults []string

// required notes a field that is not there.
func (f *faults) required(name, value string) {
	if value == "" {
		*f = append(*f, name+" is a required field")
	}
}

// uuid notes a field that is there and no random UUID, and writes one that is as
// we write it: Swift, for one, writes UUIDs in capitals.
func (f *faults) uuid(name string, value *string) {
	if *value == "" {
		return
	}
	id, ok := parseUUID(*value)
	if !ok {
		*f = append(*f, name+" must be a valid uuid4")
	}
	*value = id
}

// base64 notes a field that is not there, or no base64url (RFC 4648, section 5).
func (f *faults) base64(name, value string) {
	f.required(name, value)
	if _, err := decodeBase64(value); err != nil {
		*f = append(*f, name+" must be base64url")
	}
}

// oneOf notes a field that is there and has none of the values that it may have.
func (f *faults) oneOf(name, value string, values ...string) {
	if value != "" && !slices.Contains(values, value) {
		*f = append(*f, name+" must be one of "+strings.Join(values, ", "))
	}
}

// err returns what is wrong, or nil.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errBody, strings.Join(f, " and "))
}

// parseUUID returns a random UUID (RFC 9562, section 5.4) in the spelling that the
// directory has, and false for anything else: also for the other spellings that
// package uuid knows, such as "urn:uuid:...".
func parseUUID(s string) (string, bool) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || id.Version() != 4 || id.Variant() != uuid.RFC4122 {
		return "", false
	}
	return id.String(), true
}

// userIDOf returns the ID of the user whom a client names by ID or, as clients of
// the older Hanko Authentication API do, by WebAuthn user handle. It does not know
// whether there is such a user.
func userIDOf(s string) (id string, ok bool) {
	if id, ok = parseUUID(s); ok {
		return id, true
	}
	return userIDOfHandle(s)
}

func userIDOfHandle(s string) (id string, ok bool) {
	handle, err := decodeBase64(s)
	if err != nil {
		return "", false
	}
	id, err = directory.UserIDFromHandle(handle)
	return id, err == nil
}

// decodeBase64 takes base64url with padding, too, which some platforms add.
func decodeBase64(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}
