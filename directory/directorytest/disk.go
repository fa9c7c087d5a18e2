//go:build unix

package directorytest

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// ballast is the file that fills a disk.
const ballast = ".ballast"

// FillDisk fills the file system of a folder, one of SmallDisk, to the last
// byte.
func FillDisk(t testing.TB, folder string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(folder, ballast), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("filling the disk: %v", err)
		}
		err = nil
	}
}

// FreeDisk gives back what FillDisk took.
func FreeDisk(t testing.TB, folder string) {
	t.Helper()
	if err := os.Remove(filepath.Join(folder, ballast)); err != nil {
		t.Fatal(err)
	}
}
