package directory_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

func export(t testing.TB, d *directory.Directory) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := d.Export(t.Context(), &b, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func importFile(t testing.TB, d *directory.Directory, file []byte) directory.Summary {
	t.Helper()
	s, err := d.Import(t.Context(), bytes.NewReader(file), directory.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantLines fails the test unless the lines of two files, but the first and the
// last, say the same.
func wantLines(t testing.TB, what string, got, want []byte) {
	t.Helper()
	g, w := decodeLines(t, got), decodeLines(t, want)
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			t.Errorf("%s: line %d is missing: %v", what, i+2, w[i])
		case i >= len(w):
			t.Errorf("%s: line %d is more than there was: %v", what, i+2, g[i])
		case !reflect.DeepEqual(g[i], w[i]):
			t.Errorf("%s: line %d\ngot  %v\nwant %v", what, i+2, g[i], w[i])
		}
		if t.Failed() {
			return
		}
	}
}

func TestADirectoryMovesFromSQLiteToPostgreSQLAndBackUnchanged(t *testing.T) {
	p := directorytest.SharedPostgres(t)
	for _, seed := range []uint64{1, 2, 3} {
		made := file(t, records(seed, 30)...)
		if seed == 1 { // longer than a page
			made = file(t, records(seed, 620)...)
		}
		first := openSQLite(t, filepath.Join(t.TempDir(), "first.db"), time.Now)
		importFile(t, first, made)
		once := export(t, first)
		wantLines(t, "from SQLite", once, made)

		second := openPostgres(t, p.NewDatabase(), time.Now)
		importFile(t, second, once)
		twice := export(t, second)
		wantLines(t, "from PostgreSQL", twice, made)

		third := openSQLite(t, filepath.Join(t.TempDir(), "third.db"), time.Now)
		importFile(t, third, twice)
		thrice := export(t, third)
		if got, want := withoutHeader(thrice), withoutHeader(once); got != want {
			t.Error("what came back to SQLite is not, byte by byte, what left it")
		}
	}
}

// withoutHeader returns the lines between the first and the last.
func withoutHeader(file []byte) string {
	lines := strings.SplitAfter(string(file), "\n")
	return strings.Join(lines[1:len(lines)-2], "")
}

// What callers of the directory see is the same after a move: this test knows
// nothing of the format.
func TestAnImportedDirectoryAnswersAsTheOldOneDid(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		old := openSQLite(t, filepath.Join(t.TempDir(), "old.db"), (&clock{t: epoch}).now)
		ann := createUser(t, old, "ann@example.com")
		bob := createUser(t, old, "bob@example.com")
		for _, err := range []error{
			old.SetGroups(t.Context(), ann.ID, []string{"staff", "admins"}),
			old.SetName(t.Context(), ann.ID, "Ann <3"),
			old.SetAdded(t.Context(), ann.ID, true),
			old.SetDisabled(t.Context(), bob.ID, true),
			old.MarkVerified(t.Context(), bob.ID, "bob@example.com"),
			old.Record(t.Context(), directory.Event{Type: "one", UserID: ann.ID, Client: "here"}),
			old.Record(t.Context(), directory.Event{Type: "two", Detail: "ü"}),
			old.ChangeKeys(t.Context(), func([]directory.Key) ([]directory.Key, error) {
				return []directory.Key{{ID: "k1", Algorithm: "ES256", Public: []byte("{}"), Sealed: []byte{1, 2, 3}}}, nil
			}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		addPasskey(t, old, directory.Passkey{
			ID: []byte("first"), UserID: ann.ID, RPID: "example.com", Name: "Laptop", AAGUID: make([]byte, 16),
			Transports: []string{"internal"}, UserPresent: true, BackupEligible: true, Discoverable: true,
		})
		addPasskey(t, old, directory.Passkey{ID: []byte("second"), UserID: ann.ID, AAGUID: make([]byte, 16), SignCount: 5})
		if err := old.UsePasskey(t.Context(), directory.PasskeyUse{ID: []byte("second"), UserID: ann.ID, SignCount: 9, UserVerified: true}); err != nil {
			t.Fatal(err)
		}

		d := open(t)
		importFile(t, d, export(t, old))
		type answers struct {
			users    []directory.User
			passkeys []directory.Passkey
			keys     []directory.Key
			events   []directory.Event
		}
		ask := func(d *directory.Directory) answers {
			var a answers
			var errs [4]error
			a.users, errs[0] = d.Users(t.Context(), "", 10)
			a.passkeys, errs[1] = d.Passkeys(t.Context(), ann.ID)
			a.keys, errs[2] = d.Keys(t.Context())
			a.events, errs[3] = d.Events(t.Context(), "", 10)
			if err := errors.Join(errs[:]...); err != nil {
				t.Fatal(err)
			}
			return a
		}
		got, want := ask(d), ask(old)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%+v\nwant\n%+v", got, want)
		}
		if len(want.users) != 2 || len(want.passkeys) != 2 || len(want.keys) != 1 || len(want.events) != 2 {
			t.Fatalf("the old directory: %+v", want)
		}

		// And it goes on from there.
		err := d.UsePasskey(t.Context(), directory.PasskeyUse{ID: []byte("second"), UserID: ann.ID, SignCount: 9})
		wantErr(t, "a sign count of before the move", err, directory.ErrSignCount)
		_, err = d.CreateUser(t.Context(), directory.NewUser{Address: "ann@example.com"})
		wantErr(t, "an address of before the move", err, directory.ErrTaken)
		if err := d.Record(t.Context(), directory.Event{Type: "three"}); err != nil {
			t.Fatal(err)
		}
		events, err := d.Events(t.Context(), "", 10)
		if err != nil || len(events) != 3 || events[0].Type != "three" || events[0].ID <= want.events[0].ID {
			t.Errorf("events %+v, %v: want three, the newest first", events, err)
		}
	})
}

func TestImportWantsADirectoryWithoutUsers(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		createUser(t, d, "first@example.com")
		before := export(t, d)
		_, err := d.Import(t.Context(), bytes.NewReader(file(t, records(7, 3)...)), directory.ImportOptions{})
		wantErr(t, "Import", err, directory.ErrNotEmpty)
		wantLines(t, "after the refusal", export(t, d), before)
	})
}

func TestAnEmptyDirectoryCanBeMovedToo(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		if s := importFile(t, d, file(t)); s.Counts != (directory.Counts{}) {
			t.Errorf("got %+v, want nothing", s)
		}
		if got := len(decodeLines(t, export(t, d))); got != 0 {
			t.Errorf("%d lines in the export of an empty directory, want 0", got)
		}
	})
}

func TestKeysAndEventsThatAreThereStay(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		own := directory.Key{ID: "own", Algorithm: "ES256", Public: []byte("{}"), Sealed: []byte("x"), CreatedAt: epoch, SignsFrom: epoch}
		err := d.ChangeKeys(t.Context(), func(keys []directory.Key) ([]directory.Key, error) { return append(keys, own), nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"early", "later"} {
			if err := d.Record(t.Context(), directory.Event{Type: kind}); err != nil {
				t.Fatal(err)
			}
		}
		old := []object{
			{"key": object{"id": "old", "algorithm": "ES256", "public": "e30", "sealed": "AQ", "created_at": "2020-01-01T00:00:00.000000Z"}},
			{"event": object{"id": int64(1), "at": "2020-01-01T00:00:00.000000Z", "type": "old one"}},
			{"event": object{"id": int64(3), "at": "2020-01-02T00:00:00.000000Z", "type": "old three"}},
		}
		importFile(t, d, file(t, old...))

		keys, err := d.Keys(t.Context())
		if err != nil || len(keys) != 2 || keys[0].ID != "old" || !reflect.DeepEqual(keys[1], own) {
			t.Errorf("keys %+v, %v: want the old one and our own as it was", keys, err)
		}
		if len(keys) == 2 && !keys[0].SignsFrom.Equal(keys[0].CreatedAt) {
			t.Errorf("a key without signs_from signs from %v, want %v", keys[0].SignsFrom, keys[0].CreatedAt)
		}
		if err := d.Record(t.Context(), directory.Event{Type: "newest"}); err != nil {
			t.Fatal(err)
		}
		events, err := d.Events(t.Context(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		ids := make(map[string]int64)
		for _, e := range events {
			got = append(got, e.Type)
			ids[e.Type] = e.ID
		}
		if want := []string{"newest", "later", "early", "old three", "old one"}; !reflect.DeepEqual(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
		if ids["old one"] != 1 || ids["old three"] != 3 {
			t.Errorf("IDs of the file's events: %v", ids)
		}
	})
}

func TestAKeyThatIsThereAlreadyStaysAsItIs(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		own := directory.Key{ID: "k", Algorithm: "ES256", Public: []byte("{}"), Sealed: []byte("sealed anew"), CreatedAt: epoch, SignsFrom: epoch}
		err := d.ChangeKeys(t.Context(), func(keys []directory.Key) ([]directory.Key, error) { return append(keys, own), nil })
		if err != nil {
			t.Fatal(err)
		}
		same := object{"id": "k", "algorithm": "ES256", "public": "e30", "sealed": "AQ", "created_at": epoch.Format("2006-01-02T15:04:05.000000Z")}
		importFile(t, d, file(t, object{"key": same}))
		if keys, err := d.Keys(t.Context()); err != nil || len(keys) != 1 || !reflect.DeepEqual(keys[0], own) {
			t.Errorf("keys %+v, %v: want %+v", keys, err, own)
		}
		same["public"] = "AQ"
		_, err = d.Import(t.Context(), bytes.NewReader(file(t, object{"key": same})), directory.ImportOptions{})
		wantErr(t, "another key of that ID", err, directory.ErrTaken)
		wantErr(t, "another key of that ID", err, directory.ErrFile)
	})
}

func TestEachKeyIsLookedAtBeforeAnythingIsKept(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		key := func(id string) object {
			return object{"key": object{"id": id, "algorithm": "ES256", "public": "e30", "sealed": "AQID", "created_at": "2020-01-01T00:00:00.000000Z"}}
		}
		made := file(t, append([]object{key("good"), key("bad")}, withoutKeys(records(9, 3))...)...)
		refusal := errors.New("sealed with another secret")
		_, err := d.Import(t.Context(), bytes.NewReader(made), directory.ImportOptions{Key: func(k directory.Key) (directory.Key, error) {
			if k.ID == "bad" {
				return k, refusal
			}
			return k, nil
		}})
		wantErr(t, "a key that does not open", err, refusal)
		if errors.Is(err, directory.ErrFile) || err == nil || !strings.Contains(err.Error(), `"bad"`) {
			t.Errorf("%v: want an error that names the key, and does not blame the file", err)
		}
		wantLines(t, "after the refusal", export(t, d), file(t))

		later := epoch.Add(time.Hour)
		_, err = d.Import(t.Context(), bytes.NewReader(made), directory.ImportOptions{Key: func(k directory.Key) (directory.Key, error) {
			k.RetiresAt = later
			return k, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := d.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if !k.RetiresAt.Equal(later) {
				t.Errorf("key %s retires at %v, want %v", k.ID, k.RetiresAt, later)
			}
		}
	})
}

func withoutKeys(records []object) []object {
	return slices.DeleteFunc(records, func(r object) bool { return r["key"] != nil })
}

// brokenReader fails after what it has.
type brokenReader struct {
	r   io.Reader
	err error
}

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

func TestAnImportThatIsCutShortLeavesNoTrace(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		made := file(t, records(11, 40)...)
		broken := errors.New("connection reset")
		for _, part := range []int{0, len(made) / 2, len(made) - 1} {
			_, err := d.Import(t.Context(), brokenReader{bytes.NewReader(made[:part]), broken}, directory.ImportOptions{})
			wantErr(t, "a reader that fails", err, broken)
			if errors.Is(err, directory.ErrFile) {
				t.Errorf("%v: blames the file", err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err := d.Import(ctx, bytes.NewReader(made), directory.ImportOptions{Progress: func(directory.Progress) { cancel() }})
		wantErr(t, "a context that ends", err, context.Canceled)
		wantLines(t, "after all that", export(t, d), file(t))
		importFile(t, d, made)
		wantLines(t, "after an import", export(t, d), made)
	})
}

func TestProgressEndsWithAllOfIt(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		made := file(t, records(13, 620)...)
		var imported, exported, verified []directory.Progress
		note := func(to *[]directory.Progress) func(directory.Progress) {
			return func(p directory.Progress) { *to = append(*to, p) }
		}
		summary, err := d.Import(t.Context(), bytes.NewReader(made), directory.ImportOptions{Progress: note(&imported)})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := d.Export(t.Context(), &b, note(&exported)); err != nil {
			t.Fatal(err)
		}
		if _, err := directory.Verify(&b, note(&verified)); err != nil {
			t.Fatal(err)
		}
		var want directory.Counts
		counted, err := json.Marshal(counts(records(13, 620)...))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(counted, &want); err != nil {
			t.Fatal(err)
		}
		if summary.Counts != want || summary.Program != "v1.2.3" || !summary.CreatedAt.Equal(epoch) {
			t.Errorf("got %+v, want %+v", summary, want)
		}
		for _, ps := range [][]directory.Progress{imported, exported} {
			if len(ps) == 0 || ps[len(ps)-1].Done != want || ps[len(ps)-1].Total != want {
				t.Errorf("progress %+v: want it to end with %+v", ps, want)
			}
		}
		if len(exported) < 2 || exported[0].Done.Users == 0 || exported[0].Done.Users == want.Users {
			t.Errorf("progress %+v: want steps in between", exported)
		}
		if len(verified) == 0 || verified[0].Total != want {
			t.Errorf("progress of Verify: %+v", verified)
		}
	})
}
