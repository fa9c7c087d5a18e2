//go:build unix

package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// BenchmarkEmbeddedWriters measures what a change costs that waits for the disk, with
// so many who ask at the same moment: the time of each by the clock, and of the
// processor.
func BenchmarkEmbeddedWriters(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			e := openEmbedded(b, filepath.Join(b.TempDir(), "store.db"), nil)
			ctx, cancel := context.WithCancel(b.Context()) // as a request's, which may end
			defer cancel()
			value := make([]byte, 512)
			var next atomic.Int64
			var writing sync.WaitGroup
			before := processorTime(b)
			b.ResetTimer()
			for range writers {
				writing.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := e.Put(ctx, fmt.Sprint("key ", i%1000), value, time.Hour); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			writing.Wait()
			b.StopTimer()
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkEmbeddedReader is the same for a look-up, which waits for no disk.
func BenchmarkEmbeddedReader(b *testing.B) {
	e := openEmbedded(b, filepath.Join(b.TempDir(), "store.db"), nil)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	if err := e.Put(ctx, "key", make([]byte, 512), time.Hour); err != nil {
		b.Fatal(err)
	}
	before := processorTime(b)
	b.ResetTimer()
	for range b.N {
		if _, err := e.Get(ctx, "key"); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime returns what this process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
