package ceremonies

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// processTime returns the processor time that a process has used, by all of its
// threads, of its own and of the system's: to the nanosecond, where /proc counts
// hundredths of a second. The clock of another process has a number that is made of
// its ID (clock_getcpuclockid(3)).
func processTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel
	return clock(t, int32(^pid<<3|scheduled))
}

// threadTime returns the processor time that the calling thread has used.
func threadTime(t *testing.T) time.Duration {
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
