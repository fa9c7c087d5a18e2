// Package processor tells how much processor time processes have used, for
// benchmarks that judge by it: other than the time on the clock, it hardly depends on
// what else a machine does.
package processor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// OfProcess returns the processor time that a process has used, by all of its
// threads, of its own and of the system's, to the nanosecond. The clock of another
// process has a number that is made of its ID (clock_getcpuclockid(3)).
func OfProcess(t *testing.T, pid int) time.Duration {
	t.Helper()
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel
	return clock(t, int32(^pid<<3|scheduled))
}

// OfThread returns the processor time that the calling thread has used.
func OfThread(t *testing.T) time.Duration {
	t.Helper()
	return clock(t, unix.CLOCK_THREAD_CPUTIME_ID)
}

func clock(t *testing.T, id int32) time.Duration {
	t.Helper()
	var at unix.Timespec
	if err := unix.ClockGettime(id, &at); err != nil {
		t.Fatalf("reading a processor clock: %v", err)
	}
	return time.Duration(at.Nano())
}

// Accounted returns what OfProcess does from another account of the system, which
// counts hundredths of a second: proc_pid_stat(5).
func Accounted(t *testing.T, pid int) time.Duration {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	// The name of the program comes second, in parentheses, and may have spaces.
	fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
	const user, system, hertz = 14 - 3, 15 - 3, 100
	var ticks int64
	for _, field := range []int{user, system} {
		n, err := strconv.ParseInt(string(fields[field]), 10, 64)
		if err != nil {
			t.Fatalf("reading /proc/%d/stat: %v", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / hertz
}
