package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
)

func testPatch(t *testing.T, name string) patch {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".patch")
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePatch(name, string(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The command itself, on patches whose verdict is known: it would be no use if it
// called everything noticed, be it for the reason that nothing compiles.
func TestVerdictsAreTrue(t *testing.T) {
	names := map[string]verdict{
		"fatal": noticed, "harmless": notNoticed, "unbuildable": broken, "unbuildable-elsewhere": broken, "rotten": broken,
	}
	var chosen []patch
	for name := range names {
		chosen = append(chosen, testPatch(t, name))
	}
	var out bytes.Buffer
	results, err := (&bench{root: testbed.Root(), out: &out}).run(t.Context(), chosen, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if want := names[r.patch.name]; r.verdict != want {
			t.Errorf("%s: %s (%s), want %s", r.patch.name, r.verdict, r.detail, want)
		}
	}
	out.Reset()
	if score(&out, results) {
		t.Error("the score is perfect")
	}
	if got := out.String(); !strings.Contains(got, "1 of 5 noticed") || !strings.Contains(got, "NOT NOTICED: harmless") {
		t.Errorf("the score does not say what was noticed and what was not:\n%s", got)
	}
}

// A test that fails anyway, or is not there, notices nothing.
func TestNoVerdictWithoutTestsThatPass(t *testing.T) {
	p := testPatch(t, "harmless")
	p.tests = append(p.tests, "TestThatNobodyWrote")
	_, err := (&bench{root: testbed.Root(), out: new(bytes.Buffer)}).run(t.Context(), []patch{p}, 1)
	if err == nil || !strings.Contains(err.Error(), "TestThatNobodyWrote") {
		t.Errorf("a run without the test that has to notice: error %v, want one that names it", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := (&bench{root: testbed.Root(), out: new(bytes.Buffer)}).run(ended, []patch{testPatch(t, "fatal")}, 1); err == nil {
		t.Error("a run that was cut short has results")
	}
}

func TestPatchesAreChosenByNameAndByShard(t *testing.T) {
	all := []patch{{name: "a"}, {name: "b"}, {name: "c"}}
	names := func(patches []patch) (names string) {
		for _, p := range patches {
			names += p.name
		}
		return names
	}
	for _, tt := range []struct{ only, shard, want string }{
		{"", "1/1", "abc"}, {"b", "1/1", "b"}, {"c.patch,integration/sabotage/a.patch", "1/1", "ac"}, {"", "1/2", "ac"}, {"", "2/2", "b"},
	} {
		got, err := choose(all, tt.only, tt.shard)
		if err != nil || names(got) != tt.want {
			t.Errorf("-only %q -shard %s: %q, %v, want %q", tt.only, tt.shard, names(got), err, tt.want)
		}
	}
	for _, tt := range []struct{ only, shard string }{{"d", "1/1"}, {"a,d", "1/1"}, {"", "0/2"}, {"", "3/2"}, {"", "half"}, {"", "4/4"}} {
		if got, err := choose(all, tt.only, tt.shard); err == nil {
			t.Errorf("-only %q -shard %s: %q, want an error", tt.only, tt.shard, names(got))
		}
	}
}

func TestPatternsNameTheTestsAndNoOthers(t *testing.T) {
	for _, tt := range []struct{ tests, want []string }{
		{[]string{"TestOne"}, []string{"^(TestOne)$"}},
		{[]string{"TestOne", "TestOther"}, []string{"^(TestOne|TestOther)$"}},
		{[]string{"TestOne/SQLite", "TestOther", "TestThird/SQLite"}, []string{"^(TestOther)$", "^(TestOne|TestThird)$/^SQLite$"}},
		{[]string{"TestOne/a_(b)/c"}, []string{`^(TestOne)$/^a_\(b\)$/^c$`}},
	} {
		if got := patterns(tt.tests); !slices.Equal(got, tt.want) {
			t.Errorf("patterns(%q) = %q, want %q", tt.tests, got, tt.want)
		}
	}
}
