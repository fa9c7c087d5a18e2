package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
)

const ownModule = "github.com/doorward/doorward"

// directions says for each package which of our packages it may import: the
// further down, the less a package knows. What is not in here may not be.
var directions = map[string][]string{
	"":            {"caddymodule"}, // imports.go
	"caddymodule": {"ceremony", "directory", "handlers", "mail", "policy", "secret", "session", "store", "web"},
	"handlers":    {"ceremony", "directory", "policy", "session", "web"},
	"ceremony":    {"directory", "mail", "secret", "session", "store"},
	"policy":      {"session"},
	"session":     {"store"},
	"store":       nil,
	"directory":   nil,
	"mail":        nil,
	"secret":      nil,
	"web":         nil,

	"cmd/doorward": {"caddymodule"},

	// What tests are written with.
	"store/storetest":         {"store"},
	"directory/directorytest": nil,
	"mail/mailtest":           nil,
}

// tool reports whether a package is for whoever works on the repository: it may
// import what it needs, and nothing that is shipped imports it.
func tool(name string) bool {
	return strings.HasPrefix(name, "cmd/") && name != "cmd/doorward" ||
		strings.HasPrefix(name+"/", "integration/") || strings.HasPrefix(name+"/", "bench/")
}

// owners says which packages may import a library: the one whose business it is.
var owners = map[string][]string{
	"github.com/caddyserver/":     {"", "caddymodule", "cmd/doorward"},
	"github.com/spf13/cobra":      {"caddymodule"},
	"github.com/go-webauthn/":     {"ceremony"},
	"github.com/google/uuid":      {"ceremony", "handlers"},
	"github.com/lestrrat-go/":     {"session"},
	"golang.org/x/sync":           {"session"},
	"github.com/redis/go-redis/":  {"store"},
	"modernc.org/sqlite":          {"store", "directory"},
	"github.com/jackc/pgx/":       {"directory", "directory/directorytest"},
	"github.com/pressly/goose/":   {"directory"},
	"golang.org/x/text":           {"directory", "mail", "web"},
	"golang.org/x/net/idna":       {"directory"},
	"github.com/wneessen/go-mail": {"mail"},
	"github.com/emersion/":        {"mail/mailtest"},
	"golang.org/x/crypto/":        {"secret"},
}

// withoutHTTP are the packages that know no HTTP.
var withoutHTTP = []string{"ceremony", "store", "directory", "mail", "policy", "secret"}

// A listed package is what go list says of it. Its imports are those of the files
// that are built, and not of the tests.
type listed struct {
	ImportPath, Name string
	Imports          []string
}

// packages lists our packages and what they import.
func packages(t *testing.T) map[string]listed {
	t.Helper()
	command := exec.Command("go", "list", "-json=ImportPath,Name,Imports", "./...")
	command.Dir = testbed.Root()
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	all := make(map[string]listed)
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name, _ := own(p.ImportPath)
		all[name] = p
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

// own returns the path of a package within our module, if it is ours.
func own(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, ownModule)
	return strings.TrimPrefix(rest, "/"), ok && (rest == "" || rest[0] == '/')
}

// A lower package that knew of a higher one could not be read, tested or replaced
// without it.
func TestPackagesImportOnlyWhatIsBelowThem(t *testing.T) {
	all := packages(t)
	for name, p := range all {
		if tool(name) {
			continue
		}
		allowed, known := directions[name]
		if !known {
			t.Errorf("package %q is new: say in directions what it may import", name)
			continue
		}
		for _, path := range p.Imports {
			if imported, ok := own(path); ok && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
	}
	for name := range directions {
		if _, ok := all[name]; !ok {
			t.Errorf("directions has package %q, which is not there", name)
		}
	}
}

func TestEachLibraryHasOnePackageThatKnowsIt(t *testing.T) {
	for name, p := range packages(t) {
		if tool(name) {
			continue
		}
		for _, path := range p.Imports {
			if _, ok := own(path); ok || !strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
				continue // ours, or the standard library's
			}
			owned := false
			for library, by := range owners {
				if strings.HasPrefix(path, library) {
					owned = true
					if !slices.Contains(by, name) {
						t.Errorf("%s imports %s, which is for %q", name, path, by)
					}
				}
			}
			if !owned {
				t.Errorf("%s imports %s: say in owners whose business that is", name, path)
			}
		}
	}
}

func TestWhatKnowsNoHTTPImportsNone(t *testing.T) {
	all := packages(t)
	for _, name := range withoutHTTP {
		if slices.Contains(all[name].Imports, "net/http") {
			t.Errorf("%s imports net/http", name)
		}
	}
}

// A name that says nothing draws in what belongs elsewhere.
func TestPackagesAreNamedForWhatTheyHold(t *testing.T) {
	for path, p := range packages(t) {
		for _, name := range append(strings.Split(path, "/"), p.Name) {
			switch strings.TrimSuffix(name, "s") {
			case "util", "common", "helper", "type", "model", "service", "dto", "misc", "lib", "pkg":
				t.Errorf("package %s is called %s", path, name)
			}
		}
	}
}
