package directory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

func TestWhileAnImportRunsOthersReadAndDoNotWrite(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		importing, other := open(t), open(t)
		made := file(t, records(29, 60)...)
		r, w := io.Pipe()
		imported := make(chan error, 1)
		go func() {
			_, err := importing.Import(t.Context(), r, directory.ImportOptions{})
			imported <- err
		}()
		if _, err := w.Write(made[:len(made)/2]); err != nil { // taken when the import has got that far
			t.Fatal(err)
		}

		if users, err := other.Users(t.Context(), "", 10); err != nil || len(users) != 0 {
			t.Errorf("users %v, %v: want none yet", users, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		writes := []func() error{
			func() error {
				_, err := other.CreateUser(ctx, directory.NewUser{Address: "new@example.com"})
				return err
			},
			func() error { return other.Record(ctx, directory.Event{Type: "new"}) },
			func() error {
				return other.ChangeKeys(ctx, func(k []directory.Key) ([]directory.Key, error) {
					return append(k, directory.Key{ID: "new", Algorithm: "ES256"}), nil
				})
			},
		}
		for i, err := range concurrently(len(writes), func(i int) error { return writes[i]() }) {
			if err == nil || errors.Is(err, directory.ErrTaken) {
				t.Errorf("write %d: got error %v, want that it could not wait", i, err)
			}
		}

		if _, err := w.Write(made[len(made)/2:]); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if err := <-imported; err != nil {
			t.Fatal(err)
		}
		wantLines(t, "after the import", export(t, other), made)
		createUser(t, other, "new@example.com")
	})
}

func TestOfTwoImportsAtOnceOneIsMade(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		handles := []*directory.Directory{open(t), open(t)}
		files := [][]byte{file(t, withoutKeys(records(31, 20))...), file(t, withoutKeys(records(37, 20))...)}
		errs := concurrently(2, func(i int) error {
			_, err := handles[i].Import(t.Context(), bytes.NewReader(files[i]), directory.ImportOptions{})
			return err
		})
		made := 0
		for i, err := range errs {
			if err == nil {
				made++
				wantLines(t, "the one that was made", export(t, handles[0]), files[i])
			} else {
				wantErr(t, "the other one", err, directory.ErrNotEmpty)
			}
		}
		if made != 1 {
			t.Errorf("%d imports were made, want 1: %v", made, errs)
		}
	})
}

// childImport names the file that a child imports; childStop says at which call
// of Progress it stops, and waits to be killed.
const (
	childImport = "DOORWARD_TEST_CHILD_IMPORT"
	childStop   = "DOORWARD_TEST_CHILD_STOP"
)

func importingChild(ctx context.Context, d *directory.Directory, name string) error {
	var stop int
	if _, err := fmt.Sscan(os.Getenv(childStop), &stop); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	calls := 0
	_, err = d.Import(ctx, f, directory.ImportOptions{Progress: func(directory.Progress) {
		if calls++; calls == stop {
			fmt.Println("stopped")
			select {}
		}
	}})
	return err
}

func TestKill9WhileImportingLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	made := file(t, records(41, 1150)...) // more than one flush
	name := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(name, made, 0o600); err != nil {
		t.Fatal(err)
	}
	places := map[string]func() (string, *directory.Directory){
		"SQLite": func() (string, *directory.Directory) {
			path := filepath.Join(t.TempDir(), "directory.db")
			return path, directory.NewSQLite(directory.SQLiteOptions{Path: path})
		},
		"PostgreSQL": func() (string, *directory.Directory) {
			url := directorytest.SharedPostgres(t).NewDatabase()
			return url, newPostgres(t, directory.PostgresOptions{URL: url})
		},
	}
	calls := 0
	counting := openSQLite(t, filepath.Join(t.TempDir(), "counting.db"), time.Now)
	_, err := counting.Import(t.Context(), bytes.NewReader(made), directory.ImportOptions{Progress: func(directory.Progress) { calls++ }})
	if err != nil || calls < 2 {
		t.Fatalf("%d calls of Progress, %v", calls, err)
	}
	for database, make := range places {
		for _, stop := range []int{1, calls} { // in the middle, and when all is written but not committed
			t.Run(fmt.Sprintf("%s/%d", database, stop), func(t *testing.T) {
				place, d := make()
				killImport(t, place, name, stop)
				if err := d.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				wantLines(t, "after the kill", export(t, d), file(t))
				importFile(t, d, made)
				wantLines(t, "after another import", export(t, d), made)
			})
		}
	}
}

// killImport starts a child that imports the file, and kills it when it has
// stopped.
func killImport(t *testing.T, place, name string, stop int) {
	t.Helper()
	cmd := childCommand(t.Context(), place, "importing")
	cmd.Env = append(cmd.Env, childImport+"="+name, fmt.Sprintf("%s=%d", childStop, stop))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("stopped\n"))
	if _, err := io.ReadFull(stdout, said); err != nil || !strings.HasPrefix(string(said), "stopped") {
		t.Errorf("the child said %q, %v", said, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
}

func TestAnImportDuringWhichTheServerCrashesLeavesNothing(t *testing.T) {
	p := directorytest.StartPostgres(t)
	d := openPostgres(t, p.URL(), time.Now)
	made := file(t, records(43, 1150)...)
	crashed := false
	_, err := d.Import(t.Context(), bytes.NewReader(made), directory.ImportOptions{Progress: func(directory.Progress) {
		if !crashed {
			crashed = true
			p.Stop()
		}
	}})
	if err == nil || errors.Is(err, directory.ErrFile) || errors.Is(err, directory.ErrNotEmpty) {
		t.Errorf("got error %v, want that of a connection", err)
	}
	p.Restart()
	wantLines(t, "after the crash", export(t, d), file(t))
	importFile(t, d, made)
	wantLines(t, "after another import", export(t, d), made)
}
