package directory_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

// raw opens the file as anybody could.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execRaw(t testing.TB, path, statement string, args ...any) {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// contents returns what every file in a folder holds.
func contents(t testing.TB, folder string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func TestNewSQLiteTouchesNothing(t *testing.T) {
	folder := t.TempDir()
	d := directory.NewSQLite(directory.SQLiteOptions{Path: filepath.Join(folder, "state", "directory.db")})
	if files := contents(t, folder); len(files) != 0 {
		t.Errorf("got %v, want nothing", slices.Collect(maps.Keys(files)))
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close of what was never opened: %v", err)
	}
}

func TestOnlyTheOwnerCanReadTheFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	folder := filepath.Join(t.TempDir(), "var", "doorward 100%?#")
	d := openSQLite(t, filepath.Join(folder, "directory.db"), time.Now)
	createUser(t, d, "alice@example.com")

	var names []string
	for _, path := range []string{filepath.Dir(folder), folder} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := info.Mode().Perm(), fs.FileMode(0o700); got != want {
			t.Errorf("%s: got mode %v, want %v", path, got, want)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := info.Mode().Perm(), fs.FileMode(0o600); got != want {
			t.Errorf("%s: got mode %v, want %v", e.Name(), got, want)
		}
	}
	if want := []string{"directory.db", "directory.db-shm", "directory.db-wal", "directory.db.lock"}; !slices.Equal(names, want) {
		t.Errorf("got files %q, want %q", names, want)
	}
}

func TestOpenSaysWhyItCannot(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	if err := os.WriteFile(text, []byte("this is not a database, whatever its name is"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no path":        "",
		"a folder":       folder,
		"not a database": text,
		"a file on top":  filepath.Join(text, "directory.db"),
	} {
		d := directory.NewSQLite(directory.SQLiteOptions{Path: path})
		if err := d.Open(t.Context()); err == nil {
			d.Close()
			t.Errorf("%s: opened", name)
		}
	}
	if b, err := os.ReadFile(text); err != nil || string(b) != "this is not a database, whatever its name is" {
		t.Errorf("the text file: got %q, %v", b, err)
	}
}

// A program that is rolled back must not write to tables that it does not
// know.
func TestANewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "directory.db")
	d := openSQLite(t, path, time.Now)
	createUser(t, d, "alice@example.com")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	execRaw(t, path, `INSERT INTO doorward_schema (version_id, is_applied) VALUES (999999, 1)`)
	before := contents(t, folder)

	err := d.Open(t.Context())
	wantErr(t, "Open", err, directory.ErrNewerSchema)
	if after := contents(t, folder); !reflect.DeepEqual(after, before) {
		t.Error("a file changed")
	}
	if _, err := d.UserByAddress(t.Context(), "alice@example.com"); err == nil || errors.Is(err, directory.ErrNotFound) {
		t.Errorf("UserByAddress after a refused Open: got error %v, want a failure", err)
	}

	execRaw(t, path, `DELETE FROM doorward_schema WHERE version_id = 999999`)
	if err := d.Open(t.Context()); err != nil {
		t.Fatalf("Open of the schema that this program knows: %v", err)
	}
	if _, err := d.UserByAddress(t.Context(), "alice@example.com"); err != nil {
		t.Error(err)
	}
}

// VACUUM INTO is a way to make a backup of a database in use. The copy is not
// in write-ahead mode.
func TestARestoredBackupIsWhole(t *testing.T) {
	folder := t.TempDir()
	d := openSQLite(t, filepath.Join(folder, "directory.db"), time.Now)
	alice := createUser(t, d, "alice@example.com")
	backup := filepath.Join(folder, "backup.db")
	execRaw(t, filepath.Join(folder, "directory.db"), `VACUUM INTO $1`, backup)

	restored := openSQLite(t, backup, time.Now)
	if u, err := restored.User(t.Context(), alice.ID); err != nil || !reflect.DeepEqual(u, alice) {
		t.Errorf("got %+v, %v, want %+v", u, err, alice)
	}
	var mode string
	if err := raw(t, backup).QueryRowContext(t.Context(), `PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("got journal mode %s, %v, want wal", mode, err)
	}
}

func TestManyOpenANewFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "directory.db")
	handles := make([]*directory.Directory, 8)
	errs := concurrently(len(handles), func(i int) error {
		handles[i] = directory.NewSQLite(directory.SQLiteOptions{Path: path})
		if err := handles[i].Open(t.Context()); err != nil {
			return err
		}
		_, err := handles[i].CreateUser(t.Context(), directory.NewUser{Address: directory.Address(fmt.Sprintf("user%d@example.com", i))})
		return err
	})
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if users, err := handles[0].Users(t.Context(), "", 100); err != nil || len(users) != len(handles) {
		t.Errorf("got %d users, %v, want %d", len(users), err, len(handles))
	}
	for _, d := range handles {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenStopsWaitingForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory.db")
	holder, err := raw(t, path+".lock").Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if _, err := holder.ExecContext(t.Context(), `BEGIN EXCLUSIVE`); err != nil {
		t.Fatal(err)
	}

	d := directory.NewSQLite(directory.SQLiteOptions{Path: path})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wantErr(t, "Open", d.Open(ctx), context.DeadlineExceeded)
	if b, err := os.ReadFile(path); err != nil || len(b) != 0 {
		t.Errorf("the database of a process that does not hold the lock: got %d bytes, %v, want 0", len(b), err)
	}

	if _, err := holder.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if err := d.Open(t.Context()); err != nil {
		t.Errorf("Open when nobody holds the lock: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Readers do not wait for a writer, nor does a reader keep a writer waiting.
func TestReadingGoesOnWhileAnotherProcessWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory.db")
	d := openSQLite(t, path, time.Now)
	alice := createUser(t, d, "alice@example.com")
	writer, err := raw(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for _, statement := range []string{`BEGIN IMMEDIATE`, `UPDATE users SET name = 'Mallory'`} {
		if _, err := writer.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if u, err := d.User(t.Context(), alice.ID); err != nil || u.Name != "" {
		t.Errorf("got name %q, %v, want what was committed", u.Name, err)
	}
	if _, err := writer.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if err := d.SetName(t.Context(), alice.ID, "Alice"); err != nil {
		t.Error(err)
	}
}

func openAndClose(t testing.TB, path string) error {
	t.Helper()
	d := directory.NewSQLite(directory.SQLiteOptions{Path: path})
	if err := d.Open(t.Context()); err != nil {
		return err
	}
	return d.Close()
}
