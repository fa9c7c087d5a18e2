package contract_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/doorward/doorward/integration/contract"
	"github.com/doorward/doorward/integration/testbed"
)

// A spec is the operations of docs/openapi.yaml.
type spec struct {
	operations []operation
	problems   []string // every one that there is
}

// An operation is one of them.
type operation struct {
	id, method, path string
	server           server
	problems         map[int][]string // by status; of a status without, an empty list
	form             bool             // its body is a form
}

// A server is where an operation is to be found.
type server int

const (
	everywhere server = iota // below /doorward, and at the root of an API host
	ofPages                  // below /doorward
	ofSites                  // at the root of a site
	ofAPI                    // at the root of an API host
)

// at reports whether an operation is part of the API or the pages of a place.
func (o operation) at(p place) bool {
	return o.server == everywhere || o.server == ofPages && p.prefix != ""
}

// target returns the operation's path with parameters that lead nowhere.
func (o operation) target() string {
	id := "00000000-0000-4000-8000-000000000000"
	if strings.HasPrefix(o.path, "/sessions/") {
		id = "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	}
	return strings.ReplaceAll(o.path, "{id}", id)
}

func readSpec(t *testing.T) *spec {
	t.Helper()
	read, err := openapi3.NewLoader().LoadFromFile(filepath.Join(testbed.Root(), "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s := &spec{}
	for path, item := range read.Paths.Map() {
		where := everywhere
		if len(item.Servers) > 0 {
			where = map[string]server{
				"https://{site}/doorward": ofPages, "https://{site}": ofSites, "https://{api}": ofAPI,
			}[item.Servers[0].URL]
		}
		for method, op := range item.Operations() {
			o := operation{id: op.OperationID, method: method, path: path, server: where, problems: make(map[int][]string)}
			if op.RequestBody != nil {
				o.form = op.RequestBody.Value.Content.Get("application/x-www-form-urlencoded") != nil
			}
			for code, response := range op.Responses.Map() {
				status, err := strconv.Atoi(code)
				if err != nil {
					t.Fatalf("%s %s: the status %s says nothing that could be tested", method, path, code)
				}
				o.problems[status] = []string{}
				listed, _ := response.Value.Extensions["x-problems"].([]any)
				for _, p := range listed {
					o.problems[status] = append(o.problems[status], p.(string))
				}
			}
			s.operations = append(s.operations, o)
		}
	}
	for _, url := range read.Components.Schemas["Problem"].Value.Properties["type"].Value.Enum {
		_, slug, _ := strings.Cut(url.(string), "#")
		s.problems = append(s.problems, slug)
	}
	return s
}

func TestDocumentIsValid(t *testing.T) {
	if _, err := contract.Doorward(); err != nil {
		t.Fatal(err)
	}
}

// A client's author looks a problem up in problems.md by the end of its type.
func TestProblemsAreThoseOfTheirPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testbed.Root(), "docs", "problems.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := readSpec(t)
	var explained []string
	for _, m := range regexp.MustCompile(`<a id="(\w+)">`).FindAllSubmatch(page, -1) {
		explained = append(explained, string(m[1]))
	}
	slices.Sort(explained)
	slices.Sort(s.problems)
	if !slices.Equal(s.problems, explained) {
		t.Errorf("openapi.yaml has the problems\n%q\nand problems.md explains\n%q", s.problems, explained)
	}
}

// What is served and not documented would be found only by whoever happened to ask
// for it: so the table of routes is read where it stands.
func TestEveryRouteIsDocumented(t *testing.T) {
	served := readRoutes(t)
	documented := make(map[string]server)
	for _, o := range readSpec(t).operations {
		if (o.server == everywhere || o.server == ofPages) && !strings.HasPrefix(o.path, "/static/") {
			documented[o.method+" "+o.path] = o.server
		}
	}
	for route, where := range served {
		if got, ok := documented[route]; !ok || got != where {
			t.Errorf("%s is not documented, or below other servers than it is served", route)
		}
	}
	for route := range documented {
		if _, ok := served[route]; !ok {
			t.Errorf("%s is documented, and there is no such route", route)
		}
	}
}

// readRoutes returns the routes in the table of package handlers, with the
// servers below which their kind is served.
func readRoutes(t *testing.T) map[string]server {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(testbed.Root(), "handlers", "routes.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	servers := map[string]server{"forPeople": ofPages, "forPrograms": everywhere, "forAnybody": everywhere}
	routes := make(map[string]server)
	ast.Inspect(file, func(n ast.Node) bool {
		row, ok := n.(*ast.CompositeLit)
		if !ok || row.Type != nil || len(row.Elts) != 4 {
			return true
		}
		where, known := servers[row.Elts[2].(*ast.Ident).Name]
		if !known {
			t.Fatalf("a route is %s, and this test does not know where such routes are served", row.Elts[2])
		}
		var words [2]string
		for i := range words {
			word, err := strconv.Unquote(row.Elts[i].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			words[i] = word
		}
		routes[words[0]+" "+words[1]] = where
		return true
	})
	if len(routes) < 30 {
		t.Fatalf("found %d routes in handlers/routes.go", len(routes))
	}
	return routes
}
