package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// refresh writes the patches again with the line numbers that their hunks have in
// the tree as it is. apply does not look at them; git does, and people. What no longer
// applies is left as it is, and an error.
func refresh(root string, patches []patch) error {
	var rotten []error
	for _, p := range patches {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(p.file)))
		if err != nil {
			return err
		}
		fresh, err := p.renumbered(string(text))
		if err != nil {
			rotten = append(rotten, err)
			continue
		}
		if fresh == p.original {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, dir, p.name+".patch"), []byte(fresh), 0o644); err != nil {
			return err
		}
		fmt.Println(p.name, "has new line numbers")
	}
	return errors.Join(rotten...)
}

// renumbered returns the patch with the line numbers of text, which is unpatched.
func (p *patch) renumbered(text string) (string, error) {
	lines := strings.Split(text, "\n")
	out := strings.Split(p.original, "\n")
	next, grown := 0, 0
	for i, line := range out {
		if !strings.HasPrefix(line, "@@ ") {
			continue
		}
		h := p.hunks[next]
		at, err := h.find(lines)
		if err != nil {
			return "", fmt.Errorf("%s: hunk %d: %w in %s", p.name, next+1, err, p.file)
		}
		out[i] = fmt.Sprintf("@@ -%d,%d +%d,%d @@", at+1, len(h.old), at+1+grown, len(h.new))
		next, grown = next+1, grown+h.added-h.removed
	}
	return strings.Join(out, "\n"), nil
}
