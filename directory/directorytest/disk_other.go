//go:build unix && !linux

package directorytest

import "testing"

// SmallDisk returns the folder of a file system in memory that holds size
// bytes, until the test ends. Only Linux can; elsewhere the test fails.
func SmallDisk(t testing.TB, size int) string {
	t.Helper()
	t.Fatalf("a file system of %d bytes takes Linux and root: leave the test out with -short", size)
	return ""
}
