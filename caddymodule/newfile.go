package caddymodule

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A newFile is a file that gets its name when it is complete, so that no broken
// run leaves one that looks so. Only its owner can read it.
type newFile struct {
	*os.File
	name    string
	replace bool
	kept    bool
}

// createFile returns a file that is to be called name. One of that name is
// replaced only where that was asked for.
func createFile(name string, replace bool) (*newFile, error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is there, and not an ordinary file", name)
	case !replace:
		return nil, fmt.Errorf("%s is there already: choose another name, or replace it with --force", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	return &newFile{File: f, name: name, replace: replace}, nil
}

// keep gives the file its name, when all of it is on disk.
func (f *newFile) keep() error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if f.replace {
		if err := os.Rename(f.Name(), f.name); err != nil {
			return err
		}
		f.kept = true
	} else if err := os.Link(f.Name(), f.name); err != nil { // unlike Rename, it never replaces
		return err
	}
	folder, err := os.Open(filepath.Dir(f.name))
	if err != nil {
		return err
	}
	_ = folder.Sync() // the name, too, where a folder can be told
	return folder.Close()
}

// discard removes what has not got its name, and the name that it had before.
func (f *newFile) discard() {
	if !f.kept {
		f.Close()
		os.Remove(f.Name())
	}
}
