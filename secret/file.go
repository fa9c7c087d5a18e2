package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Load returns the secret in the file at path: its content without the white
// space around it. A file that others than its owner may read is refused, as
// ssh refuses such a key.
func Load(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading secret: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("secret file %s can be read by others (mode %#o): chmod 600 it, and replace the secret if anybody may have seen it", path, mode)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading secret: %w", err)
	}
	s := []byte(strings.TrimSpace(string(content)))
	if len(s) < MinLength {
		return nil, fmt.Errorf("secret file %s: %w", path, ErrTooShort)
	}
	return s, nil
}

// LoadOrCreate is [Load], but makes the file, with a new random secret of 32
// bytes in base64url, if there is none. Of several processes that make it at
// the same time, all return the same secret.
func LoadOrCreate(path string) ([]byte, error) {
	s, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making secret: %w", err)
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	if err := create(path, base64.RawURLEncoding.EncodeToString(raw)+"\n"); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making secret: %w", err)
	}
	return Load(path)
}

// create writes a new file in one step: it has its whole content, on disk, when
// it first has its name, and never replaces another.
func create(path, content string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(content)
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name in dir last through a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
