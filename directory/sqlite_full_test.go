package directory_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/doorward/doorward/directory/directorytest"
)

func TestAFullDiskRefusesToWriteAndReadsOn(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts a file system")
	}
	disk := directorytest.SmallDisk(t, 4<<20)
	path := filepath.Join(disk, "directory.db")
	d := openSQLite(t, path, time.Now)
	wantFullDisk(t, d,
		func() { directorytest.FillDisk(t, disk) },
		func() { directorytest.FreeDisk(t, disk) },
		"database or disk is full")
	if got := report(t, path, `integrity_check`); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}

	// A process that starts while the disk is full says so, and later starts.
	directorytest.FillDisk(t, disk)
	other := filepath.Join(disk, "other.db")
	if err := openAndClose(t, other); err == nil {
		t.Error("a directory was made on a full disk")
	}
	directorytest.FreeDisk(t, disk)
	if err := openAndClose(t, other); err != nil {
		t.Errorf("when there is space again: %v", err)
	}
}
