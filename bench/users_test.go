package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// people are the users of the directory, one for each session. What user i is
// follows from i.
type people int

const joined = "2026-01-02T03:04:05.000000Z"

func (people) id(i int) string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i)
}
func (people) name(i int) string    { return fmt.Sprintf("User %d", i) }
func (people) address(i int) string { return fmt.Sprintf("user%06d@example.com", i) }

// Of implements [session.Identities] as the directory would.
func (p people) Of(_ context.Context, subjects ...string) (found []session.Identity, err error) {
	for _, subject := range subjects {
		var i int
		if _, err := fmt.Sscanf(subject[len(subject)-12:], "%x", &i); err != nil || i >= int(p) || p.id(i) != subject {
			return nil, errors.New("no such user")
		}
		found = append(found, session.Identity{
			Subject: subject, Name: p.name(i), Email: p.address(i), EmailVerified: true, Groups: []string{"members"},
		})
	}
	return found, nil
}

// Changed implements [session.Identities]: nobody changes.
func (people) Changed(_ context.Context, mark string) (session.Changes, error) {
	return session.Changes{Mark: "none", Unbroken: mark != ""}, nil
}

// importInto puts the users into a directory, as doorward import does.
func (p people) importInto(t *testing.T, d *directory.Directory) {
	t.Helper()
	r, w := io.Pipe()
	defer r.Close()
	go func() { w.CloseWithError(p.writeTo(w)) }()
	summary, err := d.Import(t.Context(), r, directory.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := summary.Counts, p.counts(); got != want {
		t.Fatalf("imported %+v, want %+v", got, want)
	}
}

func (p people) counts() directory.Counts {
	n := int64(p)
	return directory.Counts{Users: n, Addresses: n, Groups: n}
}

// writeTo writes the users in the format of docs/export.md.
func (p people) writeTo(w io.Writer) error {
	sum := sha256.New()
	var line bytes.Buffer
	write := func(content map[string]any) error {
		line.Reset()
		if err := json.NewEncoder(&line).Encode(content); err != nil {
			return err
		}
		sum.Write(line.Bytes())
		_, err := w.Write(line.Bytes())
		return err
	}
	err := write(map[string]any{"header": map[string]any{
		"format": "doorward-export", "version": 1, "created_at": joined, "program": "bench",
		"counts": p.counts(), "last_event_id": 0,
	}})
	for i := 0; i < int(p) && err == nil; i++ {
		err = write(map[string]any{"user": map[string]any{
			"id": p.id(i), "name": p.name(i), "groups": []string{"members"}, "created_at": joined, "updated_at": joined,
			"addresses": []any{map[string]any{
				"id": fmt.Sprintf("%08x-0000-4000-9000-%012x", i, i), "address": p.address(i),
				"verified": true, "primary": true, "created_at": joined, "updated_at": joined,
			}},
			"passkeys": []any{},
		}})
	}
	if err != nil {
		return err
	}
	return write(map[string]any{"footer": map[string]any{ // not part of its own sum
		"counts": p.counts(), "sha256": base64.RawURLEncoding.EncodeToString(sum.Sum(nil)),
	}})
}
