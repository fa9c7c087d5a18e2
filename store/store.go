// Package store keeps what expires: challenges, passcodes, counters, sessions
// and the indexes over them. Losing it costs people one more sign-in, never an
// account; what must last is in package directory.
//
// There are two stores behind one contract, which package storetest holds as
// tests. [Embedded] is a file on this machine, and needs no configuration.
// [Redis] is shared by any number of nodes: one server, a primary with replicas and
// sentinels, or a cluster, and nothing that uses the store knows which. [Sealed]
// wraps either, so that values are encrypted at rest.
//
// The package knows nothing of what it keeps: no sessions, no users. It does
// not retry what may have been done, because a Take or a Count that is sent twice
// is counted twice, and it never answers "not found" for "could not look".
package store

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound is returned for a key that was never put, has expired, or was
// taken or deleted. It is an answer, not a failure: the store has looked.
var ErrNotFound = errors.New("store: not found")

// ErrExists is returned by Create for a key that is there and has not expired. It
// is an answer too.
var ErrExists = errors.New("store: key exists")

// errMixed is returned where a counter stands under a key that is asked for its
// value, or a value under a key that is asked to count. It is a mistake in the
// caller, and a failure.
var errMixed = errors.New("store: key holds the other kind, a value or a counter")

// An Entry is a value with its key and its time to live.
type Entry struct {
	Key   string
	Value []byte
	TTL   time.Duration
}

// A Store keeps short-lived values, counters and sets.
//
// Its methods are safe for concurrent use by this process and by any other that
// shares the store, and each is one atomic step. An error other than
// [ErrNotFound] and [ErrExists] means that the store failed: whether the step happened is not
// known, and the caller refuses the request. It never guesses.
//
// A key holds a value or a counter. Sets and topics have names of their own and
// never meet a key. Every string is a name, the empty one too.
//
// Everything expires. A ttl is counted in whole milliseconds, and what has none
// left is gone; a ttl under one millisecond, or a negative one, has passed
// already. No ttl means "for ever".
type Store interface {
	// Put keeps a copy of value under key for ttl, replacing what was there.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// Replace is Put for a key that is there, and [ErrNotFound] for one that is
	// not, in one step: touching a session that another request has just ended
	// does not bring it back.
	Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// ReplaceAll is Replace for each of entries, in one journey. An entry whose key is
	// not there is passed over, and that is no error. It is not one step: if it fails,
	// some may be replaced.
	ReplaceAll(ctx context.Context, entries ...Entry) error

	// Create is Put for a key that is not there, and [ErrExists] for one that is,
	// be it a value or a counter, in one step: of any number of concurrent calls
	// one creates it. What is there stays as it is, and lives no longer for it.
	Create(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// Get returns the value under key, or [ErrNotFound]. An empty value is a
	// value. Asking for the value of a counter is a failure.
	Get(ctx context.Context, key string) ([]byte, error)

	// Take returns the value under key and removes it in one step: of any number
	// of concurrent calls one gets the value, and the others get [ErrNotFound].
	// Taking a counter is a failure.
	Take(ctx context.Context, key string) ([]byte, error)

	// Count adds one to the counter under key and returns the new count. The
	// first call starts the counter and its ttl; later calls do not extend it.
	// Counting on a value is a failure.
	//
	// An attempt must count though the client hangs up: callers that guard
	// something pass a [context.WithoutCancel].
	Count(ctx context.Context, key string, ttl time.Duration) (int64, error)

	// Delete removes the value or counter under key, if there is one.
	Delete(ctx context.Context, key string) error

	// DeleteAll is Delete for each of keys, in one journey. It is not one step: if it
	// fails, some may be removed.
	DeleteAll(ctx context.Context, keys ...string) error

	// Add puts member into set for ttl. Each member has its own expiry; adding
	// it again starts that anew, be it later or sooner.
	Add(ctx context.Context, set, member string, ttl time.Duration) error

	// Members returns the members of set that have not expired, in any order. A
	// set without members is empty, not [ErrNotFound].
	Members(ctx context.Context, set string) ([]string, error)

	// Remove takes member out of set, if it is there.
	Remove(ctx context.Context, set, member string) error

	// Publish sends message to the subscribers of topic, on every node that
	// shares the store. Success does not say that anyone received it.
	Publish(ctx context.Context, topic string, message []byte) error

	// Subscribe calls receive with each message published to topic from when it
	// returns until ctx ends, one message at a time, in the order they arrived.
	// A message published after ctx has ended is not received.
	//
	// Delivery is best effort: the subscription survives a lost connection, the
	// messages sent meanwhile do not, and a receiver that falls far behind may
	// lose some. Use it to hear sooner what the store would tell when asked.
	Subscribe(ctx context.Context, topic string, receive func(message []byte)) error

	// Ping returns nil if the store answers.
	Ping(ctx context.Context) error

	// Close ends the subscriptions, waits for their receivers to return, and
	// frees the connections. It must not be called by a receiver. Closing again
	// does nothing.
	Close() error
}
