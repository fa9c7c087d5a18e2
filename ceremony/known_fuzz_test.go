package ceremony_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/ceremony"
)

// A browser is known to those who have signed in with it and to nobody else,
// whatever it makes of its marks: altered ones are left out, and signing in again
// with them makes no more known than there can be, in what a cookie can hold.
func FuzzMarksOfABrowserWithAChange(f *testing.F) {
	r := newRig(f, setup{})
	b := r.passcodes.Browsers()
	marks, made := "", map[string]bool{}
	for i := range 3 {
		marks = b.Add(marks, r.user(f, fmt.Sprintf("user%d@example.com", i)).ID)
		r.advance(time.Hour)
	}
	for _, k := range b.Read(marks) {
		made[k.UserID+k.Device] = true
	}
	if len(made) != 3 {
		f.Fatalf("the browser is known to %d users, want 3", len(made))
	}
	ann := r.user(f, "ann@example.com").ID
	for _, at := range []uint16{0, 1, 30, 95, 96, 97, 98, 200} {
		f.Add(at, uint16(0), "")
		f.Add(at, uint16(1), "A")
		f.Add(at, uint16(97), "")
		f.Add(at, uint16(0), ".")
		f.Add(at, uint16(0), "=")
		f.Add(at, uint16(0), "MARKS") // which are others each time
	}
	f.Add(uint16(0), uint16(1<<15), strings.Repeat(".", 5000))
	f.Add(uint16(0), uint16(1<<15), strings.Repeat("A", 96))
	f.Fuzz(func(t *testing.T, at, remove uint16, put string) {
		changed := string(splice([]byte(marks), at, remove, []byte(strings.ReplaceAll(put, "MARKS", marks))))
		before := b.Read(changed)
		for _, k := range before {
			if !made[k.UserID+k.Device] {
				t.Errorf("%q makes the browser known to %+v", changed, k)
			}
		}
		added := b.Add(changed, ann)
		after := b.Read(added)
		if len(after) == 0 || after[0].UserID != ann || len(after) > 4 || len(added) > 1024 ||
			strings.Trim(added, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("%q becomes %q of %+v when ann signs in", changed, added, after)
		}
		for _, k := range after[1:] {
			if !slices.Contains(before, k) {
				t.Errorf("%q makes the browser known to %+v once ann has signed in", changed, k)
			}
		}
		if left := b.Read(b.Remove(added, ann)); slices.ContainsFunc(left, func(k ceremony.Known) bool { return k.UserID == ann }) {
			t.Errorf("%q is known to ann after she was removed", added)
		}
	})
}
