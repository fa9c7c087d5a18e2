package handlers_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/ceremony"
)

func TestStoresThatAreAwayAreFailuresOfOurs(t *testing.T) {
	for _, tt := range []struct {
		name string
		away func(r *rig) error
		asks []string
	}{
		{"store", func(r *rig) error { return r.store.Close() }, []string{
			"POST /passcode/login/initialize", "POST /passcode/login/finalize", "POST /webauthn/login/initialize", "GET /sessions", "POST /logout", "GET /health/ready",
			"POST /user", "POST /users", "POST /emails", "GET /sessions/validate", "POST /sessions/validate", "DELETE /user",
		}},
		{"directory", func(r *rig) error { return r.directory.Close() }, []string{
			"POST /passcode/login/initialize", "GET /webauthn/credentials", "GET /health/ready",
			"POST /user", "POST /users", "GET /users/{id}", "GET /emails", "POST /emails", "POST /emails/{email}/set_primary",
			"DELETE /emails/{email}", "DELETE /user", "POST /webauthn/login/initialize",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{mayDelete: true, accounts: ceremony.AccountOptions{Lookup: true}})
			ann := r.client().signIn("ann@example.com")
			token, ids := ann.cookies[r.cookie.Name], strings.NewReplacer("{id}", meID(t, ann), "{email}", r.email("ann@example.com"))
			must(t, tt.away(r))
			r.advance(time.Minute) // the session has to be checked again
			for _, ask := range tt.asks {
				method, path, _ := strings.Cut(ask, " ")
				body := ""
				switch path {
				case "/passcode/login/initialize", "/user", "/users":
					body = `{"email":"ann@example.com"}`
				case "/emails":
					body = `{"address":"ann@example.org"}`
				case "/sessions/validate":
					body = `{"session_token":"` + token + `"}`
				case "/passcode/login/finalize":
					body = `{"id":"` + uuid.NewString() + `","code":"123456"}`
				}
				a := ann.fetch(method, "/doorward"+ids.Replace(path), body)
				p := r.wantProblem(ask, a, 503, "unavailable")
				if a.header.Get("Retry-After") == "" || p.ID == "" || len(a.header["Set-Cookie"]) != 0 && path != "/passcode/login/initialize" {
					t.Errorf("%s: Retry-After %q, incident %q, cookies %q", ask, a.header.Get("Retry-After"), p.ID, a.header["Set-Cookie"])
				}
			}
			if ann.cookies[r.cookie.Name] == "" {
				t.Error("Ann was signed out")
			}
		})
	}
}

func TestHealthAndKeysAreForEverybody(t *testing.T) {
	r := newRig(t, setup{})
	for path, want := range map[string]string{"/health/alive": `{"alive":true}`, "/health/ready": `{"ready":true}`} {
		if a := r.client().call("GET", "/doorward"+path, ""); a.status != http.StatusOK || a.body != want {
			t.Errorf("%s: %d %s, want 200 %s", path, a.status, a.body, want)
		}
	}
	var set struct{ Keys []map[string]any }
	r.client().call("GET", "/doorward/.well-known/jwks.json", "").decode(t, &set)
	if len(set.Keys) != 1 {
		t.Fatalf("%d keys, want 1", len(set.Keys))
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
		if _, ok := set.Keys[0][private]; ok {
			t.Errorf("the JWKS shows %s", private)
		}
	}
}

// Whatever goes wrong in a handler is an answer, and never a request that goes
// on to the app.
func TestPanicIsAnAnswerOf500AndALineInTheLog(t *testing.T) {
	var p any = "out of luck"
	r := newRig(t, setup{site: func(*http.Request) (ceremony.Site, bool) { panic(p) }})
	incident := r.wantProblem("panic", r.client().do("GET", "/doorward/me", ""), 500, "internal")
	if log := r.log.String(); !strings.Contains(log, "out of luck") || !strings.Contains(log, incident.ID) || incident.ID == "" {
		t.Errorf("the panic and the incident %q are not in the log:\n%s", incident.ID, log)
	}
	r.wantPage("panic before a person", r.client().navigate("/doorward/login"), 500, "Status 500")

	p = http.ErrAbortHandler // means: hang up
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("panic(http.ErrAbortHandler) came out as %v", got)
		}
	}()
	r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", origin+"/doorward/me", nil))
}
