package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Errors of [Outbox.Post]. In neither case is the letter taken.
var (
	// ErrFull: as many letters are waiting as the outbox may hold. The mail
	// server is slow or away; the visitor should be asked to try again later.
	ErrFull = errors.New("mail: outbox full")

	// ErrClosed: the outbox is closing or closed.
	ErrClosed = errors.New("mail: outbox closed")
)

// OutboxOptions bound an [Outbox]. The zero value is good.
type OutboxOptions struct {
	// Capacity is the number of letters to hold at most, those being sent and
	// those waiting for another attempt included. The default is 1000.
	Capacity int

	// Workers is the number of letters to send at the same time. The default is
	// 4.
	Workers int

	// Attempts is how often to try a letter before it is given up. The default
	// is 5, which takes a minute and a half.
	Attempts int

	// Timeout bounds one attempt. The default is 30 seconds.
	Timeout time.Duration

	// Logger gets one warning for each letter that is given up, and a debug
	// line for each attempt that goes wrong. The default is silence.
	Logger *slog.Logger

	// Now is the clock that letters expire by. The default is time.Now.
	Now func() time.Time
}

// An Outbox sends letters in the background, so that neither a slow mail server
// nor the question whether there was a letter to send shows in the time that a
// request takes. Its methods may be called from several goroutines.
//
// It holds letters in memory only.
type Outbox struct {
	sender  Sender
	options OutboxOptions
	logger  *slog.Logger
	cancel  context.CancelFunc // ends the workers
	workers sync.WaitGroup

	// ready holds the letters to try now. There are never more of them than
	// held, and never more held than its capacity, so a send does not block.
	ready chan *parcel

	mu      sync.Mutex
	held    int                     // letters taken, and neither sent nor given up
	waiting map[*parcel]*time.Timer // letters to try later, for the first time or again
	closed  bool
	empty   chan struct{} // closed when the outbox is closed and holds nothing
}

// A parcel is a letter and how far it has come.
type parcel struct {
	Message
	attempts int
}

// NewOutbox starts an Outbox that sends by s. Close it to stop its goroutines.
func NewOutbox(s Sender, o OutboxOptions) *Outbox {
	o = o.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	b := &Outbox{
		sender:  s,
		options: o,
		logger:  o.Logger,
		cancel:  cancel,
		ready:   make(chan *parcel, o.Capacity),
		waiting: make(map[*parcel]*time.Timer),
		empty:   make(chan struct{}),
	}
	for range o.Workers {
		b.workers.Go(func() { b.work(ctx) })
	}
	return b
}

func (o OutboxOptions) withDefaults() OutboxOptions {
	if o.Capacity <= 0 {
		o.Capacity = 1000
	}
	if o.Workers <= 0 {
		o.Workers = 4
	}
	if o.Attempts <= 0 {
		o.Attempts = 5
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Post takes m for delivery and returns without waiting for it. The error is
// [ErrFull] or [ErrClosed]; the log has it too.
func (b *Outbox) Post(m Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.refusal(); err != nil {
		b.options.Logger.Warn("letter not taken", "to", maskAddress(m.To), "error", err.Error())
		return err
	}
	b.held++
	if m.Within > 0 {
		b.hold(&parcel{Message: m}, rand.N(m.Within))
	} else {
		b.ready <- &parcel{Message: m}
	}
	return nil
}

// Full reports whether Post would refuse a letter now. A request that has no
// letter to send, because nobody has the address it was given, asks this first
// and answers as one that has.
func (b *Outbox) Full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusal() != nil
}

// refusal is the error Post would return. b.mu must be held.
func (b *Outbox) refusal() error {
	switch {
	case b.closed:
		return ErrClosed
	case b.held >= b.options.Capacity:
		return ErrFull
	}
	return nil
}

// Close stops taking letters and sends what it holds, without waiting out
// delays that have begun. When ctx ends first, the error tells how many letters
// were lost. A second Close returns [ErrClosed] at once.
func (b *Outbox) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return ErrClosed
	}
	b.closed = true
	if b.held == 0 {
		close(b.empty)
	}
	for p, timer := range b.waiting {
		if timer.Stop() {
			delete(b.waiting, p)
			b.ready <- p
		}
	}
	b.mu.Unlock()

	select {
	case <-b.empty:
	case <-ctx.Done():
	}
	b.cancel()
	b.workers.Wait()

	b.mu.Lock()
	defer b.mu.Unlock()
	for _, timer := range b.waiting {
		timer.Stop()
	}
	if b.held > 0 {
		return fmt.Errorf("closing outbox: letters lost: %d: %w", b.held, ctx.Err())
	}
	return nil
}

func (b *Outbox) work(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case p := <-b.ready:
			b.try(ctx, p)
		}
	}
}

func (b *Outbox) try(ctx context.Context, p *parcel) {
	if p.expiredBy(b.options.Now()) {
		b.giveUp(p, "expired", nil)
		return
	}
	p.attempts++
	err := b.send(ctx, p.Message)
	switch {
	case err == nil:
		b.release()
	case ctx.Err() != nil:
		// Close has run out of time, and counts this letter as lost.
	case errors.Is(err, ErrRefused):
		b.giveUp(p, "refused", err)
	case p.attempts >= b.options.Attempts:
		b.giveUp(p, "attempts used up", err)
	default:
		b.postpone(p, err)
	}
}

func (b *Outbox) send(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	return b.sender.Send(ctx, m)
}

// postpone lets p wait for its next attempt without holding a worker.
func (b *Outbox) postpone(p *parcel, err error) {
	delay := delayAfter(p.attempts)
	if p.expiredBy(b.options.Now().Add(delay)) {
		b.giveUp(p, "expired", err)
		return
	}
	b.logger.Debug("letter delayed", "to", maskAddress(p.To), "attempts", p.attempts, "delay", delay, "error", err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold(p, delay)
}

// hold lets p wait. b.mu must be held.
func (b *Outbox) hold(p *parcel, delay time.Duration) {
	b.waiting[p] = time.AfterFunc(delay, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.waiting, p)
		b.ready <- p
	})
}

func (b *Outbox) giveUp(p *parcel, reason string, err error) {
	_, domain, _ := cutLast(p.To, "@")
	b.logger.Warn("letter given up", "reason", reason, "to", maskAddress(p.To), "domain", domain,
		"attempts", p.attempts, "error", err)
	b.release()
}

// release frees the place of a letter that is done with.
func (b *Outbox) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held--
	if b.closed && b.held == 0 {
		close(b.empty)
	}
}

func (p *parcel) expiredBy(t time.Time) bool {
	return !p.ExpiresAt.IsZero() && !t.Before(p.ExpiresAt)
}

// delays are how long to wait after the first attempt, the second, and so on;
// the last one stands for all that follow.
var delays = []time.Duration{time.Second, 4 * time.Second, 15 * time.Second, time.Minute}

// delayAfter spreads each delay over a quarter to either side, so that letters
// that failed together do not come back together.
func delayAfter(attempts int) time.Duration {
	d := delays[min(attempts, len(delays))-1]
	return d*3/4 + rand.N(d/2)
}
