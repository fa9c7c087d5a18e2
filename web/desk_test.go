package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// A desk answers where Doorward's endpoints would, and notes what arrived. It
// checks no signature: whether passkeys are verified is for other packages to
// test, here it matters what the browser is asked and what it sends.
type desk struct {
	*httptest.Server
	pages *Pages

	mu          sync.Mutex
	shown       Page            // at /show
	initialized int             // challenges given
	credentials map[string]bool // the passkeys finalized, by base64url ID
	finalized   []finalized
	forms       []url.Values
	hold        chan struct{}                               // unless nil, forms are answered when a page has fetched /answer
	refuse      func(path string) (status int, slug string) // zero status: go on
}

type finalized struct {
	ID, RawID, Type string
	Response        struct {
		ClientDataJSON, AttestationObject, AuthenticatorData, Signature, UserHandle string
	}
}

func newDesk(t *testing.T) *desk {
	d := &desk{
		pages:       newPages(t, Options{Name: "Example"}),
		credentials: make(map[string]bool),
		refuse:      func(string) (int, string) { return 0, "" },
	}
	mux := http.NewServeMux()
	mux.Handle("GET /doorward/static/", d.pages.Static())
	mux.HandleFunc("GET /show", func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		w.Header().Set("Content-Security-Policy", d.pages.CSP())
		if err := d.pages.Render(w, "en", http.StatusOK, d.shown); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /doorward/webauthn/{ceremony}/{step}", d.webauthn)
	mux.HandleFunc("GET /answer", func(http.ResponseWriter, *http.Request) { close(d.hold) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			d.mu.Lock()
			d.forms = append(d.forms, r.PostForm)
			hold := d.hold
			d.mu.Unlock()
			if hold != nil {
				select {
				case <-hold:
				case <-r.Context().Done():
				}
			}
		}
		fmt.Fprint(w, "the app")
	})
	d.Server = httptest.NewServer(mux)
	t.Cleanup(d.Close)
	return d
}

// at is the address of path. WebAuthn wants a name, not a number.
func (d *desk) at(path string) string {
	return strings.Replace(d.URL, "127.0.0.1", "localhost", 1) + path
}

func (d *desk) webauthn(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if status, slug := d.refuse(r.URL.Path); status != 0 {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"code": %d, "type": "https://doorward.example/problems#%s", "message": "not for people"}`, status, slug)
		return
	}
	switch step := r.PathValue("step"); {
	case r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Origin") != d.at(""):
		http.Error(w, "want JSON from the same origin", http.StatusForbidden)
	case step == "initialize":
		d.initialized++
		options := map[string]any{"challenge": base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "challenge %d", d.initialized)), "timeout": 300_000}
		if r.PathValue("ceremony") == "registration" {
			options["rp"] = map[string]any{"id": "localhost", "name": "Example"}
			options["user"] = map[string]any{"id": "dXNlcjE", "name": "ann@example.com", "displayName": "Ann"}
			options["pubKeyCredParams"] = []any{map[string]any{"type": "public-key", "alg": -7}}
			options["authenticatorSelection"] = map[string]any{"residentKey": "required", "userVerification": "required"}
			exclude := []any{} // the browser takes no null
			for id := range d.credentials {
				exclude = append(exclude, map[string]any{"type": "public-key", "id": id})
			}
			options["excludeCredentials"] = exclude
		} else {
			options["rpId"] = "localhost"
		}
		json.NewEncoder(w).Encode(map[string]any{"publicKey": options})
	default:
		var f finalized
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d.finalized = append(d.finalized, f)
		d.credentials[f.ID] = true
		fmt.Fprint(w, `{}`)
	}
}
