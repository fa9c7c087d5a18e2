package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A patch is one sabotage: a change to a line or two of one file, and the tests that
// have to notice it.
type patch struct {
	name     string // of its file, without .patch
	lets     string // what it lets in, in one sentence
	pkg      string // the package whose tests notice it: "./session"
	tests    []string
	file     string // what it changes, from the root of the repository
	hunks    []hunk
	original string // the text of the patch
}

// A hunk is one place of a patch: lines that stand in the file one after the other,
// and those that take their place.
type hunk struct {
	old, new       []string
	removed, added int
}

// noticedBy matches the line of a patch that names its tests.
var noticedBy = regexp.MustCompile(`^Noticed-by: (\./[a-z/]+) -run '([^']+)'$`)

// testName matches the name of a test, which may be one of a test's own.
var testName = regexp.MustCompile(`^(Test|Fuzz)\w+(/[^/|]+)*$`)

// readPatches reads the patches of a folder, in the order of their names.
func readPatches(dir string) ([]patch, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var all []patch
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		p, err := parsePatch(strings.TrimSuffix(filepath.Base(file), ".patch"), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// parsePatch reads a unified diff of one file with a header of our own, which git
// passes over: a sentence, and the line Noticed-by.
func parsePatch(name, text string) (patch, error) {
	p := patch{name: name, original: text}
	header, diff, ok := strings.Cut(text, "\n--- a/")
	if !ok {
		return patch{}, fmt.Errorf("no line --- a/FILE after the header")
	}
	if err := p.readHeader(header); err != nil {
		return patch{}, err
	}
	lines := strings.Split(strings.TrimSuffix(diff, "\n"), "\n")
	p.file = lines[0]
	if len(lines) < 2 || lines[1] != "+++ b/"+p.file {
		return patch{}, fmt.Errorf("no line +++ b/%s: a patch changes one file", p.file)
	}
	for _, line := range lines[2:] {
		if strings.HasPrefix(line, "@@ ") {
			p.hunks = append(p.hunks, hunk{})
			continue
		}
		if len(p.hunks) == 0 {
			return patch{}, fmt.Errorf("no @@ before %q", line)
		}
		if err := p.hunks[len(p.hunks)-1].add(line); err != nil {
			return patch{}, err
		}
	}
	for i, h := range p.hunks {
		if h.removed+h.added == 0 || len(h.old) == h.removed {
			return patch{}, fmt.Errorf("hunk %d changes nothing, or has no line around what it changes", i+1)
		}
	}
	return p, nil
}

func (p *patch) readHeader(header string) error {
	var sentence []string
	for line := range strings.SplitSeq(strings.TrimSpace(header), "\n") {
		switch match := noticedBy.FindStringSubmatch(line); {
		case match != nil:
			p.pkg, p.tests = match[1], strings.Split(match[2], "|")
		case strings.HasPrefix(line, "Noticed-by"):
			return fmt.Errorf("%q: want Noticed-by: ./package -run 'TestOne|TestOther'", line)
		case line != "":
			sentence = append(sentence, line)
		}
	}
	p.lets = strings.Join(sentence, " ")
	if !strings.HasSuffix(p.lets, ".") {
		return fmt.Errorf("no sentence that says what the patch lets in")
	}
	if p.pkg == "" {
		return fmt.Errorf("no line Noticed-by: ./package -run 'TestOne|TestOther'")
	}
	for _, test := range p.tests {
		if !testName.MatchString(test) {
			return fmt.Errorf("%q is no test: each is named, without patterns", test)
		}
	}
	return nil
}

// add reads one line of a hunk.
func (h *hunk) add(line string) error {
	sign, rest := byte(' '), ""
	if line != "" { // editors cut the one blank of an empty line
		sign, rest = line[0], line[1:]
	}
	switch sign {
	case ' ':
		h.old, h.new = append(h.old, rest), append(h.new, rest)
	case '-':
		h.old, h.removed = append(h.old, rest), h.removed+1
	case '+':
		h.new, h.added = append(h.new, rest), h.added+1
	default:
		return fmt.Errorf("%q is no line of a diff", line)
	}
	return nil
}

// apply returns a file's text with the patch applied. Line numbers do not count:
// each hunk's lines have to stand in the file once, so that a patch which has not
// been looked at for a while sabotages what it was written for or nothing.
func (p *patch) apply(text string) (string, error) {
	lines := strings.Split(text, "\n")
	for i, h := range p.hunks {
		at, err := h.find(lines)
		if err != nil {
			return "", fmt.Errorf("%s does not apply: hunk %d: %w in %s", p.name, i+1, err, p.file)
		}
		lines = slices.Replace(lines, at, at+len(h.old), h.new...)
	}
	return strings.Join(lines, "\n"), nil
}

// find returns where the old lines of a hunk begin.
func (h *hunk) find(lines []string) (int, error) {
	at, times := 0, 0
	for i := range len(lines) - len(h.old) + 1 {
		if slices.Equal(lines[i:i+len(h.old)], h.old) {
			at, times = i, times+1
		}
	}
	if times != 1 {
		return 0, fmt.Errorf("its lines stand %d times", times)
	}
	return at, nil
}
