package logs

import (
	"bytes"
	"encoding/json"
	"slices"
)

// counters are the fields with which Caddy counts and measures: a number there that
// is a passcode, too, is one by chance.
var counters = []string{"ts", "duration", "size", "bytes_read", "took", "delay", "pid"}

// passcodes returns where a line has a passcode: digits with neither digits nor
// letters beside them, that are part of a text or a number of their own, and not of
// a fraction.
func (s *Search) passcodes(line []byte) []span {
	var all []span
	for from, to := range runs(line) {
		if s.passcode[string(line[from:to])] {
			all = append(all, span{from, to, Passcode})
		}
	}
	if len(all) == 0 {
		return nil
	}
	var entry any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if decoder.Decode(&entry) == nil && !s.inValue("", entry) {
		return nil // a counter
	}
	return all
}

// inValue reports whether a value of an entry, or what it consists of, has a passcode.
func (s *Search) inValue(key string, value any) bool {
	switch v := value.(type) {
	case json.Number:
		return !slices.Contains(counters, key) && s.passcode[v.String()]
	case string:
		for from, to := range runs([]byte(v)) {
			if s.passcode[v[from:to]] {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(element any) bool { return s.inValue(key, element) })
	case map[string]any:
		for name, field := range v {
			if s.inValue(name, field) || s.inValue("", name) {
				return true
			}
		}
	}
	return false
}

// runs calls yield with each run of digits that stands by itself.
func runs(text []byte) func(yield func(from, to int) bool) {
	return func(yield func(from, to int) bool) {
		for i := 0; i < len(text); i++ {
			if !isWord(text[i]) {
				continue
			}
			from, digits := i, true
			for ; i < len(text) && isWord(text[i]); i++ {
				digits = digits && isDigit(text[i])
			}
			if digits && !isFraction(text, from, i) && !yield(from, i) {
				return
			}
		}
	}
}

// isFraction reports whether the digits between from and to are those before or
// after the point of a number.
func isFraction(text []byte, from, to int) bool {
	return from > 1 && text[from-1] == '.' && isDigit(text[from-2]) ||
		to+1 < len(text) && text[to] == '.' && isDigit(text[to+1])
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func isWord(b byte) bool {
	return isDigit(b) || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}
