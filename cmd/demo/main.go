// Command demo is an app to try Doorward with. It knows nothing of signing in: it
// shows the headers that it was sent, and the assertion among them, decoded.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"html/template"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
)

func main() {
	listen := flag.String("listen", "localhost:8081", "address to listen on; only the gateway should reach it")
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("demo app ready, for Doorward at %s", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(show)))
}

// identity are the headers that Doorward sets.
var identity = []string{"Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups"}

type header struct{ Name, Value string }

func show(w http.ResponseWriter, r *http.Request) {
	var page struct {
		Who, Path, Head, Claims string
		Identity, Other         []header
	}
	page.Who, page.Path = r.Header.Get("Remote-User"), r.URL.Path
	for _, name := range identity {
		page.Identity = append(page.Identity, header{name, r.Header.Get(name)})
	}
	for name, values := range r.Header {
		if !slices.Contains(identity, name) && name != "X-Auth-Token" {
			page.Other = append(page.Other, header{name, strings.Join(values, ", ")})
		}
	}
	slices.SortFunc(page.Other, func(a, b header) int { return strings.Compare(a.Name, b.Name) })
	parts := strings.Split(r.Header.Get("X-Auth-Token"), ".")
	if len(parts) == 3 {
		page.Head, page.Claims = decode(parts[0]), decode(parts[1])
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := tmpl.Execute(w, page); err != nil {
		log.Print(err)
	}
}

// decode returns a part of a JWT as indented JSON. It verifies nothing: an app
// that is reachable around the gateway has to.
func decode(part string) string {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	var out bytes.Buffer
	if err != nil || json.Indent(&out, raw, "", "  ") != nil {
		return "(not decodable)"
	}
	return out.String()
}

var tmpl = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Demo app</title>
<style>
	:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
	body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
	table { border-collapse: collapse; width: 100% }
	th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere }
	th { font-weight: 500; white-space: nowrap }
	pre { background: #8882; padding: 1rem; border-radius: .5rem; overflow: auto }
	h2 { font-size: 1.1rem; margin-top: 2rem }
</style>
<h1>{{if .Who}}Hello, {{.Who}}{{else}}Hello, whoever you are{{end}}</h1>
<p>This app has no sign-in of its own. This is what it was told about the request for <code>{{.Path}}</code>.
<a href="/doorward/account">Your account</a></p>
<h2>Identity headers</h2>
<table>{{range .Identity}}<tr><th>{{.Name}}<td>{{or .Value "(not set)"}}</tr>{{end}}</table>
<h2>The assertion in X-Auth-Token</h2>
{{if .Claims}}<pre>{{.Head}}</pre><pre>{{.Claims}}</pre>
<p>Signed; the keys to check it with are at <a href="/doorward/.well-known/jwks.json">/doorward/.well-known/jwks.json</a>.</p>
{{else}}<p>(not set)</p>{{end}}
<h2>All other headers</h2>
<table>{{range .Other}}<tr><th>{{.Name}}<td>{{.Value}}</tr>{{end}}</table>
`))
