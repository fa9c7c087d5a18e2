package store

import (
	"bytes"
	"context"
	"sync"
)

// backlog is how many messages wait for one receiver before more are dropped.
const backlog = 256

// topics hands the messages of one process to its own subscribers.
type topics struct {
	mu          sync.RWMutex
	subscribers map[string]map[*subscriber]struct{} // by topic
}

type subscriber struct{ messages chan []byte }

// publish gives every subscriber of topic a copy of message. It does not wait
// for a receiver: one that is stuck must not hold up the sign-out that
// publishes, so a full backlog drops the message.
func (t *topics) publish(topic string, message []byte) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for s := range t.subscribers[topic] {
		select {
		case s.messages <- bytes.Clone(message):
		default:
		}
	}
}

// add returns a new subscriber of topic; remove ends it.
func (t *topics) add(topic string) *subscriber {
	s := &subscriber{messages: make(chan []byte, backlog)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subscribers == nil {
		t.subscribers = make(map[string]map[*subscriber]struct{})
	}
	if t.subscribers[topic] == nil {
		t.subscribers[topic] = make(map[*subscriber]struct{})
	}
	t.subscribers[topic][s] = struct{}{}
	return s
}

func (t *topics) remove(topic string, s *subscriber) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.subscribers[topic], s)
	if len(t.subscribers[topic]) == 0 {
		delete(t.subscribers, topic)
	}
}

// relay calls receive with each message until ctx ends.
func (s *subscriber) relay(ctx context.Context, receive func([]byte)) {
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-s.messages:
			// Both may have been ready: the end comes first.
			if ctx.Err() != nil {
				return
			}
			receive(message)
		}
	}
}
