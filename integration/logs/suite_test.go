package logs

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var folder = flag.String("evidence", "", "folder with the logs of a whole run, and what was issued in it (see scripts/test)")

// floors are how many of each kind a run of the whole suite issues at least, about
// half of what it does. With fewer, something was not looked at.
var floors = map[Kind]int{
	Passcode: 400, Token: 600, Assertion: 250, Cookie: 700, Challenge: 500, Ceremony: 800, Sealing: 50, Password: 2, Address: 200,
}

const (
	fewestGateways = 80
	fewestRequests = 12000 // lines of access logs
	fewestProxied  = 5000  // lines that only the level debug has
)

// whole is what the evidence comes to.
type whole struct {
	issued                      map[Kind]map[string]bool
	gateways, requests, proxied int
	lines                       int
	biggest                     []byte // log
	everywhere                  *Search
}

// A token may come to light in the log of another gateway than the one whose test
// noted it: all logs are searched for all of them.
func TestNoLogOfTheSuiteHasWhatWasIssued(t *testing.T) {
	if *folder == "" {
		t.Skip("scripts/test gives it the logs of the whole suite, when that has run")
	}
	programs, err := Programs(*folder)
	if err != nil {
		t.Fatal(err)
	}
	w := whole{issued: make(map[Kind]map[string]bool)}
	var all []Secret
	for _, p := range programs {
		all = append(all, Without(p.Issued, Passcode, Address)...)
		for _, secret := range p.Issued {
			if w.issued[secret.Kind] == nil {
				w.issued[secret.Kind] = make(map[string]bool)
			}
			w.issued[secret.Kind][secret.Value] = true
		}
	}
	w.everywhere = NewSearch(all)
	for _, p := range programs {
		w.read(t, p)
	}
	w.holdFloors(t)
	w.holdPlanted(t)
	t.Logf("%d programs, %d gateways, %d lines, %d of them of requests and %d of what was passed on", len(programs), w.gateways, w.lines, w.requests, w.proxied)
	for _, kind := range slices.Sorted(maps.Keys(w.issued)) {
		t.Logf("%6d different: %s", len(w.issued[kind]), kind)
	}
}

// read searches the logs of one program.
func (w *whole) read(t *testing.T, p Program) {
	// Of passcodes there are a million, and everybody is ann@example.com.
	own := NewSearch(Without(p.Issued, Token, Assertion, Cookie, Challenge, Ceremony, Sealing, Password))
	for _, path := range slices.Concat(p.Logs, p.Letters) {
		log, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		searches := []*Search{w.everywhere, own}
		if slices.Contains(p.Letters, path) {
			searches = searches[:1]
		}
		for _, search := range searches {
			for _, finding := range search.Log(log) {
				t.Errorf("%s/%s: %v", p.Name, filepath.Base(path), finding)
			}
		}
		w.gateways++
		w.lines += bytes.Count(log, []byte("\n"))
		w.requests += bytes.Count(log, []byte(`"logger":"http.log.access`))
		w.proxied += bytes.Count(log, []byte(`"msg":"upstream roundtrip"`))
		if len(log) > len(w.biggest) {
			w.biggest = log
		}
	}
}

func (w *whole) holdFloors(t *testing.T) {
	for kind, want := range floors {
		if got := len(w.issued[kind]); got < want {
			t.Errorf("%d different of kind %s were noted, want %d at least", got, kind, want)
		}
	}
	for what, n := range map[string][2]int{
		"gateways": {w.gateways, fewestGateways}, "lines of access logs": {w.requests, fewestRequests}, "lines about apps at level debug": {w.proxied, fewestProxied},
	} {
		if n[0] < n[1] {
			t.Errorf("%d %s, want %d at least", n[0], what, n[1])
		}
	}
}

// holdPlanted proves the search with what it has searched: a few secrets of each kind,
// put into the middle of the longest log, has to be found there.
func (w *whole) holdPlanted(t *testing.T) {
	half := bytes.LastIndexByte(w.biggest[:len(w.biggest)/2], '\n') + 1
	for kind, values := range w.issued {
		if kind == Public {
			continue
		}
		for _, value := range slices.Sorted(maps.Keys(values))[:min(3, len(values))] {
			if w.issued[Public][value] {
				continue
			}
			secret := Secret{kind, value}
			search := w.everywhere
			text := fmt.Sprintf("x=%s;", value)
			switch kind {
			case Passcode, Address:
				search = NewSearch([]Secret{secret})
			case Password:
				text = fmt.Sprintf("smtp://x:%s@localhost", value)
			}
			line := fmt.Sprintf(`{"level":"debug","logger":"doorward","msg":%q}`+"\n", text)
			log := slices.Concat(w.biggest[:half], []byte(line), w.biggest[half:])
			number := bytes.Count(w.biggest[:half], []byte("\n")) + 1
			if !slices.ContainsFunc(search.Log(log), func(f Finding) bool { return f.Line == number && f.Kind == kind }) {
				t.Errorf("a %s that was planted in line %d is not found", kind, number)
			}
		}
	}
}
