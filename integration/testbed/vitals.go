package testbed

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Vitals are what a process that leaks has more and more of.
type Vitals struct {
	Goroutines  int
	Descriptors int   // open files and sockets
	Resident    int64 // bytes of memory, of which some is garbage
}

// String implements fmt.Stringer.
func (v Vitals) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d MiB", v.Goroutines, v.Descriptors, v.Resident>>20)
}

// Vitals measures the running gateway, on Linux. It has the gateway collect its
// garbage first.
func (g *Gateway) Vitals() Vitals {
	g.t.Helper()
	g.profile("heap?gc=1")
	var v Vitals
	if n := regexp.MustCompile(`^goroutine profile: total ([0-9]+)`).FindStringSubmatch(g.profile("goroutine?debug=1")); n != nil {
		v.Goroutines, _ = strconv.Atoi(n[1])
	}
	process := fmt.Sprintf("/proc/%d", g.Pid())
	descriptors, err := os.ReadDir(process + "/fd")
	if err != nil {
		g.t.Fatal(err)
	}
	v.Descriptors = len(descriptors)
	status, err := os.Open(process + "/status")
	if err != nil {
		g.t.Fatal(err)
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "VmRSS:" {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			v.Resident = kilobytes << 10
		}
	}
	if v.Goroutines == 0 || v.Resident == 0 {
		g.t.Fatalf("the vitals of the gateway cannot be read: %v", v)
	}
	return v
}

// Goroutines returns where the goroutines of the running gateway are, those that
// are in the same place together.
func (g *Gateway) Goroutines() string {
	g.t.Helper()
	return g.profile("goroutine?debug=1")
}

func (g *Gateway) profile(name string) string {
	g.t.Helper()
	response, err := http.Get("http://" + g.AdminAddr + "/debug/pprof/" + name)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(content)
}
