package enumeration

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/integration/testbed"
)

// A stranger asks for passcodes, guesses them, signs up, looks up and names IDs, by
// every endpoint and form, about people of every kind (CVE-2023-39522,
// CVE-2024-39912). Every byte of every answer is the same, but for what is random.
func TestAnswersTellNobodyWhoHasAnAccount(t *testing.T) {
	few := []kind{kinds[0], kinds[1], kinds[4], kinds[7]}
	for _, tt := range []struct {
		name string
		settings
		of       []kind
		journeys []journey
	}{
		{"everybody at a domain may pass", settings{}, kinds, journeys},
		{"nobody may sign up", settings{global: "api {\n signup closed\n }"}, few, journeys[3:5]},
		{"those whom an operator added may pass", settings{door: "bypass /healthz"}, few, journeys[2:5]},
		{"session tokens in a header", settings{global: "api {\n token_header on\n cors https://shop.example.org\n }"}, few, journeys[4:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var first, second map[string]map[string]person
			h := openHouse(t, tt.settings, func(d *directory.Directory) {
				first, second = everybody(t, d, tt.journeys, tt.of), everybody(t, d, tt.journeys, tt.of)
			})
			for _, j := range tt.journeys {
				found := h.inOneHour(func(again bool) []string {
					if again {
						return h.differences(t, j, second[j.name], tt.of)
					}
					return h.differences(t, j, first[j.name], tt.of)
				})
				for _, difference := range found {
					t.Errorf("%s, %s", j.name, difference)
				}
			}
		})
	}
}

// inOneHour calls ask once more, about other people, if the hour ended meanwhile:
// budgets are by the hour, and what is left of them is in the answers.
func (h *house) inOneHour(ask func(again bool) []string) []string {
	began := time.Now().UTC().Hour()
	found := ask(false)
	if len(found) > 0 && time.Now().UTC().Hour() != began {
		return ask(true)
	}
	return found
}

// The people are of the kinds that they are called: letters, which strangers do not
// see, go to those who may come in, or sign up, and to nobody else.
func TestLettersGoToThoseWhoMayComeIn(t *testing.T) {
	t.Parallel()
	people := make(map[string]person)
	h := openHouse(t, settings{}, func(d *directory.Directory) {
		for _, k := range kinds {
			people[k.name] = k.new(t, d)
		}
	})
	var want []string
	for _, k := range kinds {
		s := h.stranger(t, people[k.name])
		s.call("POST", initialize, s.json("email", s.about.typed))
		if k.letters {
			want = append(want, string(s.about.address))
		}
	}
	// The last one is to whom letters go for certain: those before it have been sent.
	last := h.stranger(t, person{address: "last@example.com", typed: "last@example.com"})
	last.call("POST", initialize, last.json("email", last.about.typed))
	want = append(want, last.about.typed)
	testbed.Eventually(t, 20*time.Second, "the last letter", func() bool { return len(h.box.All()) >= len(want) })
	var got []string
	for _, letter := range h.box.All() {
		got = append(got, letter.To...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("letters went to %v, want %v", got, want)
	}
}

// A passcode that comes too late is too late whoever it was for.
func TestLateAnswersTellNobodyWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	const lifetime = 30 * time.Second
	people := make(map[string]person)
	h := openHouse(t, settings{global: "passcode {\n lifetime 30s\n }"}, func(d *directory.Directory) {
		for _, k := range kinds {
			people[k.name] = k.new(t, d)
		}
	})
	strangers, begun := make(map[string]*stranger), make(map[string]string)
	for _, k := range kinds {
		s := h.stranger(t, people[k.name])
		var id struct{ ID string }
		s.read(s.call("POST", initialize, s.json("email", s.about.typed)), &id)
		strangers[k.name], begun[k.name] = s, id.ID
	}
	<-time.After(lifetime)
	for _, k := range kinds {
		s := strangers[k.name]
		for i := range 4 {
			if a := s.call("POST", finalize, s.json("id", begun[k.name], "code", wrong)); i == 0 && a.StatusCode != 408 {
				t.Errorf("%s: status %d after %v, want 408", k.name, a.StatusCode, lifetime)
			}
		}
		for _, difference := range compare(k.name, kinds[0].name, s.notes, strangers[kinds[0].name].notes) {
			t.Error(difference)
		}
	}
}

// The comparison is worth something: where strangers may look people up, it finds
// that they can.
func TestComparisonFindsWhatLookupsTell(t *testing.T) {
	t.Parallel()
	var people map[string]map[string]person
	h := openHouse(t, settings{global: "api {\n account_lookup on\n }"}, func(d *directory.Directory) {
		people = everybody(t, d, journeys, kinds[:2])
	})
	for _, j := range []journey{
		{"a look-up", byLookup},
		{"the IDs of an account", func(s *stranger) { s.call("POST", initialize, s.json("user_id", s.about.userID)) }},
		{"a promise of an account", func(s *stranger) { s.call("POST", "/doorward/users", s.json("email", s.about.typed)) }},
	} {
		if found := h.differences(t, j, people[j.name], kinds[:2]); len(found) == 0 {
			t.Errorf("%s: the comparison sees no difference with account lookup on", j.name)
		} else if !strings.Contains(found[0], kinds[0].name) {
			t.Errorf("%s: the difference does not name its people: %s", j.name, found[0])
		}
	}
}
