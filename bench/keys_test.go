package bench

import (
	"context"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/session"
)

// signingKeys keeps the signing keys in the directory, as the gateway does.
type signingKeys struct{ *directory.Directory }

// Keys implements [session.KeyStorage].
func (s signingKeys) Keys(ctx context.Context) ([]session.StoredKey, error) {
	stored, err := s.Directory.Keys(ctx)
	return keysFrom(stored), err
}

// ChangeKeys implements [session.KeyStorage].
func (s signingKeys) ChangeKeys(ctx context.Context, change func([]session.StoredKey) ([]session.StoredKey, error)) error {
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
