package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

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
// power cut, because every write waits for the disk (WAL, synchronous=FULL). The
// reason is that a session which was ended, or a passcode which was taken, must not
// come back. Writes that are asked for while another one waits, wait together: many at
// once take the disk little longer than one.
//
// A full disk refuses what would be written, a Take included, and loses nothing:
// what is there can be read, and changed again as soon as there is space.
//
// What has expired is freed within a minute or so, and a file that has grown more than
// 4 MiB beyond what is in it becomes smaller again, but for one that an older version
// made. Nothing bounds how much is put.
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

// read has f look something up, when it has its turn at a connection. f is not stopped
// by the end of ctx: it takes a moment, and to watch the context meanwhile takes two
// goroutines.
func (e *Embedded) read(ctx context.Context, f func(db *database) error) error {
	db, err := e.database()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case db.reading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-db.reading }()
	return f(db)
}

// write has f change something with one statement, and returns nil when that is on
// disk. It tries again while another process holds the lock of the file. f may run in
// another goroutine, and more than once.
func (e *Embedded) write(ctx context.Context, f func(db *database) error) error {
	return e.commit(ctx, change{do: f})
}

// transact is write for several statements, which are one step. An error of f undoes
// them.
func (e *Embedded) transact(ctx context.Context, f func(db *database) error) error {
	return e.commit(ctx, change{do: f, several: true})
}

func (e *Embedded) commit(ctx context.Context, c change) error {
	db, err := e.database()
	if err != nil {
		return err
	}
	return untilFree(ctx, func() error {
		again := c
		return db.commits.commit(ctx, &again)
	})
}

// millis returns the time ttl from now as the tables keep it: milliseconds since
// 1970. A row is live while its expires is greater than millis(0).
func (e *Embedded) millis(ttl time.Duration) int64 {
	return e.now().UnixMilli() + max(0, ttl.Milliseconds())
}

var _ Store = (*Embedded)(nil)
