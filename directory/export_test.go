package directory_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/doorward/doorward/directory"
)

// onFirst is a writer that calls do when the first bytes come.
type onFirst struct {
	io.Writer
	do func()
}

func (w *onFirst) Write(p []byte) (int, error) {
	if w.do != nil {
		w.do()
		w.do = nil
	}
	return w.Writer.Write(p)
}

func TestAnExportShowsOneMoment(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d, other := open(t), open(t)
		importFile(t, d, file(t, records(17, 620)...)) // several pages, and more than the writer's buffer
		before := export(t, d)

		users, err := d.Users(t.Context(), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		first, last := users[0], users[len(users)-1]
		var during bytes.Buffer
		_, err = d.Export(t.Context(), &onFirst{&during, func() {
			// Each of them is an answered change, made while the export is under way.
			u := createUser(t, other, "new@example.com")
			addPasskey(t, other, directory.Passkey{ID: []byte("new"), UserID: u.ID})
			for _, err := range []error{
				other.RemoveUser(t.Context(), last.ID),
				other.SetName(t.Context(), first.ID, "Renamed"),
				other.Record(t.Context(), directory.Event{Type: "new"}),
			} {
				if err != nil {
					t.Error(err)
				}
			}
		}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantLines(t, "while others wrote", during.Bytes(), before)
		if after := export(t, d); !strings.Contains(string(after), "Renamed") || strings.Contains(string(after), last.ID) {
			t.Error("the changes are not in the export after them")
		}
	})
}

// full is a writer that fails after some bytes.
type full struct{ left int }

var errFull = errors.New("no space left on device")

func (w *full) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, errFull
	}
	w.left -= len(p)
	return len(p), nil
}

func TestAnExportThatCannotBeWrittenFails(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		importFile(t, d, file(t, records(19, 200)...))
		whole := len(export(t, d))
		for _, left := range []int{0, whole / 2, whole - 1} {
			if _, err := d.Export(t.Context(), &full{left}, nil); !errors.Is(err, errFull) {
				t.Errorf("room for %d of %d bytes: got error %v, want %v", left, whole, err, errFull)
			}
		}
		if _, err := d.Export(t.Context(), &full{whole}, nil); err != nil {
			t.Errorf("room for all: %v", err)
		}
	})
}

func TestAnExportIsReadableByOthers(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		u, err := d.CreateUser(t.Context(), directory.NewUser{Address: "a&b@example.com", Name: "<Ann>"})
		if err != nil {
			t.Fatal(err)
		}
		addPasskey(t, d, directory.Passkey{ID: []byte{0xfb, 0xff, 0xfe}, UserID: u.ID})
		got := string(export(t, d))
		for _, want := range []string{`"a&b@example.com"`, `"<Ann>"`, `"id":"-__-"`, `.000789Z"`, `"groups":[]`, `"transports":[]`} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in\n%s", want, got)
			}
		}
		for _, never := range []string{`null`, `last_used_at`} {
			if strings.Contains(got, never) {
				t.Errorf("%s in\n%s", never, got)
			}
		}
	})
}
