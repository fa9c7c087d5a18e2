package main

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
)

const (
	leastPatches = 60

	// mostLines is how many lines a patch may take away, and how many it may put
	// there. What changes more is another program, and no line that is gone.
	mostLines = 3
)

func patches(t *testing.T) []patch {
	t.Helper()
	all, err := readPatches(".")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testbed.Root(), filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A patch whose lines have moved on sabotages nothing, and says nothing about the
// tests.
func TestEveryPatchAppliesToTheTreeAsItIs(t *testing.T) {
	all := patches(t)
	if len(all) < leastPatches {
		t.Errorf("%d patches, want %d or more", len(all), leastPatches)
	}
	said, changes := make(map[string]string), make(map[string]string)
	for _, p := range all {
		before := read(t, p.file)
		after, err := p.apply(before)
		if err != nil {
			t.Error(err)
			continue
		}
		if after == before {
			t.Errorf("%s changes nothing", p.name)
		}
		if other, ok := changes[p.file+after]; ok {
			t.Errorf("%s and %s are the same change", p.name, other)
		}
		if other, ok := said[p.lets]; ok {
			t.Errorf("%s and %s let in the same: %q", p.name, other, p.lets)
		}
		changes[p.file+after], said[p.lets] = p.name, p.name
	}
}

func TestEveryPatchChangesALineOrTwoOfTheProduct(t *testing.T) {
	for _, p := range patches(t) {
		var added, removed int
		for _, h := range p.hunks {
			added, removed = added+h.added, removed+h.removed
		}
		if added > mostLines || removed > mostLines {
			t.Errorf("%s takes away %d lines and puts %d there, want %d at most", p.name, removed, added, mostLines)
		}
		if !product(p.file) {
			t.Errorf("%s changes %s, which is no part of the product", p.name, p.file)
		}
	}
}

// product reports whether a file is of what is shipped.
func product(file string) bool {
	folder, _, _ := strings.Cut(file, "/")
	return slices.Contains([]string{"caddymodule", "handlers", "ceremony", "session", "policy", "directory", "store", "mail", "secret", "web"}, folder) &&
		path.Clean(file) == file && !strings.HasSuffix(file, "_test.go") && !strings.HasSuffix(path.Dir(file), "test")
}

func TestTestsThatHaveToNoticeAPatchExist(t *testing.T) {
	sources := make(map[string]string) // the tests of a package
	for _, p := range patches(t) {
		if _, ok := sources[p.pkg]; !ok {
			files, err := filepath.Glob(filepath.Join(testbed.Root(), filepath.FromSlash(p.pkg), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				all.Write(text)
			}
			sources[p.pkg] = all.String()
		}
		for _, test := range p.tests {
			name, _, _ := strings.Cut(test, "/")
			if !strings.Contains(sources[p.pkg], "\nfunc "+name+"(") {
				t.Errorf("%s: there is no %s in %s", p.name, name, p.pkg)
			}
		}
	}
}

func TestWhatIsNoPatchIsRefused(t *testing.T) {
	const good = "Everybody passes.\n\nNoticed-by: ./policy -run 'TestOne|TestOther/sub'\n" +
		"--- a/policy/policy.go\n+++ b/policy/policy.go\n@@ -1,2 +1,2 @@\n context\n-before\n+after\n"
	p, err := parsePatch("good", good)
	if err != nil {
		t.Fatal(err)
	}
	if p.lets != "Everybody passes." || p.pkg != "./policy" || !slices.Equal(p.tests, []string{"TestOne", "TestOther/sub"}) || p.file != "policy/policy.go" {
		t.Errorf("a patch is read as %+v", p)
	}
	for name, change := range map[string]*strings.Replacer{
		"no sentence":        strings.NewReplacer("Everybody passes.", ""),
		"no test":            strings.NewReplacer("Noticed-by: ./policy -run 'TestOne|TestOther/sub'\n", ""),
		"tests by a pattern": strings.NewReplacer("TestOne", "Test.*"),
		"tests without run":  strings.NewReplacer("-run ", ""),
		"another file":       strings.NewReplacer("b/policy/policy.go", "b/policy/allow.go"),
		"no file":            strings.NewReplacer("--- a/", "--- "),
		"no hunk":            strings.NewReplacer("@@ -1,2 +1,2 @@\n", ""),
		"no context":         strings.NewReplacer(" context\n", ""),
		"no change":          strings.NewReplacer("-before\n+after\n", ""),
		"a second file":      strings.NewReplacer("+after\n", "+after\ndiff --git a/x b/x\n"),
	} {
		if _, err := parsePatch("bad", change.Replace(good)); err == nil {
			t.Errorf("%s: the patch was read", name)
		}
	}
	for name, text := range map[string]string{"gone": "context\nelse\n", "twice": "context\nbefore\ncontext\nbefore\n"} {
		if _, err := p.apply(text); err == nil {
			t.Errorf("its lines are there %s: the patch was applied", name)
		}
	}
	if got, err := p.apply("first\ncontext\nbefore\nlast\n"); err != nil || got != "first\ncontext\nafter\nlast\n" {
		t.Errorf("applied: %q, %v", got, err)
	}
	if got, err := p.renumbered("first\ncontext\nbefore\nlast\n"); err != nil || got != strings.Replace(good, "-1,2 +1,2", "-2,2 +2,2", 1) {
		t.Errorf("renumbered: %q, %v", got, err)
	}
}
