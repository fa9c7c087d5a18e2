package caddymodule

import (
	"context"
	"errors"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// keyStorage keeps signing keys in a directory.
type keyStorage struct{ *directory.Directory }

// Keys implements session.KeyStorage.
func (s keyStorage) Keys(ctx context.Context) ([]session.StoredKey, error) {
	all, err := s.Directory.Keys(ctx)
	if err != nil {
		return nil, err
	}
	var keys []session.StoredKey
	for _, k := range all {
		keys = append(keys, session.StoredKey{
			ID: k.ID, Algorithm: k.Algorithm, Public: k.Public, Sealed: k.Sealed, CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom,
		})
	}
	return keys, nil
}

// AddKey implements session.KeyStorage.
func (s keyStorage) AddKey(ctx context.Context, k session.StoredKey) error {
	return s.Directory.AddKey(ctx, directory.Key{
		ID: k.ID, Algorithm: k.Algorithm, Public: k.Public, Sealed: k.Sealed, CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom,
	})
}

// RemoveKey implements session.KeyStorage.
func (s keyStorage) RemoveKey(ctx context.Context, id string) error {
	err := s.Directory.RemoveKey(ctx, id)
	if errors.Is(err, directory.ErrNotFound) {
		return nil
	}
	return err
}
