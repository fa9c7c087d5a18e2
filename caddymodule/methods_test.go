package caddymodule

import (
	"fmt"
	"testing"
)

func TestDoorsThatJudgeMethodsAreKnown(t *testing.T) {
	dataHome(t)
	for matcher, want := range map[string]bool{
		"path /admin /admin/*":                 false,
		"not path /public/*":                   false,
		"header Accept text/html":              false,
		"method POST PUT DELETE":               true,
		"not method GET HEAD":                  true,
		"path /api/*\n\t\tmethod POST":         true,
		"not {\n\t\t\tmethod OPTIONS\n\t\t}":   true,
		"expression `{method} != 'GET'`":       true,
		"vars {http.request.method} DELETE":    true,
		"path_regexp ^/api/\n\t\tnot path /x*": false,
	} {
		app := provisionCaddyfile(t, fmt.Sprintf(`http://localhost:8080 {
	@judged {
		%s
	}
	doorward @judged {
		allow *@example.com
	}
	reverse_proxy localhost:8081
}
`, matcher))
		if got := judgesMethods(app.doors[0].match); got != want {
			t.Errorf("@judged %q: judges methods: %t, want %t", matcher, got, want)
		}
	}
}
