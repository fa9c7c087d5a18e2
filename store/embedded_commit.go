package store

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
	"sync"
)

// commitAtOnce is how many changes share a commit at most: the first of them waits for
// the last.
const commitAtOnce = 64

// errBrokenOff is what a change comes to when whoever carries it out panics.
var errBrokenOff = errors.New("the commit was broken off")

// A change is what one caller wants done in one step.
type change struct {
	do      func(*database) error
	several bool      // do is more than one statement, which SQLite does not commit as one by itself
	err     error     // what it has come to
	turn    chan bool // tells who waits that they lead the next commit, or that theirs is over
}

// commits has those who wait for the disk wait together. A disk takes about as long
// for the changes of many as for one; so what is asked for during one commit is all
// in the next. Of those who wait, the first leads: they carry out their own and what
// has come in until then in one transaction, tell everybody, and leave the rest to the
// next. Who comes while nobody waits leads at once, and alone, and then a
// change costs what it would without all this.
type commits struct {
	db *database

	closing sync.RWMutex // held for reading by everybody who asks for a commit
	closed  bool

	mu      sync.Mutex
	busy    bool // somebody leads
	waiting []*change
}

// commit returns what c has come to: if that is nil, it is on disk. If ctx ends while
// c waits, nothing was done. What has begun is not stopped by it.
func (q *commits) commit(ctx context.Context, c *change) error {
	q.closing.RLock()
	defer q.closing.RUnlock()
	if q.closed {
		return errNotOpen
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.err = errBrokenOff
	if lead, err := q.join(ctx, c); !lead {
		return err
	}
	q.lead(c)
	return c.err
}

// join returns when c leads a commit, or is over, and what it has come to then.
func (q *commits) join(ctx context.Context, c *change) (lead bool, err error) {
	q.mu.Lock()
	if !q.busy {
		q.busy = true
		q.mu.Unlock()
		return true, nil
	}
	c.turn = make(chan bool, 1)
	q.waiting = append(q.waiting, c)
	q.mu.Unlock()
	select {
	case lead = <-c.turn:
	case <-ctx.Done():
		if q.leave(c) {
			return false, ctx.Err()
		}
		lead = <-c.turn
	}
	return lead, c.err
}

// leave takes c out of those who wait, and tells whether it still was among them.
func (q *commits) leave(c *change) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.waiting)
	q.waiting = slices.DeleteFunc(q.waiting, func(other *change) bool { return other == c })
	return len(q.waiting) < before
}

// lead carries out c and what waits.
func (q *commits) lead(c *change) {
	// Requests that can go on now come to their commits first, and share this one: where
	// the disk is fast, few come while it is busy. It takes no time if there are none.
	runtime.Gosched()
	q.mu.Lock()
	n := min(len(q.waiting), commitAtOnce-1)
	others := q.waiting[:n]
	q.waiting = slices.Clone(q.waiting[n:])
	q.mu.Unlock()
	defer q.handOver(others)
	if len(others) == 0 {
		c.err = q.db.alone(c)
	} else {
		q.db.together(append([]*change{c}, others...))
	}
}

// handOver tells those whose changes are over, and has the next one lead.
func (q *commits) handOver(over []*change) {
	for _, c := range over {
		c.turn <- false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.busy = false
		return
	}
	q.waiting[0].turn <- true
	q.waiting = q.waiting[1:]
}

// close waits until everything is over that was asked for. What is asked for later
// is refused.
func (q *commits) close() {
	q.closing.Lock()
	defer q.closing.Unlock()
	q.closed = true
}

// alone carries out one change, and returns what it has come to.
func (db *database) alone(c *change) error {
	if !c.several {
		return c.do(db) // SQLite commits it
	}
	return db.transact(func() error { return c.do(db) })
}

// together carries out changes in one transaction. If one fails, all are undone and
// each is carried out by itself, so that the failure is that one's.
func (db *database) together(changes []*change) {
	answers := make([]error, len(changes)) // which count when they are on disk
	spoilt := false
	err := db.transact(func() error {
		for i, c := range changes {
			if answers[i] = c.do(db); isFailure(answers[i]) {
				spoilt = true
				return answers[i]
			}
		}
		return nil
	})
	for i, c := range changes {
		switch {
		case spoilt:
			c.err = db.alone(c)
		case err != nil:
			c.err = err
		default:
			c.err = answers[i]
		}
	}
}

// transact calls do in a transaction that holds the write lock from its start, and
// returns nil when what do did is on disk. An error of do undoes it.
func (db *database) transact(do func() error) error {
	if _, err := db.begin.Exec(); err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			// An error says that SQLite has done so by itself.
			_, _ = db.rollback.Exec()
		}
	}()
	if err := do(); err != nil {
		return err
	}
	_, err := db.commit.Exec()
	committed = err == nil
	return err
}

// isFailure tells whether err is more than an answer: of the statement that it comes
// from nobody knows what it left.
func isFailure(err error) bool {
	return err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrExists) && !errors.Is(err, sql.ErrNoRows)
}
