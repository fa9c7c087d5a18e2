package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// A verdict says what came of a patch.
type verdict string

const (
	noticed    verdict = "noticed"
	notNoticed verdict = "NOT NOTICED" // all its tests pass: one is missing
	broken     verdict = "BROKEN"      // it does not apply, does not build, or its tests did not run
)

// A result is what came of one patch.
type result struct {
	patch   patch
	verdict verdict
	detail  string // the tests that failed, or why it is broken
	took    time.Duration
}

// A bench runs tests on the tree at root, with and without patches. What it does it
// tells out, line by line.
type bench struct {
	root string

	mu  sync.Mutex
	out io.Writer
}

// run returns what came of each patch. It is an error if the named tests do not pass
// on the tree as it is, or if ctx ends.
func (b *bench) run(ctx context.Context, patches []patch, jobs int) ([]result, error) {
	if err := b.unpatched(ctx, patches); err != nil {
		return nil, err
	}
	results := make([]result, len(patches))
	slots := make(chan struct{}, max(jobs, 1))
	var group sync.WaitGroup
	for i, p := range patches {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			began := time.Now()
			results[i] = b.try(ctx, p)
			results[i].took = time.Since(began)
			b.tell("%-11s %5.1fs  %s: %s\n", results[i].verdict, results[i].took.Seconds(), p.name, results[i].detail)
		})
	}
	group.Wait()
	return results, ctx.Err()
}

// unpatched runs all named tests on the tree as it is. Each must have run and passed:
// of a test that fails anyway, or is skipped here, nothing is learnt.
func (b *bench) unpatched(ctx context.Context, patches []patch) error {
	byPackage := make(map[string][]string)
	for _, p := range patches {
		byPackage[p.pkg] = append(byPackage[p.pkg], p.tests...)
	}
	for pkg, tests := range byPackage {
		slices.Sort(tests)
		tests = slices.Compact(tests)
		ran, err := b.test(ctx, pkg, tests, "")
		if err != nil {
			return fmt.Errorf("without any patch: %w", err)
		}
		for _, test := range tests {
			if !slices.Contains(ran.passed, test) {
				return fmt.Errorf("without any patch %s of %s does not pass, so it notices nothing:\n%s", test, pkg, ran.output)
			}
		}
		b.tell("unpatched: %d tests of %s pass\n", len(tests), pkg)
	}
	return nil
}

// try applies one patch and runs its tests.
func (b *bench) try(ctx context.Context, p patch) result {
	temp, err := os.MkdirTemp("", "sabotage-")
	if err != nil {
		return result{patch: p, verdict: broken, detail: err.Error()}
	}
	defer os.RemoveAll(temp)
	overlay, err := b.overlay(p, temp)
	if err != nil {
		return result{patch: p, verdict: broken, detail: err.Error()}
	}
	if err := b.build(ctx, p, overlay); err != nil {
		return result{patch: p, verdict: broken, detail: err.Error()}
	}
	ran, err := b.test(ctx, p.pkg, p.tests, overlay)
	switch {
	case err != nil:
		return result{patch: p, verdict: broken, detail: err.Error()}
	case !ran.ok:
		return result{patch: p, verdict: noticed, detail: ran.why()}
	case len(ran.passed) == 0:
		return result{patch: p, verdict: broken, detail: "none of its tests ran"}
	}
	return result{patch: p, verdict: notNoticed, detail: p.lets}
}

// overlay writes the patched file into temp, and a file for the compiler that says
// what it stands for.
func (b *bench) overlay(p patch, temp string) (string, error) {
	original := filepath.Join(b.root, filepath.FromSlash(p.file))
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed, err := p.apply(string(text))
	if err != nil {
		return "", err
	}
	replacement := filepath.Join(temp, filepath.Base(p.file))
	if err := os.WriteFile(replacement, []byte(changed), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: replacement}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(temp, "overlay.json")
	return file, os.WriteFile(file, overlay, 0o600)
}

func (b *bench) tell(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.out, format, args...)
}
