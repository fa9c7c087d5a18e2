//go:build linux

package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
)

// A full disk refuses what would be written and keeps what is there. Nothing has to
// be started again once there is space.
func TestFullDiskIsAFailureUntilThereIsSpace(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	path := filepath.Join(dir, "store.db")
	e := openEmbedded(t, path, nil)
	ctx := t.Context()
	value := bytes.Repeat([]byte("v"), 4<<10)
	kept := map[string]bool{}
	for i := range 20 {
		key := fmt.Sprint("key ", i)
		if err := e.Put(ctx, key, value, time.Hour); err != nil {
			t.Fatal(err)
		}
		kept[key] = true
	}
	if _, err := e.Count(ctx, "count", time.Hour); err != nil {
		t.Fatal(err)
	}

	fill(t, filepath.Join(dir, "ballast"))
	// What is free inside the store's own files is used up first.
	var full error
	for i := 0; full == nil && i < 1000; i++ {
		key := fmt.Sprint("more ", i)
		if full = e.Put(ctx, key, value, time.Hour); full == nil {
			kept[key] = true
		}
	}
	if full == nil || !strings.Contains(full.Error(), "full") {
		t.Fatalf("Put on a full disk = %v, want that it is full", full)
	}
	for range 20 {
		if err := e.Put(ctx, "key 0", value[1:], time.Hour); err == nil {
			t.Fatal("Put on a full disk = nil, want a failure")
		}
		if _, err := e.Take(ctx, "key 1"); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Fatalf("Take on a full disk = %v, want a failure: it cannot be noted", err)
		}
		if err := e.ReplaceAll(ctx, store.Entry{Key: "key 0", Value: value[1:], TTL: time.Hour}); err == nil {
			t.Fatal("ReplaceAll on a full disk = nil, want a failure")
		}
		if _, err := e.Count(ctx, "count", time.Hour); err == nil {
			t.Fatal("Count on a full disk = nil, want a failure")
		}
	}
	var counting sync.WaitGroup
	for range 30 { // who share a commit
		counting.Go(func() {
			if _, err := e.Count(ctx, "count", time.Hour); err == nil {
				t.Error("one of many Counts on a full disk = nil, want a failure")
			}
		})
	}
	counting.Wait()
	check := func(when string, e *store.Embedded) {
		t.Helper()
		for key := range kept {
			if got, err := e.Get(ctx, key); err != nil || !bytes.Equal(got, value) {
				t.Errorf("Get(%q) %s = %d bytes, %v, want the %d that were put", key, when, len(got), err, len(value))
			}
		}
	}
	check("on a full disk", e)

	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	check("when there is space", e)
	if n, err := e.Count(ctx, "count", time.Hour); err != nil || n != 2 {
		t.Errorf("Count when there is space = %d, %v, want 2: none of the others has counted", n, err)
	}
	if got, err := e.Take(ctx, "key 1"); err != nil || !bytes.Equal(got, value) {
		t.Errorf("Take when there is space = %d bytes, %v, want the value", len(got), err)
	}
	delete(kept, "key 1")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	check("after opening it again", openEmbedded(t, path, nil))
}

// smallDisk mounts a file system of its own, which only root may.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting the small disk: %v", err)
		}
	})
	return dir
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, size := range []int{1 << 16, 1 << 12} {
		for {
			if _, err := file.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}
