package directory_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/directory/directorytest"
)

const (
	childPlace = "DOORWARD_TEST_CHILD_PLACE" // a path or a URL; makes the test binary a child
	childName  = "DOORWARD_TEST_CHILD_NAME"  // distinguishes its addresses
	childUsers = "DOORWARD_TEST_CHILD_USERS" // how many to create; endless if empty
)

// child opens the directory and creates users with a passkey, which is used, an event
// and a second address each, which it makes the primary one, until it is killed. It says what
// was answered, one line each, after it was answered.
func child(ctx context.Context, place string) error {
	d := directory.NewSQLite(directory.SQLiteOptions{Path: place})
	if strings.HasPrefix(place, "postgres://") {
		var err error
		if d, err = directory.NewPostgres(directory.PostgresOptions{URL: place}); err != nil {
			return err
		}
	}
	if err := d.Open(ctx); err != nil {
		return err
	}
	if name := os.Getenv(childImport); name != "" {
		return importingChild(ctx, d, name)
	}
	users := 1 << 30
	if s := os.Getenv(childUsers); s != "" {
		if _, err := fmt.Sscan(s, &users); err != nil {
			return err
		}
	}
	const writers = 6
	var mu sync.Mutex // around standard output
	answered := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	return errors.Join(concurrently(writers, func(w int) error {
		for i := w; i < users; i += writers {
			a, err := directory.ParseAddress(fmt.Sprintf("%s-%d@example.com", os.Getenv(childName), i))
			if err != nil {
				return err
			}
			u, err := d.CreateUser(ctx, directory.NewUser{Address: a, Groups: []string{"staff"}})
			if err != nil {
				return err
			}
			answered("user %s %s", u.ID, a)
			if err := d.AddPasskey(ctx, directory.Passkey{ID: u.Handle(), UserID: u.ID, PublicKey: []byte("key")}); err != nil {
				return err
			}
			answered("passkey %x %s", u.Handle(), u.ID)
			use := directory.PasskeyUse{ID: u.Handle(), UserID: u.ID, SignCount: 7}
			if err := d.UsePasskey(ctx, use); err != nil {
				return err
			}
			answered("used %x %d", u.Handle(), use.SignCount)
			if err := d.Record(ctx, directory.Event{Type: "made", UserID: u.ID}); err != nil {
				return err
			}
			answered("event %s made", u.ID)
			e, err := d.AddEmail(ctx, u.ID, directory.NewEmail{Address: "second-" + a, Verified: true}, 2)
			if err != nil {
				return err
			}
			answered("user %s %s", u.ID, e.Address)
			if err := d.SetPrimary(ctx, u.ID, e.ID); err != nil {
				return err
			}
			answered("primary %s %s", u.ID, e.Address)
		}
		return nil
	})...)
}

func childCommand(ctx context.Context, place, name string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childPlace+"="+place, childName+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestKill9LosesNothingThatWasAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "directory.db")
		killRounds(t, 12, path, func(t *testing.T) *directory.Directory {
			for _, pragma := range []string{`integrity_check`, `foreign_key_check`} {
				if got := report(t, path, pragma); got != "" && got != "ok" {
					t.Errorf("%s: %s", pragma, got)
				}
			}
			return openSQLite(t, path, time.Now)
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := directorytest.SharedPostgres(t).URL()
		killRounds(t, 6, url, func(t *testing.T) *directory.Directory { return openPostgres(t, url, time.Now) })
	})
}

// killRounds kills children that write to place, and holds after each of them
// that all answers are true, and that there is no half user.
func killRounds(t *testing.T, rounds int, place string, open func(t *testing.T) *directory.Directory) {
	t.Helper()
	var answered []string
	for round := range rounds {
		answered = append(answered, killAfter(t, place, fmt.Sprintf("round%d", round), 1+rand.IntN(60), nil)...)

		d := open(t)
		for _, line := range answered {
			checkAnswer(t, d, line)
		}
		wantWholeUsers(t, d)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(answered) < rounds {
		t.Errorf("only %d answers in all rounds", len(answered))
	}
}

// wantWholeUsers fails the test if a user lacks what it was made with, or has
// not exactly one primary address, and returns how many users there are.
func wantWholeUsers(t testing.TB, d *directory.Directory) int {
	t.Helper()
	users, err := d.Users(t.Context(), "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		primaries := slices.DeleteFunc(slices.Clone(u.Emails), func(e directory.Email) bool { return !e.Primary })
		if len(primaries) != 1 || len(u.Emails) > 2 || len(u.Groups) != 1 {
			t.Errorf("half a user: %+v", u)
		}
	}
	return len(users)
}

// A process that dies while it makes the file or the tables leaves nothing
// that the next one stumbles over: no lock, no half schema.
func TestKill9WhileMigratingIsMadeGood(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	early := func(t *testing.T, place string, begun func() bool, open func(t *testing.T) *directory.Directory) {
		t.Helper()
		answered := killAfter(t, place, "early", 0, begun)
		d := open(t)
		for _, line := range answered {
			checkAnswer(t, d, line)
		}
		createUser(t, d, "alice@example.com")
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		for round := range 12 {
			path := filepath.Join(t.TempDir(), "state", "directory.db")
			early(t, path, func() bool {
				_, err := os.Stat(path)
				return err == nil
			}, func(t *testing.T) *directory.Directory { return openSQLite(t, path, time.Now) })
			if got := report(t, path, `integrity_check`); got != "ok" {
				t.Errorf("round %d: %s", round, got)
			}
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		p := directorytest.SharedPostgres(t)
		for range 6 {
			url := p.NewDatabase()
			early(t, url, func() bool {
				return p.QueryIn(url, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()`)[0] != "1"
			}, func(t *testing.T) *directory.Directory { return openPostgres(t, url, time.Now) })
		}
	})
}

// killAfter kills a child after it has answered n times, and returns its
// answers. With n = 0 it waits for none, but for begun to be true.
func killAfter(t *testing.T, place, name string, n int, begun func() bool) (answers []string) {
	t.Helper()
	cmd := childCommand(t.Context(), place, name)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
	}
	if n == 0 {
		// At once, or some moments later: making the tables takes some
		// milliseconds.
		waitFor(t, "the child to begin", begun)
		time.AfterFunc(time.Duration(rand.IntN(15))*time.Millisecond, kill)
	}
	r := bufio.NewReader(stdout)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break // an answer cut short was none
		}
		answers = append(answers, strings.TrimSuffix(line, "\n"))
		if len(answers) == n {
			kill()
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	return answers
}

// waitFor waits until something is so.
func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

func checkAnswer(t *testing.T, d *directory.Directory, line string) {
	t.Helper()
	fields := strings.Fields(line)
	switch {
	case len(fields) == 3 && fields[0] == "user":
		u, err := d.UserByAddress(t.Context(), directory.Address(fields[2]))
		if err != nil || u.ID != fields[1] {
			t.Errorf("%s: got %+v, %v", line, u, err)
		}
	case len(fields) == 3 && fields[0] == "primary":
		u, err := d.User(t.Context(), fields[1])
		if e, ok := u.Primary(); err != nil || !ok || string(e.Address) != fields[2] {
			t.Errorf("%s: got %+v, %v", line, u, err)
		}
	case len(fields) == 3 && fields[0] == "passkey":
		id, err := hex.DecodeString(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.Passkey(t.Context(), id)
		if err != nil || p.UserID != fields[2] {
			t.Errorf("%s: got %+v, %v", line, p, err)
		}
	case len(fields) == 3 && fields[0] == "used":
		id, err := hex.DecodeString(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.Passkey(t.Context(), id)
		if err != nil || fmt.Sprint(p.SignCount) != fields[2] {
			t.Errorf("%s: got %+v, %v", line, p, err)
		}
	case len(fields) == 3 && fields[0] == "event":
		events, err := d.Events(t.Context(), fields[1], 2)
		if err != nil || len(events) != 1 || events[0].Type != fields[2] {
			t.Errorf("%s: got %+v, %v", line, events, err)
		}
	default:
		t.Fatalf("got %q from the child", line)
	}
}

// report returns the first column of what a pragma answers.
func report(t *testing.T, path, pragma string) string {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `PRAGMA `+pragma)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		row := make([]any, len(columns))
		for i := range row {
			row[i] = new(any)
		}
		if err := rows.Scan(row...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(*row[0].(*any)))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestProcessesShareADatabase(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	share := func(t *testing.T, place string, open func() *directory.Directory) {
		t.Helper()
		errs := concurrently(4, func(i int) error {
			cmd := childCommand(t.Context(), place, fmt.Sprintf("process%d", i))
			cmd.Env = append(cmd.Env, childUsers+"=20")
			return cmd.Run()
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if n := wantWholeUsers(t, open()); n != 80 {
			t.Errorf("got %d users, want 80", n)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state", "directory.db")
		share(t, path, func() *directory.Directory { return openSQLite(t, path, time.Now) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := directorytest.SharedPostgres(t).URL()
		share(t, url, func() *directory.Directory { return openPostgres(t, url, time.Now) })
	})
}
