package directory_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

// oneUser is a user whom every directory may hold.
func oneUser() object {
	return object{
		"id": "0b8f8e2e-6f0c-4a43-9e0f-0d3c9a1f7c55", "name": "Ann", "groups": []string{"a", "b"},
		"created_at": "2026-01-02T03:04:05.000006Z", "updated_at": "2026-01-02T03:04:05.000006Z",
		"addresses": []object{oneAddress()}, "passkeys": []object{onePasskey()},
	}
}

func oneAddress() object {
	return object{
		"id": "9a2c7a0e-58a4-4b8e-8f5c-1d1f0c2b3a44", "address": "ann@example.com", "primary": true,
		"created_at": "2026-01-02T03:04:05.000006Z", "updated_at": "2026-01-02T03:04:05.000006Z",
	}
}

func onePasskey() object {
	return object{"id": "q83v", "public_key": "pQEC", "rp_id": "example.com", "created_at": "2026-01-02T03:04:05.000006Z"}
}

func oneKey() object {
	return object{"id": "k", "algorithm": "ES256", "public": "e30", "sealed": "AQ", "created_at": "2026-01-02T03:04:05.000006Z"}
}

func oneEvent() object {
	return object{"id": int64(1), "at": "2026-01-02T03:04:05.000006Z", "type": "sign_in"}
}

// but returns an object with other members; nil takes one away.
func but(o object, changes object) object {
	changed := maps.Clone(o)
	for name, value := range changes {
		if changed[name] = value; value == nil {
			delete(changed, name)
		}
	}
	return changed
}

// Each of these records is good but for one thing.
func TestARecordThatBreaksARuleIsRefused(t *testing.T) {
	user := func(changes object) []object { return []object{{"user": but(oneUser(), changes)}} }
	address := func(changes object) []object { return user(object{"addresses": []object{but(oneAddress(), changes)}}) }
	passkey := func(changes object) []object { return user(object{"passkeys": []object{but(onePasskey(), changes)}}) }
	key := func(changes object) []object { return []object{{"key": but(oneKey(), changes)}} }
	event := func(changes object) []object { return []object{{"event": but(oneEvent(), changes)}} }
	second := func(changes object) []object {
		u := but(oneUser(), object{
			"id":        "1b8f8e2e-6f0c-4a43-9e0f-0d3c9a1f7c55",
			"addresses": []object{but(oneAddress(), object{"id": "1a2c7a0e-58a4-4b8e-8f5c-1d1f0c2b3a44", "address": "bob@example.com"})},
			"passkeys":  []object{but(onePasskey(), object{"id": "q83w"})},
		})
		return []object{{"user": oneUser()}, {"user": but(u, changes)}}
	}
	otherAddress := func(changes object) []object {
		return []object{oneAddress(), but(oneAddress(), but(object{
			"id": "1a2c7a0e-58a4-4b8e-8f5c-1d1f0c2b3a44", "address": "ann2@example.com", "primary": false}, changes))}
	}
	good := map[string][]object{
		"a user": user(nil), "an address": address(nil), "a passkey": passkey(nil), "a key": key(nil), "an event": event(nil),
		"two users": second(nil), "two addresses": user(object{"addresses": otherAddress(nil)}),
		"no passkeys": user(object{"passkeys": nil}), "no groups": user(object{"groups": nil}), "no name": user(object{"name": nil}),
	}
	bad := map[string][]object{
		"no ID":                         user(object{"id": nil}),
		"an ID that is no UUID":         user(object{"id": "ann"}),
		"an ID in upper case":           user(object{"id": "0B8F8E2E-6F0C-4A43-9E0F-0D3C9A1F7C55"}),
		"a UUID of version 1":           user(object{"id": "0b8f8e2e-6f0c-1a43-9e0f-0d3c9a1f7c55"}),
		"a name with space around":      user(object{"name": " Ann"}),
		"a name of two lines":           user(object{"name": "Ann\nBob"}),
		"a name of 65 characters":       user(object{"name": strings.Repeat("a", 65)}),
		"a name with NUL":               user(object{"name": "a\x00"}),
		"groups that are not sorted":    user(object{"groups": []string{"b", "a"}}),
		"a group twice":                 user(object{"groups": []string{"a", "a"}}),
		"a group with a space":          user(object{"groups": []string{"a b"}}),
		"a group without a name":        user(object{"groups": []string{""}}),
		"no time":                       user(object{"created_at": nil}),
		"no time of the last change":    user(object{"updated_at": nil}),
		"the zero time":                 user(object{"created_at": "0001-01-01T00:00:00.000000Z"}),
		"a time without microseconds":   user(object{"created_at": "2026-01-02T03:04:05Z"}),
		"a time with nanoseconds":       user(object{"created_at": "2026-01-02T03:04:05.000000001Z"}),
		"a time of another zone":        user(object{"created_at": "2026-01-02T03:04:05.000006+01:00"}),
		"a day that is none":            user(object{"created_at": "2026-02-30T03:04:05.000006Z"}),
		"a time that is a number":       user(object{"created_at": 1767323045}),
		"a flag that is a number":       user(object{"disabled": 1}),
		"no address":                    user(object{"addresses": []object{}}),
		"no primary address":            address(object{"primary": false}),
		"two primary addresses":         user(object{"addresses": otherAddress(object{"primary": true})}),
		"an address twice":              user(object{"addresses": otherAddress(object{"address": "ann@example.com"})}),
		"an address ID twice":           user(object{"addresses": otherAddress(object{"id": "9a2c7a0e-58a4-4b8e-8f5c-1d1f0c2b3a44"})}),
		"an address in upper case":      address(object{"address": "Ann@example.com"}),
		"a domain that is not in ASCII": address(object{"address": "ann@bücher.example"}),
		"an address with a display":     address(object{"address": "Ann <ann@example.com>"}),
		"an address with a line feed":   address(object{"address": "ann@example.com\n"}),
		"an address that is empty":      address(object{"address": ""}),
		"an address without an ID":      address(object{"id": nil}),
		"an address without a time":     address(object{"updated_at": nil}),
		"a credential ID of no bytes":   passkey(object{"id": ""}),
		"a credential ID of 1024 bytes": passkey(object{"id": b64(make([]byte, 1024))}),
		"bytes with padding":            passkey(object{"id": "qw=="}),
		"bytes in base64, not URL":      passkey(object{"id": "+/8A"}),
		"bytes with bits left over":     passkey(object{"id": "qx"}),
		"bytes with a line feed":        passkey(object{"id": "q8\n3v"}),
		"no public key":                 passkey(object{"public_key": nil}),
		"a relying party with NUL":      passkey(object{"rp_id": "example.com\x00"}),
		"a passkey's name of two lines": passkey(object{"name": "a\u2028b"}),
		"a passkey without a time":      passkey(object{"created_at": nil}),
		"a sign count below zero":       passkey(object{"sign_count": -1}),
		"a sign count over 32 bits":     passkey(object{"sign_count": int64(1) << 32}),
		"a sign count with a fraction":  passkey(object{"sign_count": 1.5}),
		"transports that are none":      passkey(object{"transports": "usb"}),
		"a passkey twice":               user(object{"passkeys": []object{onePasskey(), onePasskey()}}),
		"a user twice":                  second(object{"id": "0b8f8e2e-6f0c-4a43-9e0f-0d3c9a1f7c55"}),
		"an address of two users":       second(object{"addresses": []object{but(oneAddress(), object{"id": "1a2c7a0e-58a4-4b8e-8f5c-1d1f0c2b3a44"})}}),
		"a passkey of two users":        second(object{"passkeys": []object{onePasskey()}}),
		"a key without an ID":           key(object{"id": nil}),
		"a key with NUL in its ID":      key(object{"id": "k\x00"}),
		"a key with NUL in its alg":     key(object{"algorithm": "\x00"}),
		"a key without a time":          key(object{"created_at": nil}),
		"a key twice":                   append(key(nil), key(nil)...),
		"an event without an ID":        event(object{"id": nil}),
		"an event ID below zero":        event(object{"id": int64(-1)}),
		"an event without a time":       event(object{"at": nil}),
		"an event of two lines":         event(object{"detail": "a\nb"}),
		"an event of 513 characters":    event(object{"client": strings.Repeat("a", 513)}),
		"events in the wrong order":     append(event(object{"id": int64(2)}), event(object{"id": int64(1)})...),
		"an event twice":                append(event(nil), event(nil)...),
		"a member that is not known":    user(object{"admin": true}),
		"one of a passkey":              passkey(object{"uv": true}),
		"a record of another kind":      {{"invitation": object{}}},
		"a record of two kinds":         {{"user": oneUser(), "event": oneEvent()}},
		"a record of no kind":           {{}},
		"a header in the middle":        {{"header": object{}}},
		"a user behind an event":        append(event(nil), user(nil)...),
		"a key behind a user":           append(user(nil), key(nil)...),
	}
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		empty := export(t, d)
		for name, records := range bad {
			_, err := d.Import(t.Context(), bytes.NewReader(file(t, records...)), directory.ImportOptions{})
			if err == nil {
				t.Fatalf("%s: no error", name) // and now it is in there
			}
			if !errors.Is(err, directory.ErrFile) {
				t.Errorf("%s: got error %v, want %v", name, err, directory.ErrFile)
			} else if !strings.Contains(err.Error(), ": line") || len(err.Error()) > 400 || strings.Contains(err.Error(), "@") {
				t.Errorf("%s: %q does not name the line, or quotes what is in it", name, err)
			}
		}
		wantLines(t, "after all that", export(t, d), empty)
	})
	for name, records := range good {
		d := openSQLite(t, filepath.Join(t.TempDir(), "directory.db"), time.Now)
		if _, err := d.Import(t.Context(), bytes.NewReader(file(t, records...)), directory.ImportOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFileThatIsNotWholeIsRefused(t *testing.T) {
	d := openSQLite(t, filepath.Join(t.TempDir(), "directory.db"), time.Now)
	all := records(23, 6)
	whole := file(t, all...)
	head := header(t, all...)
	if _, err := directory.Verify(bytes.NewReader(whole), nil); err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	lines = lines[:len(lines)-1] // behind the last line feed is nothing
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	withoutFooter := join(lines[:len(lines)-1]...)
	tooMany := counts(all...)
	tooMany["passkeys"]++
	files := map[string][]byte{
		"nothing":                         {},
		"another file":                    []byte("SQLite format 3\x00"),
		"another JSON":                    []byte("{\"users\":[]}\n"),
		"an array":                        []byte("[]\n"),
		"a newer version":                 sealFile(t, but(head, object{"version": 2}), all...),
		"a newer version with more":       sealFile(t, but(head, object{"version": 2, "region": "eu"}), all...),
		"no version":                      sealFile(t, but(head, object{"version": nil}), all...),
		"another format":                  sealFile(t, but(head, object{"format": "other-export"}), all...),
		"a header with more":              sealFile(t, but(head, object{"region": "eu"}), all...),
		"a count below zero":              sealFile(t, but(head, object{"counts": object{"users": -1}}), all...),
		"an event ID that leaves none":    sealFile(t, but(head, object{"last_event_id": int64(1) << 60}), all...),
		"another count in the header":     sealFile(t, but(head, object{"counts": tooMany}), all...),
		"another count in the footer":     sealLines(t, withoutFooter, tooMany),
		"another last event":              sealFile(t, but(head, object{"last_event_id": int64(1) << 50}), all...),
		"no footer":                       withoutFooter,
		"a footer without its end":        whole[:len(whole)-1],
		"a line more":                     join(whole, []byte("\n")),
		"a byte more":                     join(whole, []byte("x")),
		"twice":                           join(whole, whole),
		"no header":                       join(lines[1:]...),
		"a line less":                     join(append(lines[:2:2], lines[3:]...)...),
		"two lines in each other's place": join(append([][]byte{lines[0], lines[2], lines[1]}, lines[3:]...)...),
		"CRLF":                            bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n")),
		"not UTF-8":                       sealLines(t, join(lines[0], []byte("{\"event\":{\"id\":1,\"at\":\"2026-01-02T03:04:05.000006Z\",\"type\":\"\xff\"}}\n")), counts(all...)),
		"two objects on a line":           sealLines(t, join(withoutFooter, []byte("{\"event\":{}} {}\n")), counts(all...)),
	}
	for i := range lines { // cut at each line
		files[fmt.Sprintf("the first %d lines", i)] = join(lines[:i]...)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 { // a byte that is another
		at, bit := random.IntN(len(whole)), byte(1)<<random.IntN(8)
		damaged := bytes.Clone(whole)
		damaged[at] ^= bit
		files[fmt.Sprintf("bit %d of byte %d is another", bit, at)] = damaged
	}
	for name, content := range files {
		_, err := d.Import(t.Context(), bytes.NewReader(content), directory.ImportOptions{})
		wantErr(t, "Import: "+name, err, directory.ErrFile)
		if !slices.Contains([]string{"not UTF-8", "two objects on a line", "another last event"}, name) { // Verify looks at no record
			_, err = directory.Verify(bytes.NewReader(content), nil)
			wantErr(t, "Verify: "+name, err, directory.ErrFile)
		}
	}
	if _, err := d.Import(t.Context(), bytes.NewReader(whole), directory.ImportOptions{}); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestAFileOfANewerVersionIsRefusedAsSuch(t *testing.T) {
	head := but(header(t), object{"version": 7, "new": object{}})
	_, err := directory.Verify(bytes.NewReader(sealFile(t, head)), nil)
	if !errors.Is(err, directory.ErrFile) || !strings.Contains(err.Error(), "version 7") {
		t.Errorf("got error %v, want one that names the version", err)
	}
}

// endless is a line without end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += len(p)
	return len(p), nil
}

// A line as long as the file would fill the memory of a server that others need.
func TestALineWithoutEndIsGivenUp(t *testing.T) {
	d := openSQLite(t, filepath.Join(t.TempDir(), "directory.db"), time.Now)
	head, err := json.Marshal(object{"header": header(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []string{"", string(head) + "\n", string(head) + "\n" + `{"user":{"name":"`} {
		line := new(endless)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := d.Import(t.Context(), io.MultiReader(strings.NewReader(start), line), directory.ImportOptions{})
		runtime.ReadMemStats(&after)
		wantErr(t, "Import", err, directory.ErrFile)
		if line.read > 17<<20 {
			t.Errorf("it read %d bytes of one line", line.read)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 128<<20 {
			t.Errorf("it took %d bytes of memory for one line", taken)
		}
	}
}
