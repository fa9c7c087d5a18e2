package session_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/session"
	"github.com/doorward/doorward/store"
)

// watched is a node's way to the store: it counts what is read, and can be cut
// off from the other nodes.
type watched struct {
	store.Store
	reads  atomic.Int64
	puts   atomic.Int64
	swaps  atomic.Int64                     // of one value by Replace
	mute   atomic.Bool                      // publishing fails
	torn   atomic.Bool                      // writing is done, and then said to have failed
	away   atomic.Bool                      // reading fails
	deaf   atomic.Bool                      // the journal cannot be reached
	full   atomic.Bool                      // nothing can be added to it
	busy   atomic.Int64                     // how many names others have written into it
	hang   atomic.Bool                      // reading takes until it is given up
	lost   atomic.Pointer[string]           // reading what is kept under an ID fails
	slow   atomic.Int64                     // how long reading takes
	read   atomic.Pointer[func(key string)] // called after a value was read, before it is used
	doomed atomic.Pointer[func()]           // called before something is deleted
}

func (w *watched) Get(ctx context.Context, key string) ([]byte, error) {
	w.reads.Add(1)
	if w.away.Load() {
		return nil, errors.New("store away")
	}
	if id := w.lost.Load(); id != nil && strings.HasSuffix(key, *id) {
		return nil, errors.New("shard away")
	}
	if w.hang.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if d := time.Duration(w.slow.Load()); d > 0 {
		wait := time.NewTimer(d)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	value, err := w.Store.Get(ctx, key)
	if f := w.read.Load(); f != nil {
		(*f)(key)
	}
	return value, err
}

func (w *watched) Add(ctx context.Context, set, member string, ttl time.Duration) error {
	if set == "forgotten" && (w.deaf.Load() || w.full.Load()) {
		return errors.New("the journal cannot be written")
	}
	return w.Store.Add(ctx, set, member, ttl)
}

func (w *watched) Members(ctx context.Context, set string) ([]string, error) {
	if w.away.Load() || w.deaf.Load() && set == "forgotten" {
		return nil, errors.New("store away")
	}
	members, err := w.Store.Members(ctx, set)
	for i := range w.busy.Load() {
		members = append(members, strconv.FormatInt(i, 10)+" session:x")
	}
	return members, err
}

func (w *watched) ReplaceAll(ctx context.Context, entries ...store.Entry) error {
	if w.away.Load() {
		return errors.New("store away")
	}
	return w.Store.ReplaceAll(ctx, entries...)
}

// Delete and Put, torn, do what a Redis does whose replicas do not confirm.
func (w *watched) Delete(ctx context.Context, key string) error {
	if f := w.doomed.Swap(nil); f != nil {
		(*f)()
	}
	return errors.Join(w.Store.Delete(ctx, key), w.tear())
}

func (w *watched) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	w.puts.Add(1)
	return errors.Join(w.Store.Put(ctx, key, value, ttl), w.tear())
}

func (w *watched) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	w.swaps.Add(1)
	return w.Store.Replace(ctx, key, value, ttl)
}

func (w *watched) tear() error {
	if w.torn.Load() {
		return errors.New("not confirmed")
	}
	return nil
}

func (w *watched) Publish(ctx context.Context, topic string, message []byte) error {
	if w.mute.Load() {
		return errors.New("the other nodes cannot be reached")
	}
	return w.Store.Publish(ctx, topic, message)
}

// onRead calls f once, after the next value was read and before it is used.
func (w *watched) onRead(f func(key string)) {
	once := func(key string) {
		w.read.Store(nil)
		f(key)
	}
	w.read.Store(&once)
}

// people is a directory.
type people struct {
	mu    sync.Mutex
	all   map[string]session.Identity
	away  error
	hang  bool                    // until the question is given up
	asked int                     // how often
	after func()                  // called once, between reading and answering
	heard func(subjects []string) // is told who was asked for

	changed []string // whoever was, in order
	lost    bool     // the next mark cannot be gone on from
	mutely  error    // why it does not say who
	said    int      // how often it did
}

func (p *people) set(id session.Identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[string]session.Identity)
	}
	p.all[id.Subject] = id
	p.changed = append(p.changed, id.Subject)
}

// change changes one of the people, and returns who that is now.
func (p *people) change(subject string, f func(*session.Identity)) session.Identity {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := p.all[subject]
	f(&id)
	p.all[subject] = id
	p.changed = append(p.changed, subject)
	return id
}

func (p *people) remove(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, subject)
	p.changed = append(p.changed, subject)
}

// fail makes the directory fail with err, or answer again if err is nil.
func (p *people) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = err
}

func (p *people) Of(ctx context.Context, subjects ...string) (found []session.Identity, err error) {
	p.mu.Lock()
	p.asked++
	if p.heard != nil {
		p.heard(subjects)
	}
	for _, subject := range subjects {
		if id, ok := p.all[subject]; ok {
			found = append(found, id)
		}
	}
	away, hang, after := p.away, p.hang, p.after
	p.after = nil
	p.mu.Unlock()
	switch {
	case hang:
		<-ctx.Done()
		return nil, ctx.Err()
	case away != nil:
		return nil, away
	}
	if after != nil {
		after()
	}
	return found, nil
}

// mute makes the directory fail with err to say who changed, and that alone, or say it
// again if err is nil.
func (p *people) mute(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mutely = err
}

// heardOf returns how often it was asked who changed.
func (p *people) heardOf() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said
}

func (p *people) Changed(ctx context.Context, mark string) (session.Changes, error) {
	p.mu.Lock()
	hang, away := p.hang, cmp.Or(p.away, p.mutely)
	p.said++
	p.mu.Unlock()
	switch {
	case hang:
		<-ctx.Done()
		return session.Changes{}, ctx.Err()
	case away != nil:
		return session.Changes{}, away
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := session.Changes{Mark: strconv.Itoa(len(p.changed))}
	if since, err := strconv.Atoi(mark); err == nil && !p.lost {
		c.Subjects, c.Unbroken = slices.Clone(p.changed[since:]), true
	}
	p.lost = false
	return c, nil
}

// chest is where keys are kept.
type chest struct {
	mu     sync.Mutex
	keys   []session.StoredKey
	away   error
	stuck  error // of changes: reading goes on
	reads  int
	writes int
}

func (c *chest) Keys(ctx context.Context) ([]session.StoredKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return append([]session.StoredKey(nil), c.keys...), c.away
}

func (c *chest) ChangeKeys(_ context.Context, change func([]session.StoredKey) ([]session.StoredKey, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := errors.Join(c.away, c.stuck); err != nil {
		return err
	}
	after, err := change(append([]session.StoredKey(nil), c.keys...))
	if err != nil {
		return err
	}
	c.writes++
	c.keys = after
	return nil
}

// fail makes the chest fail with err, or open again if err is nil.
func (c *chest) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = err
}
