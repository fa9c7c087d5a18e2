package testbed

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// FilteredLog is the global option log as an operator sets it (docs/operations.md).
// reverse_proxy writes the request that it sends to the app, with the assertion and the
// identity in it, and leaves out cookies and credentials only: at level debug all of
// them, at any level those whose answer breaks off. Doorward cannot change that. What
// Doorward does itself is not filtered: its answers are to be found in the access log
// as they are.
const FilteredLog = `	log {
		format filter {
			request>headers>X-Auth-Token delete
			request>headers>Remote-User delete
			request>headers>Remote-Email delete
			request>headers>Remote-Name delete
			request>headers>Remote-Groups delete
			env delete
		}
	}
`

// verbose has Caddy log all that it can.
const verbose = "\tdebug\n" + FilteredLog

// talkative returns a Caddyfile with debug level and, for each of its sites, an
// access log. Where it says something about its logs itself, that stays.
func talkative(text string) string {
	tokens, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
	if err != nil {
		return text // Caddy says what is wrong with it
	}
	lines := strings.SplitAfter(text, "\n")
	after := make(map[int]string) // by line, from 1
	for _, b := range topBlocks(tokens) {
		switch {
		case b.key == "" && !b.has["log"]:
			after[b.line] = verbose
		case b.key == "" && !b.has["debug"]:
			after[b.line] = "\tdebug\n"
		case b.key != "" && !strings.HasPrefix(b.key, "(") && !strings.HasPrefix(b.key, "&(") && !b.has["log"]:
			after[b.line] = "\tlog\n"
		}
	}
	var all strings.Builder
	for i, line := range lines {
		all.WriteString(line)
		all.WriteString(after[i+1])
	}
	return all.String()
}

// A block is one of a Caddyfile that is in no other: a site, a snippet, or the
// global options, whose key is empty.
type block struct {
	key  string          // the first word of its first line
	line int             // of its opening brace
	has  map[string]bool // the first words of its own lines
}

func topBlocks(tokens []caddyfile.Token) []block {
	var all []block
	depth, line, key, inKey := 0, 0, "", false
	for _, t := range tokens {
		first := t.Line != line
		line = t.Line
		switch {
		case t.Text == "{" && !t.Quoted():
			if depth == 0 {
				all = append(all, block{key: key, line: t.Line, has: make(map[string]bool)})
			}
			depth++
		case t.Text == "}" && !t.Quoted():
			depth--
			key, inKey = "", false
		case depth == 0 && !inKey:
			key, inKey = t.Text, true
		case depth == 1 && first:
			all[len(all)-1].has[t.Text] = true
		}
	}
	return all
}
