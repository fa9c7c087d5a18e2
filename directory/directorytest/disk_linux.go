package directorytest

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// SmallDisk returns the folder of a file system in memory that holds size
// bytes, until the test ends. Making one takes root; without it the test fails.
func SmallDisk(t testing.TB, size int) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "smalldisk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(folder) })
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Fatalf("mounting a small file system: %v; run the test as root, or leave it out with -short", err)
	}
	t.Cleanup(func() {
		// Detached at once, also where a process holds a file open.
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}
