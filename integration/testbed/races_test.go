package testbed

import (
	"strings"
	"testing"
)

// report returns what the race detector writes, with the functions of the two
// accesses.
func report(one, other []string) string {
	stack := func(functions []string) string {
		var b strings.Builder
		for _, f := range functions {
			b.WriteString("  " + f + "()\n      /src/file.go:1 +0x1\n")
		}
		return b.String()
	}
	return "==================\nWARNING: DATA RACE\nRead at 0x00c0 by goroutine 7:\n" + stack(one) +
		"\nPrevious write at 0x00c0 by goroutine 8:\n" + stack(other) +
		"\nGoroutine 7 (running) created at:\n  github.com/doorward/doorward/session.Begin()\n      /src/file.go:1 +0x1\n==================\n"
}

func TestRacesAreThoseOfOurOwnCode(t *testing.T) {
	const (
		caddy = "github.com/caddyserver/caddy/v2/modules/caddyhttp.(*lengthReader).Read"
		ours  = "github.com/doorward/doorward/session.(*trailerStripper).Read"
		other = "github.com/redis/go-redis/v9.(*Client).Do"
		maps  = "runtime.mapassign_faststr"
		http  = "net/http.Header.Set"
	)
	tests := []struct {
		name string
		log  string
		want int
	}{
		{"none", `{"level":"info"}`, 0},
		{"Caddy's, below ours", report([]string{caddy, ours}, []string{caddy}), 0},
		{"Caddy's, in the standard library", report([]string{maps, http, caddy}, []string{caddy}), 0},
		{"ours", report([]string{ours}, []string{caddy}), 1},
		{"ours, in the standard library", report([]string{caddy}, []string{maps, http, ours, caddy}), 1},
		{"a library's that we called", report([]string{other, ours}, []string{caddy}), 1},
		{"one whose stack is lost", report([]string{caddy}, nil), 1},
		{"both", report([]string{ours}, []string{ours}) + "\n" + report([]string{caddy}, []string{caddy}), 1},
	}
	for _, tt := range tests {
		if got := races(tt.log); len(got) != tt.want {
			t.Errorf("%s: %d reports, want %d: %q", tt.name, len(got), tt.want, got)
		}
	}
}
