package directory

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Names and notes are one line of text that every database can keep, no longer
// than they may be; to clean one again changes nothing.
func FuzzNamesAndNotesAreOneLine(f *testing.F) {
	for _, s := range []string{"", "Laptop", " a ", "a\r\nb", "\u202ea", "\u2028", "\x00", "\xff", strings.Repeat("é", 65), strings.Repeat("x", 600), "a\u0085"} {
		f.Add(s)
	}
	oneLine := func(s string, limit int) bool {
		return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit && isText(s) && !strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
		})
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := cleanName(s)
		if err == nil && !oneLine(name, maxName) || err != nil && (!errors.Is(err, ErrName) || name != "") {
			t.Errorf("cleanName(%q) = %q, %v", s, name, err)
		}
		if again, err := cleanName(name); err != nil || again != name {
			t.Errorf("cleanName(%q) = %q, and of that %q, %v", s, name, again, err)
		}
		note := cleanNote(s)
		if !oneLine(note, maxNote) {
			t.Errorf("cleanNote(%q) = %q", s, note)
		}
		if again := cleanNote(note); again != note {
			t.Errorf("cleanNote(%q) = %q, and of that %q", s, note, again)
		}
		// A list of groups travels as one header with commas in it.
		groups, err := cleanGroups([]string{s, "b", s})
		if err == nil && (!slices.IsSorted(groups) || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:") != "" || len(s) > maxGroup || s == "") {
			t.Errorf("cleanGroups(%q) = %q", s, groups)
		}
	})
}

// No error of a PostgreSQL URL repeats a password that stands in it, however the
// rest of the URL is written.
func FuzzPostgresURLErrorsKeepThePassword(f *testing.F) {
	for _, scheme := range []string{"postgres://", "postgresql://", "mysql://", ""} {
		for _, around := range [][2]string{
			{"ann:", "@localhost:5432/doorward?sslmode=verify-full"}, {"ann:", "/x@localhost"}, {"ann:", ":x@localhost"}, {":", "@"}, {"ann:a?", "@h"}, {"ann:a#", "@h"},
			{"", ""}, {"h/", ""}, {"h/d?sslmode=", ""}, {"h/d?", "=1"}, {"h/d?password=", "&sslmode=x"}, {"[", "]"}, {"h:", "/d"}, {"ann:%", "@h"}, {"h,", ",h/d"}, {"h/d?connect_timeout=", ""},
		} {
			f.Add(scheme+around[0], around[1])
		}
	}
	f.Add("host=localhost password=", " dbname=doorward")
	const password = "Zq7Zq7Zq7"
	f.Fuzz(func(t *testing.T, before, after string) {
		where := before + password + after
		// The names of files of certificates are repeated, on purpose.
		if strings.Contains(where, "ssl") && strings.Contains(where, "=") {
			return
		}
		if _, err := parsePostgresURL(where); err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("%q: the error %q shows the password", where, err)
		}
	})
}

// A file of an export is read to its end as it was written, or refused: with any
// change to what stands before its last line its checksum is another. Verify, which
// looks at no record, finds out as well.
func FuzzChangedExportIsRefused(f *testing.F) {
	lines := `{"header":{"format":"doorward-export","version":1,"created_at":"2026-02-03T04:05:06.000789Z","program":"","counts":{"users":1,"addresses":1,"groups":1,"passkeys":0,"keys":1,"events":1},"last_event_id":9}}
{"key":{"id":"6QJ2N4VDJ5XUIFNCKZDMMBOJKC","algorithm":"ES256","public":"eyJrdHkiOiJFQyJ9","sealed":"AQxhbGwgb2YgaXQgc2VhbGVk","created_at":"2026-01-01T00:00:00.000000Z"}}
{"user":{"id":"0b8f8e2e-6f0c-4a43-9e0f-0d3c9a1f7c55","name":"Ann","disabled":false,"added":true,"groups":["admins"],"created_at":"2026-01-02T03:04:05.000006Z","updated_at":"2026-01-02T03:04:05.000006Z","addresses":[{"id":"9a2c7a0e-58a4-4b8e-8f5c-1d1f0c2b3a44","address":"ann@example.com","verified":true,"primary":true,"created_at":"2026-01-02T03:04:05.000006Z","updated_at":"2026-01-02T03:04:05.000006Z"}],"passkeys":[]}}
{"event":{"id":7,"at":"2026-01-02T03:05:00.000000Z","type":"passkey_added","user_id":"","detail":"","client":"192.0.2.1"}}
`
	sum := sha256.Sum256([]byte(lines))
	file := []byte(lines + fmt.Sprintf(`{"footer":{"counts":{"users":1,"addresses":1,"groups":1,"passkeys":0,"keys":1,"events":1},"sha256":%q}}`, base64.RawURLEncoding.EncodeToString(sum[:])) + "\n")
	read := func(content []byte) error {
		r, err := readFile(bytes.NewReader(content))
		for err == nil {
			_, err = r.next()
		}
		if err == io.EOF {
			return nil
		}
		return err
	}
	if err := read(file); err != nil {
		f.Fatalf("the file itself: %v", err)
	}
	for at := 0; at < len(file); at += 97 {
		f.Add(uint16(at), uint16(0), []byte(" "))
		f.Add(uint16(at), uint16(1), []byte("0"))
		f.Add(uint16(at), uint16(1<<15), []byte{})
	}
	f.Add(uint16(len(file)), uint16(0), []byte("\n"))
	f.Fuzz(func(t *testing.T, at, remove uint16, put []byte) {
		from := int(at) % (len(file) + 1)
		to := min(from+int(remove), len(file))
		changed := slices.Concat(file[:from], put, file[to:])
		whole := bytes.HasPrefix(changed, []byte(lines))
		_, verified := Verify(bytes.NewReader(changed), nil)
		for name, err := range map[string]error{"reading": read(changed), "Verify": verified} {
			switch {
			case err == nil && !whole:
				t.Errorf("%s: %q in place of %d bytes from %d is not noticed", name, put, remove, from)
			case err != nil && !errors.Is(err, ErrFile):
				t.Errorf("%s: %q in place of %d bytes from %d: %v, want ErrFile", name, put, remove, from, err)
			case err != nil && bytes.Equal(changed, file):
				t.Errorf("%s: the file itself: %v", name, err)
			}
		}
	})
}
