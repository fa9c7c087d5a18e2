package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The recipe is a second place that says what the binary is made of; go.mod and
// cmd/doorward are the first.
func TestRecipeIsWhatGoBuildBuilds(t *testing.T) {
	r, err := read("../../xcaddy.toml")
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command("go", "list", "-m", "-json", "github.com/caddyserver/caddy/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	var caddy struct{ Version string }
	if err := json.Unmarshal(output, &caddy); err != nil {
		t.Fatal(err)
	}
	if r.Caddy != caddy.Version {
		t.Errorf("xcaddy.toml has Caddy %s, go.mod has %s", r.Caddy, caddy.Version)
	}
	output, err = exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, "../doorward").Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := strings.Fields(string(output))
	var paths []string
	for _, m := range r.Modules {
		paths = append(paths, m.Path)
		if !slices.ContainsFunc(imports, func(i string) bool { return i == m.Path || strings.HasPrefix(i, m.Path+"/") }) {
			t.Errorf("xcaddy.toml has %s, cmd/doorward does not import it", m.Path)
		}
	}
	for _, i := range imports {
		third := strings.Contains(i, ".") && !strings.HasPrefix(i, "github.com/caddyserver/caddy/v2/")
		if third && !slices.ContainsFunc(paths, func(p string) bool { return i == p || strings.HasPrefix(i, p+"/") }) {
			t.Errorf("cmd/doorward imports %s, xcaddy.toml does not have it", i)
		}
	}
	want := "xcaddy build " + caddy.Version + " --output doorward --with github.com/doorward/doorward=."
	if got := strings.Join(r.args(), " "); got != want {
		t.Errorf("command = %q, want %q", got, want)
	}
}

func TestRecipeWithAMisspeltFieldIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "xcaddy.toml")
	if err := os.WriteFile(file, []byte("caddy = \"v2.11.9\"\noutputt = \"x\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(file); err == nil || !strings.Contains(err.Error(), "outputt") {
		t.Errorf("read = %v, want an error that names outputt", err)
	}
}
