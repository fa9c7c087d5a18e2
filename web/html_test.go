package web

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// hostile ends an attribute, a tag and a script, whichever it lands in.
const hostile = `'"></title></script><svg onload=alert(1)>{{.}}`

// elements renders page and returns its elements in order.
func elements(t *testing.T, p *Pages, language string, page Page) []*html.Node {
	t.Helper()
	root, err := html.Parse(render(t, p, language, page).Body)
	if err != nil {
		t.Fatal(err)
	}
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// fill returns page with s in each string it has, however deep.
func fill(page Page, s string) Page {
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			v.SetString(s)
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Field(i).CanSet() {
					walk(v.Field(i))
				}
			}
		}
	}
	filled := reflect.New(reflect.Indirect(reflect.ValueOf(page)).Type())
	filled.Elem().Set(reflect.Indirect(reflect.ValueOf(page)))
	for i := range filled.Elem().NumField() { // slices are shared with the original
		if f := filled.Elem().Field(i); f.Kind() == reflect.Slice && f.Len() > 0 {
			f.Set(reflect.AppendSlice(reflect.MakeSlice(f.Type(), 0, f.Len()), f))
			for j := range f.Len() {
				if m := f.Index(j); m.Kind() == reflect.Struct && m.FieldByName("Methods").IsValid() {
					m.FieldByName("Methods").Set(reflect.ValueOf([]string{s}))
				}
			}
		}
	}
	walk(filled.Elem())
	return filled.Interface().(Page)
}

// everyPage calls check with each page in each language, as it is in life and
// with hostile values.
func everyPage(t *testing.T, check func(t *testing.T, elements []*html.Node)) {
	for name, page := range samples() {
		for _, language := range []string{"en", "de"} {
			t.Run(name+"."+language, func(t *testing.T) {
				check(t, elements(t, newPages(t, Options{Name: "Example"}), language, page))
			})
			t.Run(name+"."+language+".hostile", func(t *testing.T) {
				check(t, elements(t, newPages(t, Options{Name: hostile}), language, fill(page, hostile)))
			})
		}
	}
}

func TestNothingIsInline(t *testing.T) {
	everyPage(t, func(t *testing.T, elements []*html.Node) {
		for _, n := range elements {
			switch n.Data {
			case "script":
				if attr(n, "src") == "" || n.FirstChild != nil {
					t.Errorf("got a script of its own in the page")
				}
			case "style", "base", "iframe", "object", "embed":
				t.Errorf("got <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "srcdoc" {
					t.Errorf("got %s=%q on <%s>", a.Key, a.Val, n.Data)
				}
			}
		}
	})
}

func TestEveryLinkStaysOnTheSite(t *testing.T) {
	everyPage(t, func(t *testing.T, elements []*html.Node) {
		for _, n := range elements {
			for _, name := range []string{"href", "src", "action", "formaction", "data-ceremony", "data-prove"} {
				s := attr(n, name)
				if s == "" {
					continue
				}
				u, err := url.Parse(s)
				if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, `/\`) {
					t.Errorf("got %s=%q on <%s>, want a path on the site", name, s, n.Data)
				}
			}
		}
	})
}

func TestPagesHoldForPeopleWhoCannotSeeThem(t *testing.T) {
	everyPage(t, func(t *testing.T, elements []*html.Node) {
		ids := make(map[string]int)
		labels := make(map[string]bool)
		count := make(map[string]int)
		for _, n := range elements {
			count[n.Data]++
			if id := attr(n, "id"); id != "" {
				ids[id]++
			}
			if n.Data == "label" && text(n) != "" {
				labels[attr(n, "for")] = true
			}
		}
		for id, n := range ids {
			if n > 1 {
				t.Errorf("got id %q %d times", id, n)
			}
		}
		for _, name := range []string{"html", "title", "main", "h1"} {
			if count[name] != 1 {
				t.Errorf("got <%s> %d times, want once", name, count[name])
			}
		}
		for _, n := range elements {
			for _, name := range []string{"aria-describedby", "aria-labelledby", "for"} {
				for _, id := range strings.Fields(attr(n, name)) {
					if ids[id] == 0 {
						t.Errorf("<%s %s=%q>: nothing has that id", n.Data, name, id)
					}
				}
			}
			switch n.Data {
			case "input":
				if attr(n, "type") != "hidden" && !labels[attr(n, "id")] {
					t.Errorf("<input name=%q> has no label", attr(n, "name"))
				}
			case "form":
				if attr(n, "method") != "post" || !strings.HasPrefix(attr(n, "action"), "/doorward/") {
					t.Errorf("got a form to %s %s, want a post to our endpoints", attr(n, "method"), attr(n, "action"))
				}
			case "html":
				if attr(n, "lang") == "" {
					t.Errorf("the page does not say its language")
				}
			case "img":
				if !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "alt" }) {
					t.Errorf("got an image without alt")
				}
			case "button", "a", "summary", "h1", "h2", "h3", "title":
				if text(n) == "" {
					t.Errorf("got <%s> without text", n.Data)
				}
			}
		}
	})
}

// outline is the structure of a page: what values must not change.
func outline(elements []*html.Node) string {
	var b strings.Builder
	for _, n := range elements {
		fmt.Fprint(&b, n.Data)
		for _, a := range n.Attr {
			fmt.Fprint(&b, " ", a.Key)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

func TestHostileValuesStayValues(t *testing.T) {
	for name, page := range samples() {
		t.Run(name, func(t *testing.T) {
			// "x" is no link either, and no problem that is known.
			got := outline(elements(t, newPages(t, Options{Name: hostile}), "en", fill(page, hostile)))
			want := outline(elements(t, newPages(t, Options{Name: "x"}), "en", fill(page, "x")))
			if got != want {
				t.Errorf("got structure\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestHostileValuesAreShownAsTheyAre(t *testing.T) {
	p := newPages(t, Options{Name: hostile})
	page := fill(samples()["account"], hostile)
	var names, values int
	for _, n := range elements(t, p, "en", page) {
		if n.Data == "bdi" && text(n) == hostile {
			names++
		}
		if n.Data == "input" && attr(n, "name") == "name" && attr(n, "value") == hostile {
			values++
		}
	}
	// Name, address and two groups; name and provider of two passkeys; three
	// addresses; client and network of two sessions.
	if names != 15 || values != 2 {
		t.Errorf("got the value %d times as text and %d times in a field, want 15 and 2", names, values)
	}
}
