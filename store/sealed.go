package store

import (
	"context"
	"fmt"
	"time"
)

// A Sealer encrypts and authenticates. It is safe for concurrent use.
type Sealer interface {
	// Seal returns plaintext encrypted and bound to the additional data ad.
	Seal(plaintext, ad []byte) []byte

	// Open returns the plaintext of what Seal returned for the same ad, and an
	// error for anything else.
	Open(sealed, ad []byte) ([]byte, error)
}

// Sealed returns s with its values sealed at rest. The key is the additional
// data, so that whoever can write to the store cannot make one session's record
// stand for another's. A value that does not open is a failure, not
// [ErrNotFound]: it may be the wrong secret, and everyone would be signed out.
//
// Keys, counters, the names and members of sets, topics and published messages
// pass through as they are. A caller that does not want them read puts nothing
// into them that is worth reading.
//
// Sealing does not hide that a value was put, nor how long it is, and does not
// keep whoever can write to the store from putting back an older value of the
// same key.
func Sealed(s Store, sealer Sealer) Store { return &sealed{s, sealer} }

type sealed struct {
	Store
	sealer Sealer
}

// Put implements [Store].
func (s *sealed) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.Store.Put(ctx, key, s.sealer.Seal(value, []byte(key)), ttl)
}

// Replace implements [Store].
func (s *sealed) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.Store.Replace(ctx, key, s.sealer.Seal(value, []byte(key)), ttl)
}

// ReplaceAll implements [Store].
func (s *sealed) ReplaceAll(ctx context.Context, entries ...Entry) error {
	sealed := make([]Entry, len(entries))
	for i, e := range entries {
		sealed[i] = Entry{Key: e.Key, Value: s.sealer.Seal(e.Value, []byte(e.Key)), TTL: e.TTL}
	}
	return s.Store.ReplaceAll(ctx, sealed...)
}

// Create implements [Store].
func (s *sealed) Create(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.Store.Create(ctx, key, s.sealer.Seal(value, []byte(key)), ttl)
}

// Get implements [Store].
func (s *sealed) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := s.Store.Get(ctx, key)
	return s.open(key, value, err)
}

// Take implements [Store]. A value that does not open has been taken all the
// same: nobody else gets it either.
func (s *sealed) Take(ctx context.Context, key string) ([]byte, error) {
	value, err := s.Store.Take(ctx, key)
	return s.open(key, value, err)
}

func (s *sealed) open(key string, value []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	plaintext, err := s.sealer.Open(value, []byte(key))
	if err != nil {
		// Not wrapped: whatever the sealer says, this is not ErrNotFound.
		return nil, fmt.Errorf("opening a sealed value: %v", err)
	}
	return plaintext, nil
}
