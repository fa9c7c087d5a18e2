package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
)

var topics = []Promise{
	{"a subscriber receives what is published, in order, one at a time", receivesInOrder},
	{"every subscriber of a topic receives, and no other", receivesOwnTopic},
	{"nothing published after its context has ended is received", receivesUntilEnd},
	{"a receiver that is busy when its context ends is not called again", busyReceiverEnds},
	{"closing the store ends its subscriptions at once", closeEndsSubscriptions},
	{"closing the store waits for a receiver that is busy", closeWaitsForReceivers},
	{"publishing to nobody succeeds", publishesToNobody},
}

// patience is how long a message may be on its way before a test gives up.
const patience = 10 * time.Second

// Receive returns the next message from messages, and fails the test if none
// comes.
func Receive(t testing.TB, messages <-chan string) string {
	t.Helper()
	select {
	case message := <-messages:
		return message
	case <-time.After(patience):
		t.Fatalf("no message after %v", patience)
		return ""
	}
}

func receivesInOrder(t *testing.T, s store.Store, _ func(time.Duration)) {
	var inside atomic.Int32
	received := make(chan string)
	must(t, s.Subscribe(t.Context(), "topic", func(message []byte) {
		if inside.Add(1) != 1 {
			t.Error("receive was called while an earlier call had not returned")
		}
		received <- string(message)
		inside.Add(-1)
	}))
	want := []string{"first", "", "\x00\xff\r\n", "12"}
	for i := range 50 {
		want = append(want, fmt.Sprint("message ", i))
	}
	for _, message := range want {
		must(t, s.Publish(t.Context(), "topic", []byte(message)))
	}
	var got []string
	for range want {
		got = append(got, Receive(t, received))
	}
	if !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
}

func receivesOwnTopic(t *testing.T, s store.Store, _ func(time.Duration)) {
	subscribe := func(topic string) <-chan string {
		received := make(chan string, 10)
		must(t, s.Subscribe(t.Context(), topic, func(message []byte) {
			received <- string(message)
			clear(message) // its own copy: nobody else sees this
		}))
		return received
	}
	first, second, other := subscribe("a"), subscribe("a"), subscribe("a*")
	message := []byte("to a")
	must(t, s.Publish(t.Context(), "a", message))
	clear(message)
	must(t, s.Publish(t.Context(), "a*", []byte("to a*")))
	for i, received := range []<-chan string{first, second} {
		if got := Receive(t, received); got != "to a" {
			t.Errorf("subscriber %d of a received %q, want %q", i+1, got, "to a")
		}
	}
	if got := Receive(t, other); got != "to a*" {
		t.Errorf("the subscriber of a* received %q, want %q", got, "to a*")
	}
}

func receivesUntilEnd(t *testing.T, s store.Store, _ func(time.Duration)) {
	ctx, cancel := context.WithCancel(t.Context())
	endless, ended := make(chan string, 10), make(chan string, 10)
	must(t, s.Subscribe(ctx, "topic", func(message []byte) { ended <- string(message) }))
	must(t, s.Subscribe(t.Context(), "topic", func(message []byte) { endless <- string(message) }))
	must(t, s.Publish(t.Context(), "topic", []byte("before")))
	if got := Receive(t, ended); got != "before" {
		t.Errorf("received %q, want %q", got, "before")
	}
	Receive(t, endless)
	cancel()
	must(t, s.Publish(t.Context(), "topic", []byte("after")))
	if got := Receive(t, endless); got != "after" {
		t.Errorf("received %q, want %q", got, "after")
	}
	must(t, s.Close()) // waits for every receiver
	select {
	case got := <-ended:
		t.Errorf("received %q after the context had ended", got)
	default:
	}
}

func busyReceiverEnds(t *testing.T, s store.Store, _ func(time.Duration)) {
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		inside, leave := make(chan string, 1), make(chan struct{})
		must(t, s.Subscribe(ctx, "topic", func(message []byte) {
			if ctx.Err() != nil {
				t.Errorf("received %q after the context had ended", message)
				return
			}
			inside <- string(message)
			<-leave
		}))
		must(t, s.Publish(t.Context(), "topic", []byte("before")))
		Receive(t, inside)
		cancel()
		must(t, s.Publish(t.Context(), "topic", []byte("after")))
		close(leave)
	}
	must(t, s.Close()) // waits for every receiver
}

func closeEndsSubscriptions(t *testing.T, s store.Store, _ func(time.Duration)) {
	must(t, s.Subscribe(t.Context(), "topic", func([]byte) {}))
	start := time.Now()
	must(t, s.Close())
	if took := time.Since(start); took > time.Second {
		t.Errorf("Close with an idle subscription took %v, want less than a second", took)
	}
	wantFailure(t, "Subscribe to a closed store", s.Subscribe(t.Context(), "topic", func([]byte) {}))
}

func closeWaitsForReceivers(t *testing.T, s store.Store, _ func(time.Duration)) {
	inside, leave := make(chan string), make(chan struct{})
	var left atomic.Bool
	must(t, s.Subscribe(t.Context(), "topic", func(message []byte) {
		inside <- string(message)
		<-leave
		left.Store(true)
	}))
	must(t, s.Publish(t.Context(), "topic", []byte("message")))
	Receive(t, inside)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Errorf("Close = %v while a receiver was busy, want it to wait", err)
		closed <- err
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	must(t, <-closed)
	if !left.Load() {
		t.Error("Close has returned and the receiver has not")
	}
}

func publishesToNobody(t *testing.T, s store.Store, _ func(time.Duration)) {
	must(t, s.Publish(t.Context(), "topic", []byte("message")))
	received := make(chan string, 10)
	must(t, s.Subscribe(t.Context(), "topic", func(message []byte) { received <- string(message) }))
	must(t, s.Publish(t.Context(), "topic", []byte("later")))
	if got := Receive(t, received); got != "later" {
		t.Errorf("received %q, want %q", got, "later")
	}
}
