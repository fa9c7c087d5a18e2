package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/doorward/doorward/secret"
)

// loadSecret reads the secret in the data directory. It makes one only for a
// directory without signing keys: beside keys that it cannot open, a new secret
// would be of no use, and hide that the old one is lost.
func (a *App) loadSecret(ctx context.Context) error {
	path := filepath.Join(dataDir(), "secret")
	keys, err := a.directory.Keys(ctx)
	if err != nil {
		return err
	}
	load := secret.LoadOrCreate
	if len(keys) > 0 {
		load = secret.Load
	}
	s, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the file %s is missing, and the directory holds signing keys that are sealed with the secret in it: put it back, from a backup, or give the secret in the configuration", path)
	}
	if err != nil {
		return err
	}
	a.ring, err = secret.NewRing(s)
	return err
}

// openKeys opens the signing keys, and makes the first. That they open is what
// proves the secret right: nothing has been sealed with it, or read, before.
func (a *App) openKeys(ctx context.Context) error {
	err := a.core.keys.Refresh(ctx)
	if errors.Is(err, secret.ErrOtherSecret) {
		return fmt.Errorf("%w: put the secret it was sealed with behind the new one: secret {new} {old}", err)
	}
	return err
}
