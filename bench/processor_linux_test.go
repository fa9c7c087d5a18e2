package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// processTime returns the processor time that a process has used, by all of its
// threads, of its own and of the system's, to the nanosecond. The clock of another
// process has a number that is made of its ID (clock_getcpuclockid(3)).
func processTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &at); err != nil {
		t.Fatalf("reading the processor clock of a process: %v", err)
	}
	return time.Duration(at.Nano())
}

// accountedTime returns the same from another account of the system, which counts
// hundredths of a second: proc_pid_stat(5).
func accountedTime(t *testing.T, pid int) time.Duration {
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
