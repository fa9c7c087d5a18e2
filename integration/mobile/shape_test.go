package mobile

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A shape compares answers with the ones that the page shows. What is made up anew
// each time, a UUID, a key or a time, may differ, as long as it is of the same kind,
// and as what is one value on the page is one value here.
type shape struct {
	here, there map[string]string // the page's values by ours, and ours by the page's
}

func newShape() *shape { return &shape{make(map[string]string), make(map[string]string)} }

var (
	uuidLike   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	base64Like = regexp.MustCompile(`^[A-Za-z0-9_-]{20,}$`)
)

// differences returns what is not in got as the page says. Where more is true, got
// may have members that the page does not show.
func (s *shape) differences(want, got string, isJSON, more bool) []string {
	if !isJSON {
		return s.text("the answer", strings.TrimSpace(want), strings.TrimSpace(got))
	}
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return []string{"the page shows no JSON: " + err.Error()}
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		return []string{"the answer is no JSON: " + err.Error()}
	}
	return s.value("the answer", w, g, more)
}

func (s *shape) value(where string, want, got any, more bool) (found []string) {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %v, want an object", where, got)}
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if value, there := object[name]; there {
				found = append(found, s.value(where+"."+name, want[name], value, more)...)
			} else {
				found = append(found, where+" has no "+name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if _, there := want[name]; !there && !more {
				found = append(found, fmt.Sprintf("%s has %s, which the page does not show", where, name))
			}
		}
		return found
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return []string{fmt.Sprintf("%s is %v, want a list of %d", where, got, len(want))}
		}
		for i := range want {
			found = append(found, s.value(fmt.Sprintf("%s[%d]", where, i), want[i], list[i], more)...)
		}
		return found
	case string:
		if text, ok := got.(string); ok {
			return s.text(where, want, text)
		}
	}
	if want != got {
		return []string{fmt.Sprintf("%s is %v, want %v", where, got, want)}
	}
	return nil
}

func (s *shape) text(where, want, got string) []string {
	differs := []string{fmt.Sprintf("%s is %q, want %q", where, got, want)}
	if beginning, cut := strings.CutSuffix(want, "…"); cut {
		if strings.HasPrefix(got, beginning) {
			return nil
		}
		return differs
	}
	if _, err := time.Parse(time.RFC3339, want); err == nil {
		if _, err := time.Parse(time.RFC3339, got); err == nil {
			return nil
		}
		return differs
	}
	if !madeUp(want) {
		if want == got {
			return nil
		}
		return differs
	}
	_, err := base64.RawURLEncoding.DecodeString(got)
	if uuidLike.MatchString(want) && !uuidLike.MatchString(got) || base64Like.MatchString(want) && err != nil || len(got) != len(want) {
		return differs
	}
	if known, ok := s.there[want]; ok && known != got {
		return []string{fmt.Sprintf("%s is %q, want %q, as where the page shows %q before", where, got, known, want)}
	}
	if known, ok := s.here[got]; ok && known != want {
		return []string{fmt.Sprintf("%s is the same as what the page shows as %q, want another for %q", where, known, want)}
	}
	s.there[want], s.here[got] = got, want
	return nil
}

// madeUp reports whether a value on the page is another one each time: a UUID, or an
// ID of random letters and digits. Words that people have written have neither digits
// nor capitals in them.
func madeUp(s string) bool {
	return uuidLike.MatchString(s) || base64Like.MatchString(s) && strings.ContainsAny(s, "0123456789") && strings.ToLower(s) != s
}

// If everything were of one shape, the page could say anything.
func TestAnswersThatAreNotAsShownAreFound(t *testing.T) {
	const (
		one, other = "5b0e8c1c-3f0a-4c53-9f2b-2f1f0c8d7a11", "c3a5f1de-8d0b-4c86-a2a1-7f0f5d7c9e42"
		key        = "J3vKq0hXy7dZs2wR8uTf5nLc1mPb4oGi6eAx9tYV3kE"
	)
	for _, tt := range []struct {
		name, want, got string
		more, same      bool
	}{
		{"the same", `{"a": [1, true, null], "b": "x"}`, `{"b":"x","a":[1,true,null]}`, false, true},
		{"another UUID", `{"id": "` + one + `"}`, `{"id": "` + other + `"}`, false, true},
		{"another key", `{"id": "` + key + `"}`, `{"id": "` + strings.ToUpper(key) + `"}`, false, true},
		{"another time", `{"at": "2026-01-02T15:04:05Z"}`, `{"at": "2027-01-02T15:04:05.123Z"}`, false, true},
		{"the rest of what is cut short", `{"a": "eyJ…"}`, `{"a": "eyJxyz"}`, false, true},
		{"more, where there may be", `{"a": 1}`, `{"a": 1, "b": 2}`, true, true},

		{"more", `{"a": 1}`, `{"a": 1, "b": 2}`, false, false},
		{"less", `{"a": 1, "b": 2}`, `{"a": 1}`, true, false},
		{"another number", `{"ttl": 300}`, `{"ttl": 60}`, false, false},
		{"another word", `{"type": "fresh_sign_in_required"}`, `{"type": "session_ended"}`, false, false},
		{"another type", `{"a": "1"}`, `{"a": 1}`, false, false},
		{"a list of another length", `{"a": [1]}`, `{"a": [1, 2]}`, false, false},
		{"another beginning", `{"a": "eyJ…"}`, `{"a": "xeyJ"}`, false, false},
		{"no UUID", `{"id": "` + one + `"}`, `{"id": "` + strings.ToUpper(other) + `"}`, false, false},
		{"no key", `{"id": "` + key + `"}`, `{"id": "` + strings.Replace(key, "J3", "J=", 1) + `"}`, false, false},
		{"no time", `{"at": "2026-01-02T15:04:05Z"}`, `{"at": "yesterday"}`, false, false},
		{"two IDs for one", `{"a": "` + one + `", "b": "` + one + `"}`, `{"a": "` + one + `", "b": "` + other + `"}`, false, false},
		{"one ID for two", `{"a": "` + one + `", "b": "` + other + `"}`, `{"a": "` + one + `", "b": "` + one + `"}`, false, false},
		{"no JSON", `{}`, `nothing`, false, false},
	} {
		if found := newShape().differences(tt.want, tt.got, true, tt.more); (len(found) == 0) != tt.same {
			t.Errorf("%s: found %q", tt.name, found)
		}
	}
}
