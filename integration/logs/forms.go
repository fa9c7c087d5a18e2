package logs

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// fewest is how many bytes a form has at least: what the search looks up at once.
const fewest = 8

// forms returns the texts that a secret may have in a log: as it is, as a URL, JSON
// or Base64 write it. Of a token the signature stands for the whole, which has it,
// and is enough to find parts.
func (s Secret) forms() []string {
	value := s.Value
	switch s.Kind {
	case Token, Assertion, Cookie:
		if isJWT(value) {
			value = value[strings.LastIndexByte(value, '.')+1:]
		}
	case Address:
		return distinct(value, strings.ToLower(value), url.QueryEscape(value), url.QueryEscape(strings.ToLower(value)))
	case Password:
		if len(value) < shortest/2 { // a word such as "secret", which a log may well have
			return distinct(":" + value + "@")
		}
	}
	all := []string{value, url.QueryEscape(value), url.PathEscape(value)}
	for _, html := range []bool{false, true} { // Caddy's log leaves <, > and & as they are
		all = append(all, quoted(value, html))
	}
	return distinct(append(all, encoded(value)...)...)
}

// quoted returns a value as JSON has it between the quotation marks.
func quoted(value string, html bool) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(html)
	_ = encoder.Encode(value) // a string always can be
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text.String()), `"`), `"`)
}

// encoded returns what is in every Base64 text of something that has value in it,
// wherever it begins there.
func encoded(value string) []string {
	var all []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := encoding.EncodeToString(append(make([]byte, before), value...))
			first := []int{0, 2, 3}[before] // characters that depend on what comes before
			last := len(text)
			if (before+len(value))%3 != 0 { // and one on what comes after
				last--
			}
			all = append(all, text[first:last])
		}
	}
	return all
}

func distinct(all ...string) []string {
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(form string) bool { return len(form) < fewest })
}
