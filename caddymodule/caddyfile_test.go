package caddymodule

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var update = flag.Bool("update", false, "write what the golden files have to say")

// A golden is a Caddyfile and what Caddy makes of it: JSON, or an error.
type golden struct {
	name, path      string
	caddyfile, want string
	bad             bool
}

const goldenSeparator = "----------\n"

func goldens(t *testing.T) []golden {
	t.Helper()
	paths, err := filepath.Glob("testdata/caddyfile_adapt/*.caddyfiletest")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d golden files, error %v", len(paths), err)
	}
	var all []golden
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		source, want, ok := strings.Cut(string(content), goldenSeparator)
		if !ok {
			t.Fatalf("%s has no separator", path)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".caddyfiletest")
		all = append(all, golden{name, path, source, strings.TrimSpace(want), strings.HasPrefix(name, "bad_")})
	}
	return all
}

// goldenSecrets sets what the golden files have placeholders for.
func goldenSecrets(t *testing.T) {
	t.Setenv("DOORWARD_SECRET", strings.Repeat("new secret ", 4))
	t.Setenv("DOORWARD_OLD_SECRET", strings.Repeat("old secret ", 4))
	certificate, key := writeCertificate(t, t.TempDir(), "client")
	for name, value := range map[string]string{
		"REDIS_LOGIN": "doorward:redis", "REDIS_PASSWORD": "redis", "REDIS_CERTIFICATE": certificate, "REDIS_KEY": key, "SENTINEL_PASSWORD": "sentinel",
		"STORE_URL": "redis://redis.internal", "PGPASSWORD": "postgres", "SMTP_PASSWORD": "smtp",
	} {
		t.Setenv(name, value)
	}
}

func TestCaddyfilesBecomeTheJSONOfTheirGoldenFiles(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			config, err := adapt(g.caddyfile)
			var got string
			switch {
			case err != nil:
				got = err.Error()
			default:
				got = indent(t, config)
			}
			if *update {
				if err := os.WriteFile(g.path, []byte(g.caddyfile+goldenSeparator+got+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if g.bad != (err != nil) {
				t.Fatalf("adapt: error %v, want one: %v", err, g.bad)
			}
			if !*update && got != g.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, g.want)
			}
		})
	}
}

// Somebody who looks for a mistake looks at the line first.
func TestErrorsNameFileAndLine(t *testing.T) {
	for _, g := range goldens(t) {
		if g.bad && !strings.Contains(g.want, "Caddyfile:") {
			t.Errorf("%s: the error names no file and line: %s", g.name, g.want)
		}
	}
}

func TestCaddyFmtLeavesGoldenFilesAsTheyAre(t *testing.T) {
	for _, g := range goldens(t) {
		if got := string(caddyfile.Format([]byte(g.caddyfile))); got != g.caddyfile {
			t.Errorf("%s: caddy fmt makes of it:\n%s", g.name, got)
		}
	}
}

// A field that the parser sets but the JSON does not carry, or that JSON cannot
// set, would make the two disagree.
func TestJSONOfAGoldenFileIsTheWholeConfiguration(t *testing.T) {
	for _, g := range goldens(t) {
		if g.bad {
			continue
		}
		config, err := adapt(g.caddyfile)
		if err != nil {
			t.Fatal(err)
		}
		apps, doors := modulesOf(t, config)
		for _, raw := range apps {
			compareModule(t, g.name, raw, new(App))
		}
		for _, raw := range doors {
			compareModule(t, g.name, raw, new(Handler))
		}
	}
}

func TestGoldenFilesAreProvisioned(t *testing.T) {
	dataHome(t)
	goldenSecrets(t)
	for _, g := range goldens(t) {
		if g.bad {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			config, err := adapt(g.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			apps, doors := modulesOf(t, config)
			app := provision(t, config)
			doors = slices.DeleteFunc(doors, func(raw json.RawMessage) bool { return strings.Contains(string(raw), `"well_known":true`) })
			if got, want := len(app.doors), len(doors); got != want {
				t.Errorf("%d doors were provisioned, want %d", got, want)
			}
			for _, raw := range apps {
				var want App
				if err := caddy.StrictUnmarshalJSON(raw, &want); err != nil {
					t.Fatal(err)
				}
				if want.Path == "" {
					want.Path = "/doorward"
				}
				if got, want := encode(t, app), encode(t, &want); got != want {
					t.Errorf("the provisioned app is\n%s\nwant\n%s", got, want)
				}
			}
		})
	}
}

// compareModule decodes raw into a module and compares what it encodes to.
func compareModule(t *testing.T, name string, raw []byte, module caddy.Module) {
	t.Helper()
	if err := caddy.StrictUnmarshalJSON(raw, module); err != nil {
		t.Errorf("%s: decoding %s: %v", name, raw, err)
		return
	}
	if got, want := indent(t, []byte(encode(t, module))), indent(t, raw); got != want {
		t.Errorf("%s: decoded and encoded again:\n%s\nwant:\n%s", name, got, want)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// modulesOf returns the JSON of our modules in a configuration.
func modulesOf(t *testing.T, config []byte) (apps, doors []json.RawMessage) {
	t.Helper()
	var c struct {
		Apps map[string]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	if raw, ok := c.Apps["doorward"]; ok {
		apps = append(apps, raw)
	}
	var find func(v any)
	find = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, inner := range v {
				find(inner)
			}
		case map[string]any:
			if v["handler"] == "doorward" {
				delete(v, "handler")
				doors = append(doors, json.RawMessage(encode(t, v)))
				return
			}
			for _, inner := range v {
				find(inner)
			}
		}
	}
	var all any
	if err := json.Unmarshal(config, &all); err != nil {
		t.Fatal(err)
	}
	find(all)
	return apps, doors
}
