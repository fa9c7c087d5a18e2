package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/mail/mailtest"
)

// A postman is a Sender that notes each attempt and answers as it is told.
type postman struct {
	answer func(ctx context.Context, m mail.Message, attempt int) error

	mu       sync.Mutex
	attempts map[string][]time.Time // by address
	sent     []string               // addresses, in the order of delivery
}

func (p *postman) Send(ctx context.Context, m mail.Message) error {
	p.mu.Lock()
	if p.attempts == nil {
		p.attempts = make(map[string][]time.Time)
	}
	p.attempts[m.To] = append(p.attempts[m.To], time.Now())
	attempt := len(p.attempts[m.To])
	p.mu.Unlock()
	if p.answer != nil {
		if err := p.answer(ctx, m, attempt); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, m.To)
	return nil
}

func (p *postman) delivered(to string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.sent, to)
}

func (p *postman) tries(to string) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.attempts[to])
}

func hang(ctx context.Context, _ mail.Message, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

var errBusy = errors.New("450 busy")

func busy(context.Context, mail.Message, int) error { return errBusy }

func to(name string) mail.Message {
	return mail.Message{To: name + "@example.com", Subject: "402816 is your passcode", Text: "402816"}
}

// post posts letters and expects them to be taken.
func post(t *testing.T, box *mail.Outbox, letters ...mail.Message) {
	t.Helper()
	for _, m := range letters {
		if err := box.Post(m); err != nil {
			t.Fatalf("posting to %s: %v", m.To, err)
		}
	}
}

func closeNow(t *testing.T, box *mail.Outbox) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return box.Close(ctx)
}

// When a letter leaves says nothing about when it was asked for: else what it costs to
// send one would tell, in the time of the next answer, that there was one.
func TestLetterLeavesAtARandomMomentOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const within, letters = time.Second, 200
		var (
			man   postman
			box   = mail.NewOutbox(&man, mail.OutboxOptions{})
			began = time.Now()
		)
		for i := range letters {
			m := to(fmt.Sprint("reader", i))
			m.Within = within
			post(t, box, m)
		}
		time.Sleep(within)
		synctest.Wait()
		var early int
		for i := range letters {
			tries := man.tries(fmt.Sprintf("reader%d@example.com", i))
			if len(tries) != 1 || tries[0].Sub(began) >= within {
				t.Fatalf("letter %d: sent at %v, want once within %v", i, tries, within)
			}
			if tries[0].Sub(began) < within/2 {
				early++
			}
		}
		// Seven deviations to either side.
		if early < letters/2-50 || early > letters/2+50 {
			t.Errorf("%d of %d letters left in the first half of their time, want about a half", early, letters)
		}
		if err := box.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCloseSendsLettersThatHaveNotLeftYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var man postman
		box := mail.NewOutbox(&man, mail.OutboxOptions{})
		m, began := to("ann"), time.Now()
		m.Within = time.Hour
		post(t, box, m)
		if err := box.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !man.delivered("ann@example.com") || time.Since(began) > 0 {
			t.Errorf("delivered: %v after %v, want at once", man.delivered("ann@example.com"), time.Since(began))
		}
	})
}

func TestFailedAttemptIsRepeatedAfterAGrowingDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: busy}
		box := mail.NewOutbox(p, mail.OutboxOptions{Attempts: 6})
		post(t, box, to("ann"))
		time.Sleep(10 * time.Minute)

		tries := p.tries("ann@example.com")
		if len(tries) != 6 {
			t.Fatalf("%d attempts, want 6", len(tries))
		}
		for i, want := range []time.Duration{1, 4, 15, 60, 60} {
			want *= time.Second
			got := tries[i+1].Sub(tries[i])
			if got < want*3/4 || got > want*5/4 {
				t.Errorf("delay %d = %v, want %v give or take a quarter", i+1, got, want)
			}
		}
		if err := box.Close(t.Context()); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
}

func TestDelaysOfLettersThatFailedTogetherDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: func(_ context.Context, _ mail.Message, attempt int) error {
			if attempt == 1 {
				return errBusy
			}
			return nil
		}}
		box := mail.NewOutbox(p, mail.OutboxOptions{})
		for i := range 50 {
			post(t, box, to(fmt.Sprint(i)))
		}
		time.Sleep(5 * time.Second) // Close would cut the delays short
		if err := box.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		delays := make(map[time.Duration]bool)
		for i := range 50 {
			tries := p.tries(fmt.Sprint(i) + "@example.com")
			delays[tries[1].Sub(tries[0])] = true
		}
		if len(delays) < 25 {
			t.Errorf("%d letters came back after %d different delays", 50, len(delays))
		}
	})
}

func TestLetterThatWaitsDoesNotHoldAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: func(_ context.Context, m mail.Message, _ int) error {
			if m.To == "ann@example.com" {
				return errBusy
			}
			return nil
		}}
		box := mail.NewOutbox(p, mail.OutboxOptions{Workers: 1})
		defer closeNow(t, box)
		post(t, box, to("ann"), to("bob"), to("carol"))
		synctest.Wait() // no time passes
		if !p.delivered("bob@example.com") || !p.delivered("carol@example.com") {
			t.Error("other letters wait behind one that failed")
		}
	})
}

func TestHangingAttemptEndsAndIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: func(ctx context.Context, m mail.Message, attempt int) error {
			if attempt == 1 {
				return hang(ctx, m, attempt)
			}
			return nil
		}}
		box := mail.NewOutbox(p, mail.OutboxOptions{Timeout: 10 * time.Second})
		defer closeNow(t, box)
		post(t, box, to("ann"))
		time.Sleep(12 * time.Second)
		synctest.Wait()
		if !p.delivered("ann@example.com") {
			t.Error("letter was not tried again after a silent server")
		}
	})
}

func TestRefusedLetterIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: func(context.Context, mail.Message, int) error {
			return fmt.Errorf("handing over: %w: 550 no such user", mail.ErrRefused)
		}}
		box := mail.NewOutbox(p, mail.OutboxOptions{})
		defer closeNow(t, box)
		post(t, box, to("ann"))
		time.Sleep(time.Hour)
		if got := len(p.tries("ann@example.com")); got != 1 {
			t.Errorf("%d attempts, want 1", got)
		}
	})
}

func TestLetterPastItsUseIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: func(ctx context.Context, m mail.Message, attempt int) error {
			if m.To == "slow@example.com" {
				return hang(ctx, m, attempt)
			}
			return nil
		}}
		box := mail.NewOutbox(p, mail.OutboxOptions{Workers: 1, Attempts: 1, Timeout: 20 * time.Second})
		defer closeNow(t, box)
		late, inTime := to("late"), to("in-time")
		late.ExpiresAt = time.Now().Add(20 * time.Second)
		inTime.ExpiresAt = time.Now().Add(20*time.Second + 1)
		post(t, box, to("slow"), late, inTime)
		time.Sleep(time.Minute)
		if got := len(p.tries("late@example.com")); got != 0 {
			t.Errorf("%d attempts to send a letter that has expired, want 0", got)
		}
		if !p.delivered("in-time@example.com") {
			t.Error("letter was dropped before its time")
		}
	})
}

func TestNoAttemptIsPlannedPastALettersUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: busy}
		box := mail.NewOutbox(p, mail.OutboxOptions{Capacity: 1})
		defer closeNow(t, box)
		m := to("ann")
		m.ExpiresAt = time.Now().Add(700 * time.Millisecond)
		post(t, box, m)
		synctest.Wait()
		if box.Full() {
			t.Error("a letter that cannot be sent in time holds its place")
		}
	})
}

func TestFullOutboxRefusesAndSaysSoBeforehand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := &postman{answer: func(context.Context, mail.Message, int) error { <-release; return nil }}
		box := mail.NewOutbox(p, mail.OutboxOptions{Capacity: 3, Workers: 1})
		for _, name := range []string{"ann", "bob", "carol"} {
			if box.Full() {
				t.Fatalf("outbox is full before %s", name)
			}
			post(t, box, to(name))
			synctest.Wait()
		}
		if !box.Full() {
			t.Error("outbox that holds all it may is not full")
		}
		if err := box.Post(to("dave")); !errors.Is(err, mail.ErrFull) {
			t.Errorf("posting to a full outbox = %v, want %v", err, mail.ErrFull)
		}
		release <- struct{}{}
		synctest.Wait()
		if box.Full() {
			t.Error("outbox is still full after a delivery")
		}
		post(t, box, to("erin"))
		close(release)
		if err := box.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !p.delivered("erin@example.com") || p.delivered("dave@example.com") {
			t.Errorf("delivered: %v, want Erin's and not Dave's", p.sent)
		}
	})
}

func TestLettersThatWaitCountForTheCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := mail.NewOutbox(&postman{answer: busy}, mail.OutboxOptions{Capacity: 2})
		defer closeNow(t, box)
		post(t, box, to("ann"), to("bob"))
		synctest.Wait() // both have failed once
		if err := box.Post(to("carol")); !errors.Is(err, mail.ErrFull) {
			t.Errorf("err = %v, want %v", err, mail.ErrFull)
		}
	})
}

func TestCloseSendsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: func(_ context.Context, m mail.Message, attempt int) error {
			if attempt == 1 && m.To == "ann@example.com" {
				return errBusy
			}
			time.Sleep(time.Second)
			return nil
		}}
		box := mail.NewOutbox(p, mail.OutboxOptions{Workers: 2})
		post(t, box, to("ann"), to("bob"), to("carol"), to("dave"))
		synctest.Wait() // Ann's waits for its second attempt
		start := time.Now()
		if err := box.Close(t.Context()); err != nil {
			t.Errorf("closing: %v", err)
		}
		if len(p.sent) != 4 {
			t.Errorf("delivered: %v, want all four", p.sent)
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("closing took %v, want 2s: the delay of a letter is not waited out", got)
		}
		if err := box.Post(to("erin")); !errors.Is(err, mail.ErrClosed) {
			t.Errorf("posting after Close = %v, want %v", err, mail.ErrClosed)
		}
		if !box.Full() {
			t.Error("closed outbox says it would take a letter")
		}
		if err := box.Close(t.Context()); !errors.Is(err, mail.ErrClosed) {
			t.Errorf("second Close = %v, want %v", err, mail.ErrClosed)
		}
	})
}

func TestCloseThatRunsOutOfTimeTellsWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: func(ctx context.Context, m mail.Message, attempt int) error {
			switch m.To {
			case "busy@example.com":
				return errBusy
			case "hanging@example.com":
				return hang(ctx, m, attempt)
			default:
				return nil
			}
		}}
		box := mail.NewOutbox(p, mail.OutboxOptions{Workers: 3, Attempts: 100, Timeout: time.Hour})
		post(t, box, to("hanging"), to("busy"), to("ann"), to("hanging"), to("bob"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := box.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "lost: 3") {
			t.Errorf("err = %v, want 3 letters lost for lack of time", err)
		}
		// The bubble ends the test with a panic if a goroutine is left.
	})
}

func TestLostLettersAreThoseNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &postman{answer: hang}
		box := mail.NewOutbox(p, mail.OutboxOptions{Workers: 1})
		post(t, box, to("ann"), to("bob"))
		synctest.Wait()
		if err := closeNow(t, box); err == nil || !strings.Contains(err.Error(), "lost: 2") {
			t.Errorf("err = %v, want 2 letters lost", err)
		}
	})
}

func TestGivenUpLetterIsOneLogLineWithoutSecrets(t *testing.T) {
	for reason, answer := range map[string]func(context.Context, mail.Message, int) error{
		"attempts used up": busy,
		"refused": func(context.Context, mail.Message, int) error {
			return fmt.Errorf("handing over: %w", mail.ErrRefused)
		},
		"expired": func(ctx context.Context, m mail.Message, attempt int) error {
			return hang(ctx, m, attempt) // past the letter's use
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			box := mail.NewOutbox(&postman{answer: answer}, mail.OutboxOptions{
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			m := to("ann")
			m.ExpiresAt = time.Now().Add(10 * time.Minute)
			if reason == "expired" {
				m.ExpiresAt = time.Now().Add(10 * time.Second)
			}
			post(t, box, m)
			time.Sleep(time.Hour)
			if err := box.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := log.String()
			if strings.Count(got, "\n") != 1 {
				t.Errorf("%s: log has not one line:\n%s", reason, got)
			}
			for _, want := range []string{`msg="letter given up"`, reason, "domain=example.com", "to=a***@example.com"} {
				if !strings.Contains(got, want) {
					t.Errorf("%s: log lacks %q:\n%s", reason, want, got)
				}
			}
			for _, secret := range []string{"402816", "ann@"} {
				if strings.Contains(got, secret) {
					t.Errorf("%s: log has %q:\n%s", reason, secret, got)
				}
			}
		})
	}
}

func TestConcurrentPostsAreEachSentOnce(t *testing.T) {
	p := &postman{}
	box := mail.NewOutbox(p, mail.OutboxOptions{Capacity: 64, Workers: 8})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 200 {
				for errors.Is(box.Post(to(fmt.Sprintf("%d-%d", i, j))), mail.ErrFull) {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	if err := box.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(p.sent)
	if got := len(slices.Compact(p.sent)); got != 16*200 {
		t.Errorf("%d different letters sent, want %d", got, 16*200)
	}
	if got := len(p.attempts); got != 16*200 {
		t.Errorf("%d letters tried, want %d", got, 16*200)
	}
}

func TestCloseAndPostAtOnceLoseNothingThatWasTaken(t *testing.T) {
	for range 50 {
		p := &postman{}
		box := mail.NewOutbox(p, mail.OutboxOptions{})
		taken := make(chan int)
		go func() {
			n := 0
			for n < 500 && box.Post(to("ann")) == nil {
				n++
			}
			taken <- n
		}()
		runtime.Gosched()
		if err := box.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := len(p.sent), <-taken; got != want {
			t.Fatalf("%d letters sent, want the %d that were taken", got, want)
		}
	}
}

// The same against a server, with everything that goes wrong at once.
func TestOutboxOutlastsATroubledServer(t *testing.T) {
	before := runtime.NumGoroutine()
	mailbox, err := mailtest.Listen(mailtest.Options{Security: mailtest.STARTTLS, Username: "doorward", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	box := mail.NewOutbox(newSMTP(t, mailbox, nil), mail.OutboxOptions{Timeout: 5 * time.Second, Workers: 2})

	mailbox.Fail(1, mailtest.Fault{Stage: mailtest.AtData, Hang: true})
	post(t, box, to("hanging"))
	for mailbox.Traffic().Senders < 1 {
		runtime.Gosched()
	}
	mailbox.Fail(1, mailtest.Fault{Stage: mailtest.AtRecipient, Code: 450, Text: "later"})
	mailbox.Fail(1, mailtest.Fault{Stage: mailtest.AtRecipient, Code: 550, Text: "never"})
	mailbox.Fail(1, mailtest.Fault{Stage: mailtest.AtData, Drop: true})
	post(t, box, to("later"), to("never"), to("cut"), to("fine"))

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, name := range []string{"fine", "later", "cut"} {
		if _, err := mailbox.For(ctx, name+"@example.com"); err != nil {
			t.Errorf("letter to %s: %v", name, err)
		}
	}
	if got := len(mailbox.All()); got != 3 {
		t.Errorf("%d letters arrived, want 3: they have waited for the one that hangs", got)
	}
	if err := box.Close(ctx); err != nil {
		t.Error(err)
	}
	if _, err := mailbox.For(ctx, "hanging@example.com"); err != nil {
		t.Errorf("letter that hung at first: %v", err)
	}
	if got := len(mailbox.All()); got != 4 {
		t.Errorf("%d letters arrived, want 4", got)
	}
	if err := mailbox.Close(); err != nil {
		t.Error(err)
	}
	for runtime.NumGoroutine() > before {
		if ctx.Err() != nil {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines left, want %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(10 * time.Millisecond)
	}
}
