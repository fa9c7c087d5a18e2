package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const keepEvent = `INSERT INTO events (at, type, user_id, detail, client) VALUES ($1, $2, '', '', '')`

// A busyWriter is a directory in a file whose connection that writes is taken until
// the test gives it back. One statement waits for it, and the others behind that.
type busyWriter struct {
	*Directory
	commits *commits
	held    *sql.Tx
	waiting sync.WaitGroup
}

func newBusyWriter(t *testing.T) *busyWriter {
	t.Helper()
	b := &busyWriter{Directory: NewSQLite(SQLiteOptions{Path: filepath.Join(t.TempDir(), "directory.db")})}
	if err := b.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	db := b.database.Load()
	b.commits = &commits{db: db, statements: newStatements(db.write)}
	// A statement is prepared when it is first used, which takes the connection too.
	if _, err := b.commits.execute(t.Context(), keepEvent, int64(1), "before"); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.held, err = db.write.BeginTx(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.held.Rollback() })
	return b
}

// keep has an event kept, and returns when that waits.
func (b *busyWriter) keep(t *testing.T, ctx context.Context, kind any, into *error) {
	t.Helper()
	before := b.inLine()
	b.waiting.Go(func() { _, *into = b.commits.execute(ctx, keepEvent, int64(1), kind) })
	b.wantInLine(t, before+1)
}

// inLine returns how many statements wait, with the one that leads.
func (b *busyWriter) inLine() int {
	b.commits.mu.Lock()
	defer b.commits.mu.Unlock()
	n := len(b.commits.waiting)
	if b.commits.busy {
		n++
	}
	return n
}

func (b *busyWriter) wantInLine(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for b.inLine() != want {
		if time.Now().After(deadline) {
			t.Fatalf("%d statements wait, want %d", b.inLine(), want)
		}
		<-time.After(time.Millisecond)
	}
}

// giveBack lets them all go on, and returns when they are over.
func (b *busyWriter) giveBack(t *testing.T) {
	t.Helper()
	if err := b.held.Rollback(); err != nil {
		t.Fatal(err)
	}
	b.waiting.Wait()
	b.wantInLine(t, 0)
}

func (b *busyWriter) wantEvents(t *testing.T, want ...string) {
	t.Helper()
	kept, err := b.Events(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, e := range kept {
		found[e.Type]++
	}
	for _, kind := range append(want, "before") {
		if found[kind] != 1 {
			t.Errorf("%d events %q, want one", found[kind], kind)
		}
	}
	if len(kept) != len(want)+1 {
		t.Errorf("%d events, want %d", len(kept), len(want)+1)
	}
}

func TestStatementsThatWaitShareACommit(t *testing.T) {
	b := newBusyWriter(t)
	var errs [commitAtOnce + 1]error
	var kinds []string
	for i := range errs {
		kinds = append(kinds, fmt.Sprint("event ", i))
		b.keep(t, t.Context(), kinds[i], &errs[i])
	}
	checkpoint(t, b) // the log begins anew
	b.giveBack(t)
	if err := errors.Join(errs[:]...); err != nil {
		t.Error(err)
	}
	b.wantEvents(t, kinds...)
	// Each commit writes the pages that it changed, and there are few in all.
	if pages := checkpoint(t, b); pages < 2 || pages > commitAtOnce/2 {
		t.Errorf("%d events have written %d pages to the log, want that they share some", len(errs), pages)
	}
}

// checkpoint copies the write-ahead log into the file, and returns how many pages were
// in it.
func checkpoint(t *testing.T, b *busyWriter) int {
	t.Helper()
	var busy, pages, copied int
	row := b.database.Load().read.QueryRowContext(t.Context(), `PRAGMA wal_checkpoint(PASSIVE)`)
	if err := row.Scan(&busy, &pages, &copied); err != nil || copied != pages {
		t.Fatalf("%d of %d pages were copied, %v, want all", copied, pages, err)
	}
	return pages
}

func TestFailureOfAStatementIsNotThatOfOthersInItsCommit(t *testing.T) {
	b := newBusyWriter(t)
	var errs [5]error
	b.keep(t, t.Context(), "alone", &errs[0])
	b.keep(t, t.Context(), "first", &errs[1])
	b.keep(t, t.Context(), nil, &errs[2]) // an event has a type
	b.keep(t, t.Context(), "second", &errs[3])
	b.keep(t, t.Context(), nil, &errs[4])
	b.giveBack(t)
	for i, fails := range []bool{false, false, true, false, true} {
		if (errs[i] != nil) != fails {
			t.Errorf("statement %d = %v, want a failure: %v", i, errs[i], fails)
		}
	}
	b.wantEvents(t, "alone", "first", "second")
}

// Whoever leads waits for the connection on behalf of others, who may have more time.
func TestStatementThatIsGivenUpIsNotExecutedAndDisturbsNobody(t *testing.T) {
	b := newBusyWriter(t)
	hurried, cancel := context.WithCancel(t.Context())
	var errs [4]error
	b.keep(t, hurried, "leads", &errs[0])
	b.keep(t, t.Context(), "first", &errs[1])
	b.keep(t, hurried, "waits", &errs[2])
	b.keep(t, t.Context(), "second", &errs[3])
	cancel()
	b.wantInLine(t, 2)
	b.giveBack(t)
	for i, gaveUp := range []bool{true, false, true, false} {
		if errors.Is(errs[i], context.Canceled) != gaveUp || !gaveUp && errs[i] != nil {
			t.Errorf("statement %d = %v, want that it was cancelled: %v", i, errs[i], gaveUp)
		}
	}
	b.wantEvents(t, "first", "second")
}
