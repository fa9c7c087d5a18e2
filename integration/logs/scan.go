package logs

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Finding is a secret in a log.
type Finding struct {
	Kind Kind
	Line int    // from 1
	Text string // the line, without its secrets
}

// String implements fmt.Stringer.
func (f Finding) String() string { return fmt.Sprintf("line %d has a %s: %s", f.Line, f.Kind, f.Text) }

// A Search looks for secrets. It may be used by several goroutines.
type Search struct {
	// A log of a hundred megabytes is looked through for a hundred thousand texts: at
	// each byte, the eight that begin there are looked up, first among bits.
	begins   [1 << 14]uint64
	forms    map[uint64][]form
	passcode map[string]bool
}

type form struct {
	text string
	kind Kind
}

// NewSearch returns a search for secrets.
func NewSearch(secrets []Secret) *Search {
	s := &Search{forms: make(map[uint64][]form), passcode: make(map[string]bool)}
	public := make(map[string]bool)
	for _, secret := range secrets {
		public[secret.Value] = public[secret.Value] || secret.Kind == Public
	}
	for _, secret := range secrets {
		if public[secret.Value] {
			continue
		}
		if secret.Kind == Passcode {
			s.passcode[secret.Value] = true
			continue
		}
		for _, text := range secret.forms() {
			begin := binary.LittleEndian.Uint64([]byte(text))
			word, bit := place(begin)
			s.begins[word] |= bit
			s.forms[begin] = append(s.forms[begin], form{text, secret.Kind})
		}
	}
	return s
}

// place returns where the bit of what begins with eight bytes is.
func place(begin uint64) (word int, bit uint64) {
	hash := begin * 0x9E3779B97F4A7C15 >> 44 // the upper 20 bits, by Fibonacci hashing
	return int(hash >> 6), 1 << (hash & 63)
}

// Log returns what is found in a log, one finding for each kind in a line.
func (s *Search) Log(log []byte) []Finding {
	var all []Finding
	number := 0
	for line := range bytes.Lines(log) {
		number++
		found := s.line(line)
		if len(found) == 0 {
			continue
		}
		text := masked(line, found)
		var kinds []Kind
		for _, at := range found {
			if !slices.Contains(kinds, at.kind) {
				kinds = append(kinds, at.kind)
				all = append(all, Finding{at.kind, number, text})
			}
		}
	}
	return all
}

// A span is where a secret is in a line.
type span struct {
	from, to int
	kind     Kind
}

// line returns where a line has secrets that are there by our doing.
func (s *Search) line(line []byte) []span {
	all := append(s.texts(line), s.passcodes(line)...)
	if len(all) == 0 {
		return nil
	}
	if rest, ok := withoutForeign(line); ok {
		left := append(s.texts(rest), s.passcodes(rest)...)
		all = slices.DeleteFunc(all, func(at span) bool {
			return !slices.ContainsFunc(left, func(l span) bool { return l.kind == at.kind })
		})
	}
	return all
}

func (s *Search) texts(line []byte) []span {
	var all []span
	for i := 0; i+fewest <= len(line); i++ {
		begin := binary.LittleEndian.Uint64(line[i:])
		word, bit := place(begin)
		if s.begins[word]&bit == 0 {
			continue
		}
		for _, f := range s.forms[begin] {
			to := i + len(f.text)
			if bytes.HasPrefix(line[i:], []byte(f.text)) && !(f.kind == Address && mayName(line, i, to)) {
				all = append(all, span{i, to, f.kind})
			}
		}
	}
	return all
}

// operators are the loggers of what an operator said: URLs of Caddy's admin API name
// users by their addresses, and the rules of a site, which Caddy writes at level
// debug, may name some.
var operators = [][]byte{[]byte(`"logger":"admin.api"`), []byte(`"logger":"http.auto_https"`)}

// mayName reports whether a line may have what is between from and to, an address:
// because it is part of a longer one, or because an operator said it.
func mayName(line []byte, from, to int) bool {
	inside := func(i int) bool {
		return i >= 0 && i < len(line) && (isWord(line[i]) || line[i] == '-' || line[i] == '.' || line[i] == '+')
	}
	return inside(from-1) || inside(to) && line[to] != '.' ||
		slices.ContainsFunc(operators, func(logger []byte) bool { return bytes.Contains(line, logger) })
}

// ours are the fields of a request that Doorward sets, or that browsers fill with
// what it told them. Whatever else a client sends, Caddy logs as it came.
var ours = []string{"X-Auth-Token", "Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups", "Cookie", "Authorization", "Referer"}

// withoutForeign returns a line about a request without the fields that a client
// made up, or false if it is about none.
func withoutForeign(line []byte) ([]byte, bool) {
	var entry map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if decoder.Decode(&entry) != nil {
		return nil, false
	}
	request, _ := entry["request"].(map[string]any)
	fields, ok := request["headers"].(map[string]any)
	if !ok {
		return nil, false
	}
	maps.DeleteFunc(fields, func(name string, _ any) bool { return !slices.Contains(ours, name) })
	var rest bytes.Buffer
	encoder := json.NewEncoder(&rest)
	encoder.SetEscapeHTML(false) // as Caddy writes it
	if encoder.Encode(entry) != nil {
		return nil, false
	}
	return rest.Bytes(), true
}

// Masked returns a log without what is found in it.
func (s *Search) Masked(log []byte) string {
	var all strings.Builder
	for line := range bytes.Lines(log) {
		all.WriteString(masked(line, s.line(line)))
		all.WriteByte('\n')
	}
	return all.String()
}

// masked returns a line without what was found in it, which is what may be printed.
func masked(line []byte, found []span) string {
	slices.SortFunc(found, func(a, b span) int { return a.from - b.from })
	var text []byte
	at := 0
	for _, f := range found {
		if f.from < at {
			at = max(at, f.to)
			continue
		}
		text = append(append(text, line[at:f.from]...), "["+string(f.kind)+"]"...)
		at = f.to
	}
	return string(bytes.TrimSpace(append(text, line[at:]...)))
}
