package caddymodule

import (
	"context"

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
	return storedKeys(all), nil
}

// ChangeKeys implements session.KeyStorage.
func (s keyStorage) ChangeKeys(ctx context.Context, change func([]session.StoredKey) ([]session.StoredKey, error)) error {
	return s.Directory.ChangeKeys(ctx, func(before []directory.Key) ([]directory.Key, error) {
		after, err := change(storedKeys(before))
		if err != nil {
			return nil, err
		}
		return directoryKeys(after), nil
	})
}

func storedKeys(all []directory.Key) []session.StoredKey {
	var keys []session.StoredKey
	for _, k := range all {
		keys = append(keys, session.StoredKey(k))
	}
	return keys
}

func directoryKeys(all []session.StoredKey) []directory.Key {
	var keys []directory.Key
	for _, k := range all {
		keys = append(keys, directory.Key(k))
	}
	return keys
}
