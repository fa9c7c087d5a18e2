package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever an operator asks of the admin API, the answer is JSON, and what cannot be
// done is not said to be our failure; no answer has a key or a token in it.
func FuzzAdminAPI(f *testing.F) {
	dataHome(f)
	if err := load(f, fmt.Sprintf("{%s}\nhttp://localhost:%d {\n\tdoorward\n}\n", quiet, freePort(f))); err != nil {
		f.Fatal(err)
	}
	a := running(f)
	token := signIn(f, a, "ann@example.com", "http://localhost")
	handler := new(adminAPI).Routes()[0].Handler
	requests := []struct{ method, path string }{
		{"GET", "/doorward/users"}, {"POST", "/doorward/users"}, {"GET", "/doorward/users/WHO"}, {"POST", "/doorward/users/WHO/disable"}, {"POST", "/doorward/users/WHO/enable"},
		{"POST", "/doorward/users/WHO/unlock"}, {"PUT", "/doorward/users/WHO/groups"}, {"GET", "/doorward/users/WHO/sessions"}, {"DELETE", "/doorward/users/WHO/sessions/WHO"},
		{"GET", "/doorward/keys"}, {"POST", "/doorward/import"}, {"GET", "/doorward/WHO"},
	}
	for i := range requests {
		f.Add(uint8(i), "ann@example.com", "", "{}")
		f.Add(uint8(i), "nobody@example.com", "limit=-1&after=x&limit=%00", `{"email":"x@example.com","name":"\u0000","groups":["a,b"]}`)
		f.Add(uint8(i), "../keys\x00%", "limit=99999999999999999999", `{"groups":null}{"header":{}}`)
		f.Add(uint8(i), "", "&=;", "[]")
	}
	f.Fuzz(func(t *testing.T, which uint8, who, query, body string) {
		if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || !json.Valid([]byte(`"`+strings.ToValidUTF8(query, "")+`"`)) {
			return
		}
		to := requests[int(which)%len(requests)]
		r := httptest.NewRequest(to.method, "http://localhost/", strings.NewReader(body))
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = strings.ReplaceAll(to.path, "WHO", who), strings.ReplaceAll(to.path, "WHO", url.PathEscape(who)), query
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if err := handler.ServeHTTP(w, r); err != nil {
			if !strings.Contains(err.Error(), "no such endpoint") {
				t.Errorf("%s %s: %v", to.method, r.URL, err)
			}
			return
		}
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s %q: %d %s", to.method, r.URL, body, w.Code, w.Body)
		}
		if w.Code < 300 && !json.Valid(w.Body.Bytes()) && !strings.HasSuffix(to.path, "import") {
			t.Errorf("%s %s %q: %d %q, want JSON", to.method, r.URL, body, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), token) || strings.Contains(w.Body.String(), `"sealed"`) {
			t.Errorf("%s %s: the answer has a secret: %s", to.method, r.URL, w.Body)
		}
	})
}
