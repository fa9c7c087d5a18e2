package caddymodule

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// logged makes a street write an access log for each of its hosts, and everything at
// debug level, to a file, through a filter.
func logged(t *testing.T, s *street, api, filter string) (log string) {
	t.Helper()
	if err := caddy.Stop(); err != nil { // a socket of its own could be in the way of the other one
		t.Fatal(err)
	}
	log = filepath.Join(t.TempDir(), "log")
	caddyfile := strings.Replace(s.caddyfile(api), "output discard", "level DEBUG\noutput file "+log+"\n"+filter, 1)
	caddyfile = strings.ReplaceAll(caddyfile, "reverse_proxy", "log\nencode\nreverse_proxy")
	caddyfile = strings.ReplaceAll(caddyfile, "\tdoorward_api", "log\nencode\n\tdoorward_api")
	if err := load(t, caddyfile); err != nil {
		t.Fatal(err)
	}
	return log
}

// written stops Caddy, which waits until all is written, and returns the log.
func written(t *testing.T, log string) string {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	return read(t, log)
}

// accessLines returns the lines of a log that are of requests for a path.
func accessLines(log, path string) (lines []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"logger":"http.log.access"`) && strings.Contains(line, path) {
			lines = append(lines, line)
		}
	}
	return lines
}

// Caddy's access log has all header fields of an answer but cookies.
func TestAccessLogHasNoSessionToken(t *testing.T) {
	const api = "token_header on"
	s := newStreet(t, api)
	log := logged(t, s, api, "")

	auth := s.token(t, s.auth, "", "ann@example.com")
	door := s.token(t, s.app, "/doorward", "bob@example.com")
	again := s.ask(t, "POST", s.auth, "/passcode/login/initialize", `{"email":"ann@example.com"}`, "Authorization", "Bearer "+auth)
	if again.status != http.StatusOK {
		t.Fatalf("a passcode for somebody who is signed in: %d %s", again.status, again.body)
	}
	content := written(t, log)
	for name, token := range map[string]string{"the API host": auth, "the door": door} {
		if signature := token[strings.LastIndexByte(token, '.')+1:]; strings.Contains(content, signature) {
			t.Errorf("the log has the session token that %s handed out", name)
		}
	}
	if lines := accessLines(content, "/finalize"); len(lines) > 0 {
		t.Errorf("the access log has the answers with tokens: %q", lines)
	}
	if got := len(accessLines(content, "/initialize")); got != 3 {
		t.Errorf("%d answers without a token in the access log, want 3", got)
	}
	for _, path := range []string{"/passcode/login/finalize", "/doorward/passcode/login/finalize"} {
		instead := regexp.MustCompile(`"msg":"session token handed out[^"]*","method":"POST","host":"[a-z.:0-9]+","path":"` + path + `","client":"127\.0\.0\.1"`)
		if got := len(instead.FindAllString(content, -1)); got != 1 {
			t.Errorf("%d lines instead of that of %s, want 1:\n%s", got, path, content)
		}
	}
}

// Cookies are what Caddy leaves out by itself: these answers stay in its log.
func TestAccessLogHasAnswersWithCookies(t *testing.T) {
	s := newStreet(t, "")
	log := logged(t, s, "", "")
	if in := s.signIn(t, s.auth, "", "ann@example.com"); in.header.Get("Set-Cookie") == "" {
		t.Fatalf("no cookie: %v", in.header)
	}
	content := written(t, log)
	if got := len(accessLines(content, "/finalize")); got != 1 {
		t.Errorf("%d lines of the answer in the access log, want 1:\n%s", got, content)
	}
	if strings.Contains(content, "session token handed out") {
		t.Errorf("the log has a token handed out, which was a cookie:\n%s", content)
	}
}

// What docs/operations.md shows keeps assertions, and who a visitor is, out of what
// reverse_proxy logs; without it they are there.
func TestLogFilterOfTheDocumentationRemovesAssertions(t *testing.T) {
	filter := regexp.MustCompile(`(?s)\tformat filter \{.*?\n\t\t\}\n`).FindString(read(t, "../docs/operations.md"))
	if filter == "" {
		t.Fatal("docs/operations.md shows no filter")
	}
	for _, tt := range []struct {
		name, filter string
		want         bool
	}{
		{"with the filter", filter, false},
		{"without", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const api = "token_header on"
			s := newStreet(t, api)
			log := logged(t, s, api, tt.filter)
			token := s.token(t, s.app, "/doorward", "ann@example.com")
			seen := s.ask(t, "GET", s.app, "/", "", "Authorization", "Bearer "+token)
			assertion := regexp.MustCompile(`eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+`).FindString(seen.body)
			if assertion == "" {
				t.Fatalf("the app saw no assertion: %d %s", seen.status, seen.body)
			}
			content := written(t, log)
			if !strings.Contains(content, "upstream roundtrip") {
				t.Fatalf("the log has no request to the app:\n%s", content)
			}
			for name, text := range map[string]string{"assertion": assertion, "address": "ann@example.com"} {
				if got := strings.Contains(content, text); got != tt.want {
					t.Errorf("the %s is in the log: %v, want %v", name, got, tt.want)
				}
			}
		})
	}
}
