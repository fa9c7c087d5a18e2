package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var staticFiles embed.FS

// static serves a fixed set of files, each under a path that names its
// content: a new content is a new path, so a copy never gets old.
type static struct {
	paths map[string]string // by name
	files map[string]staticFile
}

type staticFile struct {
	contentType, etag string
	content           []byte
}

// newStatic prepares the files below prefix, in the colors of t.
func newStatic(prefix string, t theme) (*static, error) {
	s := &static{paths: make(map[string]string), files: make(map[string]staticFile)}
	for _, f := range []struct {
		name, contentType string
		paint             func(content string) string
	}{
		{"doorward.css", "text/css; charset=utf-8", func(c string) string { return t.css() + c }},
		{"doorward.js", "text/javascript; charset=utf-8", func(c string) string { return c }},
		{"mark.svg", "image/svg+xml", strings.NewReplacer("#fill", t.light.fill.String(), "#on-fill", t.light.on.String()).Replace},
	} {
		content, err := staticFiles.ReadFile("static/" + f.name)
		if err != nil {
			return nil, fmt.Errorf("reading static files: %w", err)
		}
		painted := []byte(f.paint(string(content)))
		sum := sha256.Sum256(painted)
		hash := hex.EncodeToString(sum[:8])
		ext := path.Ext(f.name)
		at := prefix + strings.TrimSuffix(f.name, ext) + "." + hash + ext
		s.paths[f.name] = at
		s.files[at] = staticFile{f.contentType, `"` + hash + `"`, painted}
	}
	return s, nil
}

// ServeHTTP looks the whole path up among the known ones; no file system is
// asked, so there is nothing to traverse.
func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := s.files[r.URL.Path]
	if !ok {
		w.Header().Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// Static serves the styles, the script and the mark. It expects the whole
// path, Options.Path included, and answers 404 to all but those of
// [Pages.StaticPath].
func (p *Pages) Static() http.Handler { return p.static }

// StaticPath returns where the file name is served: "doorward.css",
// "doorward.js" or "mark.svg". It is empty for any other name.
func (p *Pages) StaticPath(name string) string { return p.static.paths[name] }
