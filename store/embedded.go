package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// sweepEvery is how often expired rows are freed.
const sweepEvery = time.Minute

// errNotOpen is returned by an Embedded that has not been opened, or was closed.
var errNotOpen = errors.New("store: not open")

// EmbeddedOptions say where an [Embedded] keeps its file.
type EmbeddedOptions struct {
	// Path of the file. Its folder is made if it is missing. SQLite keeps two
	// more files beside it while it is in use, with -wal and -shm added to the
	// name.
	Path string

	// Now tells the time; the default is [time.Now].
	Now func() time.Time
}

// Embedded is a Store in a file on this machine. The file is an SQLite database.
//
// What was answered is on disk: a kill -9 loses nothing, and neither does a
// power cut, because every write waits for the disk (WAL, synchronous=FULL). It
// is slower than it could be for that reason, and the reason is that a session
// which was ended, or a passcode which was taken, must not come back.
//
// A full disk refuses what would be written, a Take included, and loses nothing:
// what is there can be read, and changed again as soon as there is space.
//
// Other processes of the same machine may have the same file open and see the
// same values. Messages do not travel that far: [Embedded.Publish] reaches the
// subscribers of the same Embedded. One machine, one process; several nodes want
// [Redis]. The file must not be on a network file system.
//
// Expiry follows the wall clock, as it has to survive a restart: setting the
// clock back makes what is in the store live longer.
type Embedded struct {
	path       string
	now        func() time.Time
	background *background
	topics     topics
	opened     atomic.Pointer[database] // nil before Open and after Close

	mu sync.Mutex // held by Open and Close
}

// NewEmbedded returns a store that is not open yet: it touches no file.
func NewEmbedded(o EmbeddedOptions) *Embedded {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Embedded{path: o.Path, now: o.Now, background: newBackground()}
}

// Open makes what is missing (the folder with mode 0700, the file with mode
// 0600, the tables) and starts the sweeper. Opening an open store does nothing.
// Any number of goroutines and processes may open the same file at once.
//
// A store that did not open can be tried again; one that was closed stays so.
func (e *Embedded) Open(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.background.isClosed() {
		return errClosed
	}
	if e.opened.Load() != nil {
		return nil
	}
	db, err := openDatabase(ctx, e.path)
	if err != nil {
		return fmt.Errorf("opening the embedded store: %w", err)
	}
	if err := e.background.start(context.WithoutCancel(ctx), e.sweep); err != nil {
		return errors.Join(err, db.close())
	}
	e.opened.Store(db)
	return nil
}

// Ping implements [Store].
func (e *Embedded) Ping(ctx context.Context) error {
	db, err := e.database()
	if err != nil {
		return err
	}
	var version int
	if err := db.reader.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("reading the embedded store: %w", err)
	}
	return nil
}

// Publish implements [Store], within this process.
func (e *Embedded) Publish(ctx context.Context, topic string, message []byte) error {
	if _, err := e.database(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	e.topics.publish(topic, message)
	return nil
}

// Subscribe implements [Store], within this process.
func (e *Embedded) Subscribe(ctx context.Context, topic string, receive func(message []byte)) error {
	if _, err := e.database(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	s := e.topics.add(topic)
	err := e.background.start(ctx, func(ctx context.Context) {
		defer e.topics.remove(topic, s)
		s.relay(ctx, receive)
	})
	if err != nil {
		e.topics.remove(topic, s)
	}
	return err
}

// Close implements [Store].
func (e *Embedded) Close() error {
	e.background.close()
	e.mu.Lock()
	defer e.mu.Unlock()
	db := e.opened.Swap(nil)
	if db == nil {
		return nil
	}
	if err := db.close(); err != nil {
		return fmt.Errorf("closing the embedded store: %w", err)
	}
	return nil
}

// database returns the open database, or errNotOpen.
func (e *Embedded) database() (*database, error) {
	db := e.opened.Load()
	if db == nil {
		return nil, errNotOpen
	}
	return db, nil
}

// write runs f in a transaction that holds the write lock from its start, and
// returns nil when what f did is on disk. An error of f undoes it.
//
// Also a single statement goes through here: it may return rows, and only an
// explicit commit tells whether they are on disk.
func (e *Embedded) write(ctx context.Context, f func(db *database, tx *sql.Tx) error) error {
	db, err := e.database()
	if err != nil {
		return err
	}
	var tx *sql.Tx
	err = untilFree(ctx, func() error {
		tx, err = db.writer.BeginTx(ctx, nil)
		return err
	})
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := f(db, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// sweep frees expired rows until ctx ends. Correctness never depends on it: an
// expired row is never returned. When a round fails there is nobody to tell who
// is not told by their own request; the next round tries again.
func (e *Embedded) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, _ = e.free(ctx)
		}
	}
}

// free deletes what has expired and returns how many rows it was. It does so in
// batches, so that requests get their turn at the write lock in between.
func (e *Embedded) free(ctx context.Context) (total int64, err error) {
	for _, statement := range []string{freeEntries, freeMembers} {
		for n := int64(freeBatch); n == freeBatch; total += n {
			err := e.write(ctx, func(_ *database, tx *sql.Tx) error {
				result, err := tx.ExecContext(ctx, statement, e.millis(0), freeBatch)
				if err != nil {
					return err
				}
				n, err = result.RowsAffected()
				return err
			})
			if err != nil {
				return total, fmt.Errorf("freeing expired rows: %w", err)
			}
		}
	}
	return total, nil
}

// millis returns the time ttl from now as the tables keep it: milliseconds since
// 1970. A row is live while its expires is greater than millis(0).
func (e *Embedded) millis(ttl time.Duration) int64 {
	return e.now().UnixMilli() + max(0, ttl.Milliseconds())
}

var _ Store = (*Embedded)(nil)
