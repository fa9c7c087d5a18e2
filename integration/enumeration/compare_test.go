package enumeration

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/directory"
)

// A journey is what a stranger asks about somebody, one request after the other.
type journey struct {
	name string
	run  func(s *stranger)
}

// differences has a stranger make the journey about one person after the other, and
// returns in what the answers differ from those about the first.
func (h *house) differences(t testing.TB, j journey, people map[string]person, order []kind) []string {
	t.Helper()
	var (
		found []string
		want  []note
	)
	for _, k := range order {
		s := h.stranger(t, people[k.name])
		j.run(s)
		if want == nil {
			want = s.notes
			continue
		}
		found = append(found, compare(k.name, order[0].name, s.notes, want)...)
	}
	return found
}

// compare returns in what the notes about somebody differ from those about another.
func compare(name, other string, got, want []note) []string {
	var found []string
	if len(got) != len(want) {
		found = append(found, name+": another number of answers than about "+other)
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			found = append(found, got[i].asked+": about somebody "+name+":\n"+firstDifference(got[i].answer, want[i].answer, other))
		}
	}
	return found
}

// firstDifference returns the first line in which two answers differ.
func firstDifference(got, want, other string) string {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	line := func(lines []string, i int) string {
		if i < len(lines) {
			return lines[i]
		}
		return "nothing"
	}
	for i := range max(len(gotLines), len(wantLines)) {
		if g, w := line(gotLines, i), line(wantLines, i); g != w {
			return "\t" + g + "\nabout somebody " + other + ":\n\t" + w
		}
	}
	return "the answers are the same"
}

// everybody makes one person of each kind for each journey, by journey and kind:
// budgets that one journey spends are not those of the next.
func everybody(t testing.TB, d *directory.Directory, all []journey, of []kind) map[string]map[string]person {
	people := make(map[string]map[string]person)
	for _, j := range all {
		people[j.name] = make(map[string]person)
		for _, k := range of {
			people[j.name][k.name] = k.new(t, d)
		}
	}
	return people
}
