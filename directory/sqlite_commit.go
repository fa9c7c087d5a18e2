package directory

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

// A change is one statement that one caller wants executed.
type change struct {
	statement *sql.Stmt
	args      []any
	changed   int64     // rows
	err       error     // what it has come to
	turn      chan bool // tells who waits that they lead the next commit, or that theirs is over
}

// commits executes statements each of which is a step of its own, and has those who
// wait for the disk wait together: it takes about as long for the changes of many as
// for one. What is asked for during one commit is all in the next. Of those who wait,
// the first leads: they have the connection, execute their own statement and those
// that have come until then in one transaction, and tell everybody. Who comes while
// nobody waits leads at once, and alone.
type commits struct {
	db         *database
	statements *statements // of db.write, which is one connection

	mu      sync.Mutex
	busy    bool // somebody leads
	waiting []*change
}

// execute executes a statement, and returns how many rows it changed. It is on disk
// then. If ctx ends before a commit with it has begun, nothing was done.
func (q *commits) execute(ctx context.Context, statement string, args ...any) (changed int64, err error) {
	prepared, err := q.statements.prepare(ctx, statement)
	if err != nil {
		return 0, err
	}
	c := &change{statement: prepared, args: args, err: errBrokenOff}
	if q.join(ctx, c) {
		q.lead(ctx, c)
	}
	return c.changed, c.err
}

// join returns when c leads a commit, or is over.
func (q *commits) join(ctx context.Context, c *change) (lead bool) {
	q.mu.Lock()
	if !q.busy {
		q.busy = true
		q.mu.Unlock()
		return true
	}
	c.turn = make(chan bool, 1)
	q.waiting = append(q.waiting, c)
	q.mu.Unlock()
	select {
	case lead = <-c.turn:
		return lead
	case <-ctx.Done():
		if q.leave(c) {
			c.err = ctx.Err()
			return false
		}
		return <-c.turn
	}
}

// leave takes c out of those who wait, and tells whether it still was among them.
func (q *commits) leave(c *change) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.waiting)
	q.waiting = slices.DeleteFunc(q.waiting, func(other *change) bool { return other == c })
	return len(q.waiting) < before
}

// lead carries out c and what waits. Before it has the connection it has only itself
// to answer for: ctx is that of c.
func (q *commits) lead(ctx context.Context, c *change) {
	var others []*change
	defer func() { q.handOver(others) }()
	// Requests that can go on now come to their commits first, and share this one: where
	// the disk is fast, few come while it is busy. It takes no time if there are none.
	runtime.Gosched()
	if !q.anyWait() {
		c.changed, c.err = executed(c.statement.ExecContext(ctx, c.args...))
		return
	}
	conn, err := q.db.write.Conn(ctx)
	if err != nil {
		c.err = err
		return
	}
	defer conn.Close()
	others = q.take()
	q.together(context.WithoutCancel(ctx), conn, append([]*change{c}, others...))
}

func (q *commits) anyWait() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

// take returns those who share the commit that begins.
func (q *commits) take() []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), commitAtOnce-1)
	taken := q.waiting[:n]
	q.waiting = slices.Clone(q.waiting[n:])
	return taken
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

// together carries out changes in one transaction. If one fails, all are undone and
// each has a transaction to itself, so that the failure is that one's.
func (q *commits) together(ctx context.Context, conn *sql.Conn, changes []*change) {
	if spoilt := q.transact(ctx, conn, changes); !spoilt {
		return
	}
	for _, c := range changes {
		q.transact(ctx, conn, []*change{c})
	}
}

// transact carries out changes in one transaction, and sets what they have come to. It
// reports whether it was one of them that failed.
func (q *commits) transact(ctx context.Context, conn *sql.Conn, changes []*change) (spoilt bool) {
	changed := make([]int64, len(changes)) // which counts when it is on disk
	err := q.db.transactOn(ctx, conn, func(ctx context.Context, tx *sql.Tx) (err error) {
		for i, c := range changes {
			changed[i], err = executed(tx.StmtContext(ctx, c.statement).ExecContext(ctx, c.args...))
			if err != nil {
				spoilt = true
				return err
			}
		}
		return nil
	})
	for i, c := range changes {
		if c.err = err; err == nil {
			c.changed = changed[i]
		}
	}
	return spoilt
}

// executed returns how many rows a statement has changed.
func executed(result sql.Result, err error) (changed int64, _ error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
