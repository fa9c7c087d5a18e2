package scale

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
)

// durations are times that something took.
type durations []time.Duration

// quantile returns the time that a part q of the times are not longer than.
func (d durations) quantile(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// A figure is one row of the table.
type figure struct {
	name   string
	unit   string
	values []float64 // by site
	judged bool      // it is not to grow
}

// growth returns how many times the first site's the last site's is.
func (f figure) growth() float64 { return f.values[len(f.values)-1] / f.values[0] }

// compare returns what was found.
func compare(sites []*site) []figure {
	var figures []figure
	add := func(judged bool, name, unit string, of func(*site) float64) {
		f := figure{name: name, unit: unit, judged: judged}
		for _, s := range sites {
			f.values = append(f.values, of(s))
		}
		figures = append(figures, f)
	}
	milliseconds := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	for _, l := range lines {
		add(true, l.String()+": median", "ms", func(s *site) float64 { return milliseconds(s.took.signIns[l].quantile(0.5)) })
		add(true, l.String()+": p99", "ms", func(s *site) float64 { return milliseconds(s.took.signIns[l].quantile(0.99)) })
	}
	add(true, "start-up: median", "ms", func(s *site) float64 { return milliseconds(s.took.starts.quantile(0.5)) })
	if sites[0].redis != nil {
		add(true, "Redis, for each session", "bytes", func(s *site) float64 { return s.bytes.redis })
		add(false, "– its record", "bytes", func(s *site) float64 { return float64(s.bytes.record) })
		add(false, "– who its subject is", "bytes", func(s *site) float64 { return float64(s.bytes.subject) })
		add(false, "– the list of its subject's sessions", "bytes", func(s *site) float64 { return float64(s.bytes.list) })
		add(true, "node, for each session in its memory", "bytes", func(s *site) float64 { return s.bytes.heap })
		add(false, "node, sessions used", "", func(s *site) float64 { return float64(s.bytes.used) })
		add(false, "node, heap after that", "MB", func(s *site) float64 { return float64(s.bytes.all) / 1e6 })
		add(false, "node, resident memory after that", "MB", func(s *site) float64 { return float64(s.bytes.resident) / 1e6 })
		add(false, "beginning the sessions", "s", func(s *site) float64 { return s.took.sessions.Seconds() })
	}
	add(false, "directory on disk", "MB", func(s *site) float64 { return float64(s.bytes.directory) / 1e6 })
	add(false, "importing the users", "s", func(s *site) float64 { return s.took.fill.Seconds() })
	return figures
}

// markdown returns the table.
func markdown(t *testing.T, title string, versions []string, sites []*site, figures []figure) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n", title, strings.Join(append(environment(t), versions...), "; "))
	b.WriteString("| users |")
	for _, s := range sites {
		fmt.Fprintf(&b, " %s |", thousands(s.size))
	}
	b.WriteString(" growth |\n| --- |" + strings.Repeat(" ---: |", len(sites)+1) + "\n")
	for _, f := range figures {
		fmt.Fprintf(&b, "| %s |", f.name)
		for _, v := range f.values {
			fmt.Fprintf(&b, " %s |", strings.TrimSpace(number(v)+" "+f.unit))
		}
		if f.judged {
			fmt.Fprintf(&b, " %.2f |\n", f.growth())
		} else {
			b.WriteString(" |\n")
		}
	}
	fmt.Fprintf(&b, "\nEach time of a sign-in is of %d sign-ins, and of start-up of %d starts.\n", *signIns, *starts)
	return b.String()
}

func number(v float64) string {
	switch {
	case v >= 100:
		return thousands(int(v + 0.5))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// thousands writes a number with commas.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// environment says what it was measured on.
func environment(t *testing.T) []string {
	t.Helper()
	info, err := buildinfo.ReadFile(testbed.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	built := info.GoVersion
	for _, setting := range info.Settings {
		if setting.Key == "-race" && setting.Value == "true" {
			built += " with the race detector"
		}
	}
	list := []string{processor(), fmt.Sprintf("%d processors", runtime.NumCPU())}
	if memory := field("/proc/meminfo", "MemTotal"); memory != "" {
		list = append(list, memory+" of memory")
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		list = append(list, "Linux "+strings.TrimSpace(string(kernel)))
	}
	return append(list, built)
}

func processor() string {
	if name := field("/proc/cpuinfo", "model name"); name != "" {
		return name
	}
	return runtime.GOARCH
}

// field returns the first value of a name in a file of Linux, or "".
func field(path, name string) string {
	content, _ := os.ReadFile(path)
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// moduleVersion returns the version of a library that the gateway was built with.
func moduleVersion(t *testing.T, path string) string {
	t.Helper()
	info, err := buildinfo.ReadFile(testbed.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return path + " " + m.Version
		}
	}
	t.Fatalf("the gateway was built without %s", path)
	return ""
}

// fileSizes returns the bytes of the files that match pattern.
func fileSizes(t *testing.T, pattern string) int64 {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	var sum int64
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}
