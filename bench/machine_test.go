package bench

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// machine says what is measured, and on what.
func machine(t *testing.T, r *rig) []string {
	t.Helper()
	info, err := buildinfo.ReadFile(build(t, "./cmd/doorward"))
	if err != nil {
		t.Fatal(err)
	}
	list := []string{processorModel(), fmt.Sprintf("%d processors", runtime.NumCPU())}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		list = append(list, "Linux "+strings.TrimSpace(string(kernel)))
	}
	list = append(list, info.GoVersion)
	for _, m := range info.Deps {
		if m.Path == "github.com/caddyserver/caddy/v2" {
			list = append(list, "Caddy "+m.Version)
		}
	}
	return append(list, "GOGC="+r.gogc, r.backend+" state", version("wrk", "-v"), version("h2load", "--version"))
}

var versionNumber = regexp.MustCompile(`[0-9]+(\.[0-9]+)+`)

// version returns a program's name and version. Some exit with an error after
// telling it.
func version(name, flag string) string {
	output, _ := exec.Command(name, flag).CombinedOutput()
	return strings.TrimSpace(name + " " + versionNumber.FindString(string(output)))
}

func processorModel() string {
	content, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
