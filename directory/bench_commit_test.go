//go:build unix

package directory_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

// BenchmarkSQLiteWriters measures what an audit record costs that waits for the disk,
// with so many who ask at the same moment: the time of each by the clock, and of the
// processor.
func BenchmarkSQLiteWriters(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			d := openSQLite(b, filepath.Join(b.TempDir(), "directory.db"), time.Now)
			var next atomic.Int64
			var writing sync.WaitGroup
			before := processorTime(b)
			b.ResetTimer()
			for range writers {
				writing.Go(func() {
					for next.Add(1) <= int64(b.N) {
						if err := d.Record(b.Context(), directory.Event{Type: "signed_in", Client: "192.0.2.1"}); err != nil {
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

// processorTime returns what this process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
