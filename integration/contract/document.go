// Package contract holds what Doorward answers against docs/openapi.yaml, in both
// directions: an answer that the document does not allow is an error of whoever
// gave it, and what the document promises and nobody has seen is an error of the
// document.
//
// A [Document] checks one answer at a time. Three things bring answers to it: the
// [Transport] of the clients of package testbed, so that every test with such a
// client is a test of the document too; a [Witness], which stands between a
// gateway and a client that is not ours, such as a browser; and the tour in this
// package's tests, which goes past every operation and every status on purpose.
//
// The app behind a door answers as it likes. What is below /doorward is ours, and
// what is elsewhere is ours if it has an X-Request-Id, which the apps of the
// tests do not set.
package contract

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// A Document is an OpenAPI document, and what has been seen of it. It is safe for
// concurrent use.
type Document struct {
	spec   *openapi3.T
	routes []route

	mu   sync.Mutex
	seen map[sight]bool
}

// A route is a path of the document below one of the servers that have it.
type route struct {
	mount    string // the path of the server: "/doorward", or "" for the root
	path     string // as the document writes it
	segments []string
	item     *openapi3.PathItem
}

// A sight is what is seen of a document: that an operation answers with a status
// and, of a refusal, with one of the problems that the document lists for it.
type sight struct {
	mount, method, path string
	status              int
	problem             string // "" where the document lists none, or a page says it
}

// String writes a sight for people.
func (s sight) String() string {
	where := s.mount
	if where == "" {
		where = "the root"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s (below %s): %d %s", s.method, s.path, where, s.status, s.problem))
}

// Doorward returns the document of this repository. All callers share it.
var Doorward = sync.OnceValues(func() (*Document, error) {
	_, file, _, _ := runtime.Caller(0)
	return Open(filepath.Join(filepath.Dir(file), "..", "..", "docs", "openapi.yaml"))
})

// Open reads a document, and returns an error if it is no valid OpenAPI.
func Open(path string) (*Document, error) {
	loader := openapi3.NewLoader()
	spec, err := loader.LoadFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if err := spec.Validate(loader.Context, openapi3.EnableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d := &Document{spec: spec, seen: make(map[sight]bool)}
	for path, item := range spec.Paths.Map() {
		servers := item.Servers
		if len(servers) == 0 {
			servers = spec.Servers
		}
		for _, server := range servers {
			mount, err := mountOf(server.URL)
			if err != nil {
				return nil, err
			}
			d.routes = append(d.routes, route{mount, path, strings.Split(mount+path, "/"), item})
		}
	}
	// Of two paths that match, the one without parameters is meant.
	slices.SortFunc(d.routes, func(a, b route) int {
		return strings.Count(a.path, "{") - strings.Count(b.path, "{")
	})
	return d, nil
}

// mountOf returns the path of a server's URL, whose host is a variable.
func mountOf(server string) (string, error) {
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(server))
	if err != nil {
		return "", fmt.Errorf("the server %s: %w", server, err)
	}
	return strings.TrimSuffix(u.Path, "/"), nil
}

// find returns the route of an escaped path, and its parameters.
func (d *Document) find(escaped string) (route, map[string]string, bool) {
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return route{}, nil, false
		}
		segments[i] = plain
	}
	for _, r := range d.routes {
		if parameters, ok := r.match(segments); ok {
			return r, parameters, true
		}
	}
	return route{}, nil, false
}

func (r route) match(segments []string) (parameters map[string]string, ok bool) {
	if r.item == nil || r.path == doorPath || len(segments) != len(r.segments) {
		return nil, false
	}
	parameters = make(map[string]string)
	for i, want := range r.segments {
		name, isParameter := strings.CutPrefix(want, "{")
		switch {
		case isParameter && segments[i] != "":
			parameters[strings.TrimSuffix(name, "}")] = segments[i]
		case isParameter || want != segments[i]:
			return nil, false
		}
	}
	return parameters, true
}

// operation returns what a route does for a method. HEAD is answered wherever GET
// is.
func (r route) operation(method string) *openapi3.Operation {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return r.item.GetOperation(method)
}

// note remembers what was seen.
func (d *Document) note(s sight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[s] = true
}

// The document's extensions of a response: the problems that it may be, and why no
// test has it.
const (
	problemsOf  = "x-problems"
	notProvoked = "x-not-provoked"
)

// problems returns the problems that a response may be.
func problems(response *openapi3.Response) []string {
	listed, _ := response.Extensions[problemsOf].([]any)
	var problems []string
	for _, p := range listed {
		problems = append(problems, fmt.Sprint(p))
	}
	return problems
}

// Unseen lists what the document promises and nobody has seen: which statuses of
// which operations, with which problems, below which server. What the document
// itself says to be beyond tests is left out (see [Document.NotProvoked]).
func (d *Document) Unseen() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var unseen []string
	for s, response := range d.all() {
		if _, excused := response.Extensions[notProvoked]; !excused && !d.seen[s] {
			unseen = append(unseen, s.String())
		}
	}
	slices.Sort(unseen)
	return unseen
}

// NotProvoked returns what the document promises and says to be beyond tests, by
// problem or status, with its reason.
func (d *Document) NotProvoked() map[string]string {
	reasons := make(map[string]string)
	for s, response := range d.all() {
		if reason, ok := response.Extensions[notProvoked]; ok {
			reasons[fmt.Sprintf("%d %s", s.status, s.problem)] = fmt.Sprint(reason)
		}
	}
	return reasons
}

// all returns every response of every operation.
func (d *Document) all() map[sight]*openapi3.Response {
	all := make(map[sight]*openapi3.Response)
	for _, r := range d.routes {
		for method, operation := range r.item.Operations() {
			for code, response := range operation.Responses.Map() {
				status, err := strconv.Atoi(code)
				if err != nil { // "default" or "4XX", which say nothing that could be seen
					status = 0
				}
				listed := problems(response.Value)
				if len(listed) == 0 {
					listed = []string{""}
				}
				for _, problem := range listed {
					all[sight{r.mount, method, r.path, status, problem}] = response.Value
				}
			}
		}
	}
	return all
}
