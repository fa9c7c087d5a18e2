package caddymodule

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
)

// configured are the types whose exported fields are the configuration.
var configured = []any{App{}, Store{}, Wait{}, TLS{}, Directory{}, Mail{}, RelyingParty{}, Session{}, Passcode{}, Passkey{}, Limits{}, Limit{}, API{}, Account{}, Apps{}, AndroidApp{}, Pages{}, Handler{}, Headers{}}

// A field without a comment is missing from the documentation that is generated
// from it; one without omitempty clutters every configuration with a zero that
// means the default.
func TestEveryOptionIsDocumentedAndOptional(t *testing.T) {
	documented := make(map[string]string)
	for _, file := range []string{"app.go", "config.go", "storeconfig.go", "certificate.go", "directoryconfig.go", "limits.go", "apiconfig.go", "apps.go", "handler.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						documented[spec.Name.Name+"."+name.Name] = field.Doc.Text()
					}
				}
			}
			return true
		})
	}
	for _, v := range configured {
		typ := reflect.TypeOf(v)
		for _, field := range reflect.VisibleFields(typ) {
			if !field.IsExported() {
				continue
			}
			name := typ.Name() + "." + field.Name
			if documented[name] == "" {
				t.Errorf("%s has no doc comment", name)
			}
			key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			want := "omitempty"
			if field.Type.Kind() == reflect.Struct {
				want = "omitzero"
			}
			if key == "" || key == "-" || options != want {
				t.Errorf("%s has the tag json:%q, want a name and %s", name, field.Tag.Get("json"), want)
			}
		}
	}
}

// What no golden file sets could be parsed into another field unseen.
func TestEveryOptionStandsInAGoldenFile(t *testing.T) {
	seen := make(map[string]bool)
	for _, g := range goldens(t) {
		if g.bad {
			continue
		}
		apps, doors := modulesOf(t, []byte(g.want))
		for _, raw := range apps {
			noteKeys(t, seen, "app", raw)
		}
		for _, raw := range doors {
			noteKeys(t, seen, "door", raw)
		}
	}
	for _, key := range append(keysOf("app", reflect.TypeFor[App]()), keysOf("door", reflect.TypeFor[Handler]())...) {
		if !seen[key] {
			t.Errorf("no golden file sets %s", key)
		}
	}
}

// noteKeys notes the paths of all keys in a JSON object.
func noteKeys(t *testing.T, seen map[string]bool, prefix string, raw json.RawMessage) {
	t.Helper()
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch v := v.(type) {
		case []any:
			for _, inner := range v {
				walk(prefix, inner)
			}
		case map[string]any:
			for key, inner := range v {
				seen[prefix+"."+key] = true
				walk(prefix+"."+key, inner)
			}
		}
	}
	walk(prefix, value)
}

// keysOf returns the paths of the keys that a type of ours is configured with.
func keysOf(prefix string, typ reflect.Type) []string {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ.PkgPath() != reflect.TypeFor[App]().PkgPath() {
		return nil
	}
	var keys []string
	for _, field := range reflect.VisibleFields(typ) {
		if !field.IsExported() {
			continue
		}
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		keys = append(append(keys, prefix+"."+key), keysOf(prefix+"."+key, field.Type)...)
	}
	return keys
}
