// Command sabotage asks the tests whether they would notice if a line that keeps
// somebody out were gone.
//
//	go run ./integration/sabotage [-only NAME] [-shard I/N] [-j N] [-refresh]
//
// Each file NAME.patch beside it removes or weakens one such line, and begins with a
// sentence that says what it lets in and with the tests that have to notice:
//
//	Whoever has a session at one site passes at every other one.
//
//	Noticed-by: ./session -run 'TestSessionPassesAtItsSitesAndAtNoOther'
//	--- a/session/check.go
//	+++ b/session/check.go
//	@@ ...
//
// First the named tests are run on the tree as it is, and all of them must pass.
// Then each patch is applied alone, and its tests must fail. A patch that no test
// notices is a test that is missing: the command lists it and exits with 1. So does
// one that no longer applies or does not build, since it proves nothing.
//
// The tree is not touched: the compiler is told to read the changed file elsewhere
// (go build -overlay), so that everything but that package comes from the cache.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dir is where the patches are, from the root of the repository.
const dir = "integration/sabotage"

func main() {
	log.SetFlags(0)
	only := flag.String("only", "", "run the patches with these `names` only, comma-separated")
	shard := flag.String("shard", "1/1", "run the `i/n`th part of the patches")
	jobs := flag.Int("j", 1, "how many patches to build and test at the same time")
	renumber := flag.Bool("refresh", false, "do not run anything: give the patches the line numbers of today")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	root, err := moduleRoot()
	if err != nil {
		log.Fatal(err)
	}
	patches, err := readPatches(filepath.Join(root, dir))
	if err != nil {
		log.Fatal(err)
	}
	if patches, err = choose(patches, *only, *shard); err != nil {
		log.Fatal(err)
	}
	if *renumber {
		if err := refresh(root, patches); err != nil {
			log.Fatal(err)
		}
		return
	}
	results, err := (&bench{root: root, out: os.Stdout}).run(ctx, patches, *jobs)
	if err != nil {
		log.Fatal(err)
	}
	if !score(os.Stdout, results) {
		os.Exit(1)
	}
}

// moduleRoot returns the folder of go.mod.
func moduleRoot() (string, error) {
	output, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("asking for the module: %w", err)
	}
	file := strings.TrimSpace(string(output))
	if filepath.Base(file) != "go.mod" {
		return "", fmt.Errorf("not in a module")
	}
	return filepath.Dir(file), nil
}

// choose returns the patches that only and shard name. A name that no patch has, and
// a choice of none, are errors: a run of nothing has a perfect score.
func choose(patches []patch, only, shard string) ([]patch, error) {
	first, last, ok := strings.Cut(shard, "/")
	i, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(last)
	if !ok || err1 != nil || err2 != nil || i < 1 || i > n {
		return nil, fmt.Errorf("-shard %s: want i/n, as in 1/4", shard)
	}
	wanted := make(map[string]bool)
	for name := range strings.SplitSeq(only, ",") {
		if name = strings.TrimSuffix(filepath.Base(name), ".patch"); only != "" {
			wanted[name] = true
		}
	}
	var chosen []patch
	for at, p := range patches {
		if only != "" && !wanted[p.name] || at%n != i-1 {
			continue
		}
		delete(wanted, p.name)
		chosen = append(chosen, p)
	}
	if n == 1 && len(wanted) > 0 {
		return nil, fmt.Errorf("-only %s: %d of these names have no patch", only, len(wanted))
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no patch to run")
	}
	return chosen, nil
}
