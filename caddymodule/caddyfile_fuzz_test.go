package caddymodule

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// contexts are where an operator writes to us: a text stands in for BODY.
var contexts = []string{
	"{\n\tdoorward {\nBODY\n\t}\n}\napp.example.com {\n\tdoorward\n}\n",
	"{\n\tdoorward BODY\n}\n",
	"app.example.com {\n\tdoorward {\nBODY\n\t}\n}\n",
	"app.example.com {\n\tdoorward BODY\n}\n",
	"app.example.com {\n\tdoorward_api {\nBODY\n\t}\n}\n",
	"app.example.com {\n\tdoorward_well_known BODY\n}\n",
}

var fileAndLine = regexp.MustCompile(`Caddyfile:[0-9]+`)

// What an operator writes is taken, always in the same way and for JSON that the
// modules read without a field too many, or it is refused with the file and the
// line. What stands behind the word password is in no error.
func FuzzCaddyfile(f *testing.F) {
	paths, err := filepath.Glob("testdata/caddyfile_adapt/*.caddyfiletest")
	if err != nil || len(paths) == 0 {
		f.Fatalf("%d golden files, error %v", len(paths), err)
	}
	for i, path := range paths {
		if strings.HasPrefix(filepath.Base(path), "bad_") && i%4 != 0 { // there are many
			continue
		}
		caddyfile, _, _ := strings.Cut(read(f, path), goldenSeparator)
		if _, body, ok := strings.Cut(caddyfile, "\tdoorward {\n"); ok && len(caddyfile) < 2048 {
			global, _, _ := strings.Cut(body, "\n\t}\n}")
			f.Add(uint8(0), global)
			directive, _, _ := strings.Cut(body, "\n\t}\n\t")
			f.Add(uint8(2), directive)
		}
	}
	const password = "Zq7Zq7Zq7"
	for i, body := range []string{
		"store redis://h {\n password " + password + " x\n}", "directory postgres://u:" + password + "@h/d/x y", "mail smtp://u:" + password + "@h:x {\n from a@example.com\n}",
		"mail smtp://h {\n password " + password + " {\n}", "secret " + password, "store redis://u:" + password + "/@h", "allow *\nbypass /x/* /y", "headers {\n user X-User\n}", "/x/* {\n allow a@b.cd\n}", "{", "}", "\"", "`", "<<X\n\nX", "import x", "{$X:}", "\\",
	} {
		f.Add(uint8(i), body)
		f.Add(uint8(0), body)
	}
	dataHome(f)
	f.Fuzz(func(t *testing.T, where uint8, body string) {
		if strings.Contains(body, "import") || strings.Contains(body, "{$") || len(body) > 4096 {
			return // files and variables are read by Caddy
		}
		caddyfile := strings.Replace(contexts[int(where)%len(contexts)], "BODY", body, 1)
		config, err := adapt(caddyfile)
		again, errAgain := adapt(caddyfile)
		switch {
		case (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() || !bytes.Equal(config, again):
			t.Fatalf("%s\nbecomes %s, %v, and then %s, %v", caddyfile, config, err, again, errAgain)
		case err != nil && staysInside(body, int(where)%len(contexts)%2 == 1) && !fileAndLine.MatchString(err.Error()):
			t.Errorf("%s\nthe error %q has no file and line", caddyfile, err)
		case err != nil && strings.Contains(err.Error(), password) && isPassword(body, password):
			t.Errorf("%s\nthe error %q shows the password", caddyfile, err)
		}
		if err != nil {
			return
		}
		apps, doors := modulesOf(t, config)
		for _, raw := range apps {
			if err := caddy.StrictUnmarshalJSON(raw, new(App)); err != nil {
				t.Errorf("%s\nbecomes %s, which the app does not read: %v", caddyfile, raw, err)
			}
		}
		for _, raw := range doors {
			if err := caddy.StrictUnmarshalJSON(raw, new(Handler)); err != nil {
				t.Errorf("%s\nbecomes %s, which the handler does not read: %v", caddyfile, raw, err)
			}
		}
	})
}

// staysInside reports whether a text is surely within the block that it stands in,
// or, if it has to, on its one line: what comes outside is Caddy's to refuse.
func staysInside(body string, oneLine bool) bool {
	if strings.ContainsAny(body, "\"`#\\<\x00\ufeff") || oneLine && strings.Contains(body, "\n") {
		return false
	}
	depth := 0
	for _, c := range body {
		switch c {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth < 0 {
			return false
		}
	}
	return depth == 0
}

// isPassword reports whether whatever has the password in it stands where one
// belongs: behind the name of an option for one, or in the URL of a backend.
func isPassword(body, password string) bool {
	if strings.ContainsAny(body, "\"`#\\<{}") {
		return false
	}
	for line := range strings.Lines(body) {
		words := strings.Fields(line)
		if !strings.Contains(line, password) {
			continue
		}
		if len(words) < 2 || !slices.Contains([]string{"password", "sentinel_password", "secret", "store", "directory", "mail"}, words[0]) {
			return false
		}
	}
	return true
}
