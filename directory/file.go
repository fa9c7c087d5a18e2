package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// making keeps makeFile from closing a file that another Directory of this
// process has begun to use: closing any descriptor of a file drops all POSIX
// locks that the process has on it, SQLite's included.
var making sync.Mutex

// makeFile makes an empty file that only its owner can read, and its folder,
// and waits until both are on disk. A file that exists is left as it is, and
// for the reason above not even opened.
func makeFile(path string) error {
	making.Lock()
	defer making.Unlock()
	folder := filepath.Dir(path)
	if err := makeFolder(folder); err != nil {
		return fmt.Errorf("making folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making file: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close(), syncFolder(folder)); err != nil {
		return fmt.Errorf("making file: %w", err)
	}
	return nil
}

// makeFolder is os.MkdirAll that waits for the disk.
func makeFolder(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: path, Err: errors.New("not a folder")}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// syncFolder waits until the entries of a folder are on disk. Windows keeps
// them in its own journal and cannot be asked.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
