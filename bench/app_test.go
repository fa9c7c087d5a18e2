package bench

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// An app is a process of ./upstream: the app behind the gateways, or the server that
// forward_auth asks. Each set-up that it is for has an address of its own.
type app struct {
	pid     int
	setUps  []string
	addrs   []string // host:port, by set-up
	counter string   // URL of what it has counted
}

// counts are what a set-up has asked of an app since it was started.
type counts struct {
	Requests int64
	Asserted int64 // those with an assertion
}

func (c counts) since(before counts) counts {
	return counts{c.Requests - before.Requests, c.Asserted - before.Asserted}
}

func startApp(t *testing.T, setUps ...string) *app {
	t.Helper()
	command := exec.Command(build(t, "./bench/upstream"), strconv.Itoa(len(setUps)))
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("the app behind: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the app behind does not say where it is: %v", err)
	}
	addrs := strings.Fields(line)
	if len(addrs) != len(setUps)+1 {
		t.Fatalf("the app behind is at %q, want %d addresses", line, len(setUps)+1)
	}
	return &app{
		pid: command.Process.Pid, setUps: setUps,
		addrs: addrs[:len(setUps)], counter: "http://" + addrs[len(setUps)],
	}
}

// addr returns where a set-up finds the app.
func (a *app) addr(setUp string) string { return a.addrs[slices.Index(a.setUps, setUp)] }

// counted returns what a set-up has asked of the app.
func (a *app) counted(t *testing.T, setUp string) counts {
	t.Helper()
	response, err := http.Get(a.counter)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var all []counts
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil || len(all) != len(a.setUps) {
		t.Fatalf("the app behind has counted for %d set-ups, want %d: %v", len(all), len(a.setUps), err)
	}
	return all[slices.Index(a.setUps, setUp)]
}
