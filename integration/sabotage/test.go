package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// patience bounds the tests of one patch. Some wait for what a sabotaged program never
// does: that is no verdict, since they may as well be slow. All tests of a package on
// the tree as it is have four times that.
const patience = 5 * time.Minute

// errSlow: the tests did not end in time.
var errSlow = errors.New("its tests did not end in time")

// ran is what a run of tests said.
type ran struct {
	ok             bool     // the program said that all passed
	passed, failed []string // names of tests
	output         string
}

// verdictLine matches what a test program prints of each test.
var verdictLine = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL): (\S+) \(`)

// test builds the tests of a package, with the file overlay if there is one, and
// runs those that are named. It is an error if they do not build or cannot be run;
// that some fail is none.
//
// Building is a step of its own, so that a patch which does not compile is not taken
// for one that was noticed.
func (b *bench) test(ctx context.Context, pkg string, tests []string, overlay string) (ran, error) {
	temp, err := os.MkdirTemp("", "sabotage-")
	if err != nil {
		return ran{}, err
	}
	defer os.RemoveAll(temp)
	program := filepath.Join(temp, "tests")
	build := exec.CommandContext(ctx, "go", "test", "-race", "-c", "-vet=off", "-ldflags=-s -w", "-o", program)
	if overlay != "" {
		build.Args = append(build.Args, "-overlay", overlay)
	}
	build.Args = append(build.Args, pkg)
	build.Dir = b.root
	if output, err := build.CombinedOutput(); err != nil {
		return ran{}, fmt.Errorf("building the tests of %s: %w\n%s", pkg, err, output)
	}

	all := ran{ok: true}
	for _, pattern := range patterns(tests) {
		r, err := b.runProgram(ctx, program, pkg, pattern, overlay)
		if err != nil {
			return ran{}, err
		}
		all.ok = all.ok && r.ok
		all.passed, all.failed = append(all.passed, r.passed...), append(all.failed, r.failed...)
		all.output += r.output
	}
	return all, nil
}

// build builds the package that a patch changes, if its tests are those of another
// one: tests of the whole build the gateway themselves, and fail if they cannot.
func (b *bench) build(ctx context.Context, p patch, overlay string) error {
	pkg := "./" + path.Dir(p.file)
	if pkg == p.pkg || path.Ext(p.file) != ".go" {
		return nil
	}
	build := exec.CommandContext(ctx, "go", "build", "-race", "-overlay", overlay, pkg)
	build.Dir = b.root
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, output)
	}
	return nil
}

// runProgram runs the tests of a built program that match pattern.
func (b *bench) runProgram(ctx context.Context, program, pkg, pattern, overlay string) (ran, error) {
	limit := patience
	if overlay == "" {
		limit *= 4
	}
	command := exec.CommandContext(ctx, program, "-test.v", "-test.count=1", "-test.run", pattern, "-test.timeout", limit.String())
	command.Dir = filepath.Join(b.root, filepath.FromSlash(pkg))
	command.Env = environment(overlay)
	command.WaitDelay = 5 * time.Second
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return ran{}, fmt.Errorf("running the tests of %s: %w", pkg, err)
	}
	if ctx.Err() != nil {
		return ran{}, ctx.Err()
	}
	r := ran{ok: err == nil, output: output.String()}
	if strings.Contains(r.output, "panic: test timed out after ") {
		return ran{}, errSlow
	}
	for _, match := range verdictLine.FindAllStringSubmatch(r.output, -1) {
		if match[1] == "PASS" {
			r.passed = append(r.passed, match[2])
		} else {
			r.failed = append(r.failed, match[2])
		}
	}
	return r, nil
}

// patterns returns the values of -run that together match these tests and no others:
// one for all tests as a whole, and one for each name that tests have within others.
func patterns(tests []string) []string {
	byRest := make(map[string][]string)
	for _, test := range tests {
		name, rest, _ := strings.Cut(test, "/")
		byRest[rest] = append(byRest[rest], name)
	}
	var all []string
	for _, rest := range slices.Sorted(maps.Keys(byRest)) {
		pattern := "^(" + strings.Join(byRest[rest], "|") + ")$"
		for name := range strings.SplitSeq(rest, "/") {
			if name != "" {
				pattern += "/^" + regexp.QuoteMeta(name) + "$"
			}
		}
		all = append(all, pattern)
	}
	return all
}

// environment has a gateway that a test builds for itself built with the overlay as
// well, and not taken from elsewhere.
func environment(overlay string) []string {
	kept := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "DOORWARD_BINARY=") })
	if overlay == "" {
		return kept
	}
	return append(kept, strings.TrimSpace("GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay))
}

// why says in one line how a patch was noticed.
func (r *ran) why() string {
	// The innermost names say most, and a test that was named fails with them.
	var names []string
	for _, name := range r.failed {
		if !slices.ContainsFunc(r.failed, func(other string) bool { return strings.HasPrefix(other, name+"/") }) {
			names = append(names, name)
		}
	}
	switch {
	case len(names) > 3:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	case len(names) > 0:
		return strings.Join(names, ", ")
	}
	line, _, _ := strings.Cut(r.output[max(strings.Index(r.output, "panic: "), 0):], "\n")
	return line
}
