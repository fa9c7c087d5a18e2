package web

import (
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func get(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = target // as it is: NewRequest would refuse some of them
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestStaticFilesCanBeKeptForever(t *testing.T) {
	p := newPages(t, Options{Path: "/auth/door"})
	for name, contentType := range map[string]string{
		"doorward.css": "text/css; charset=utf-8",
		"doorward.js":  "text/javascript; charset=utf-8",
		"mark.svg":     "image/svg+xml",
	} {
		at := p.StaticPath(name)
		ext := path.Ext(name)
		if want := regexp.MustCompile(`^/auth/door/static/` + strings.TrimSuffix(name, ext) + `\.[0-9a-f]{16}\` + ext + `$`); !want.MatchString(at) {
			t.Errorf("got path %q, want one like %s", at, want)
		}
		w := get(p.Static(), http.MethodGet, at)
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: got status %d and %d bytes, want %d and some", at, w.Code, w.Body.Len(), http.StatusOK)
		}
		for header, want := range map[string]string{
			"Content-Type":           contentType,
			"Cache-Control":          "public, max-age=31536000, immutable",
			"X-Content-Type-Options": "nosniff",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: got %s %q, want %q", at, header, got, want)
			}
		}
		again := get(p.Static(), http.MethodGet, at, "If-None-Match", w.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: asked again, got status %d and %d bytes, want %d and none", at, again.Code, again.Body.Len(), http.StatusNotModified)
		}
		if head := get(p.Static(), http.MethodHead, at); head.Code != http.StatusOK || head.Body.Len() != 0 {
			t.Errorf("HEAD %s: got status %d and %d bytes, want %d and none", at, head.Code, head.Body.Len(), http.StatusOK)
		}
		if post := get(p.Static(), http.MethodPost, at); post.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: got status %d, want %d", at, post.Code, http.StatusMethodNotAllowed)
		}
	}
	if got := p.StaticPath("en.json"); got != "" {
		t.Errorf("got path %q for a file that is not static, want none", got)
	}
}

func TestNothingElseIsServed(t *testing.T) {
	p := newPages(t, Options{})
	css := p.StaticPath("doorward.css")
	for _, target := range []string{
		"",
		"/",
		"/doorward/static",
		"/doorward/static/",
		"/doorward/static/doorward.css", // a path without hash would be kept forever
		"/doorward/static/doorward.0123456789abcdef.css",
		css + "/",
		css + "\x00",
		strings.ToUpper(css),
		"/doorward/static/../static/" + path.Base(css),
		"/doorward/static/..%2f..%2f..%2fetc/passwd",
		"/doorward/static/../../../../etc/passwd",
		`/doorward/static/..\..\web.go`,
		"/static/" + path.Base(css),
		path.Base(css),
	} {
		w := get(p.Static(), http.MethodGet, target)
		if w.Code != http.StatusNotFound {
			t.Errorf("%q: got status %d, want %d", target, w.Code, http.StatusNotFound)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%q: got Cache-Control %q, want no-store", target, got)
		}
	}
}

func TestTheAccentChangesThePathOfWhatItPaints(t *testing.T) {
	blue, red := newPages(t, Options{}), newPages(t, Options{Accent: "#C02020"})
	for _, name := range []string{"doorward.css", "mark.svg"} {
		if blue.StaticPath(name) == red.StaticPath(name) {
			t.Errorf("got path %q in both colors, want two", blue.StaticPath(name))
		}
		if body := get(red.Static(), http.MethodGet, red.StaticPath(name)).Body.String(); !strings.Contains(body, "#c02020") {
			t.Errorf("%s: the accent is not in it", name)
		}
	}
	if blue.StaticPath("doorward.js") != red.StaticPath("doorward.js") {
		t.Errorf("got two paths of the script, want one")
	}
}
