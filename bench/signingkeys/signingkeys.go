// Package signingkeys lets a benchmark begin sessions in the place of a node.
package signingkeys

import (
	"context"
	"errors"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// Storage keeps the signing keys in the directory, as the gateway does.
type Storage struct{ *directory.Directory }

// Keys implements [session.KeyStorage].
func (s Storage) Keys(ctx context.Context) ([]session.StoredKey, error) {
	stored, err := s.Directory.Keys(ctx)
	return keysFrom(stored), err
}

// ChangeKeys implements [session.KeyStorage].
func (s Storage) ChangeKeys(ctx context.Context, change func([]session.StoredKey) ([]session.StoredKey, error)) error {
	return s.Directory.ChangeKeys(ctx, func(stored []directory.Key) ([]directory.Key, error) {
		var changed []directory.Key
		keys, err := change(keysFrom(stored))
		for _, k := range keys {
			changed = append(changed, directory.Key(k))
		}
		return changed, err
	})
}

func keysFrom(stored []directory.Key) []session.StoredKey {
	var keys []session.StoredKey
	for _, k := range stored {
		keys = append(keys, session.StoredKey(k))
	}
	return keys
}

// Made is the storage of keys that the gateway has made already: asked to make one, it
// fails.
type Made struct{ *directory.Directory }

// Keys implements [session.KeyStorage].
func (m Made) Keys(ctx context.Context) ([]session.StoredKey, error) { return Storage(m).Keys(ctx) }

// ChangeKeys implements [session.KeyStorage].
func (Made) ChangeKeys(context.Context, func([]session.StoredKey) ([]session.StoredKey, error)) error {
	return errors.New("the gateway has made no key")
}

var (
	_ session.KeyStorage = Storage{}
	_ session.KeyStorage = Made{}
)
