package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/doorward/doorward/session"
)

// callAdmin asks our part of the admin API, as Caddy's admin server does once it
// has let a request in.
func callAdmin(t *testing.T, method, path, body string) (status int, answer string) {
	t.Helper()
	routes := new(adminAPI).Routes()
	if len(routes) != 1 || routes[0].Pattern != "/doorward/" {
		t.Fatalf("routes %+v, want one for /doorward/", routes)
	}
	w := httptest.NewRecorder()
	err := routes[0].Handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if err, ok := err.(caddy.APIError); ok {
		return err.HTTPStatus, err.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: Content-Type %q", method, path, got)
	}
	return w.Code, w.Body.String()
}

func loadLocalhost(t *testing.T) (app *App, base string) {
	t.Helper()
	dataHome(t)
	base = fmt.Sprintf("http://localhost:%d", freePort(t))
	if err := load(t, "{"+quiet+"}\n"+base+" {\n\tdoorward {\n\t\tallow *@example.com\n\t}\n\trespond ok\n}\n"); err != nil {
		t.Fatal(err)
	}
	return running(t), base
}

func TestAdminAPISaysWhatIsWrong(t *testing.T) {
	app, base := loadLocalhost(t)
	signIn(t, app, "ann@example.com", base)
	tests := []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/doorward/users", "", 200},
		{"GET", "/doorward/users?limit=1", "", 200},
		{"GET", "/doorward/users/ann@example.com", "", 200},
		{"GET", "/doorward/users/Ann@Example.COM", "", 200},
		{"GET", "/doorward/users/bob@example.com", "", 404},
		{"GET", "/doorward/users/no-such-id", "", 404},
		{"POST", "/doorward/users", `{"email":"bob@example.com"}`, 200},
		{"POST", "/doorward/users", `{"email":"bob@example.com","groups":["staff"]}`, 200},
		{"POST", "/doorward/users", `{"email":"bob"}`, 400},
		{"POST", "/doorward/users", `{"email":"c@example.com","groups":["a,b"]}`, 400},
		{"POST", "/doorward/users", `{"email":"c@example.com","name":"two\nlines"}`, 400},
		{"POST", "/doorward/users", `{"email":`, 400},
		{"POST", "/doorward/users", ``, 400},
		{"POST", "/doorward/users", `[]`, 400},
		{"PUT", "/doorward/users/bob@example.com/groups", `{"groups":["admins"]}`, 200},
		{"PUT", "/doorward/users/bob@example.com/groups", `{"groups":[" "]}`, 400},
		{"PUT", "/doorward/users/nobody@example.com/groups", `{"groups":[]}`, 404},
		{"POST", "/doorward/users/bob@example.com/disable", "", 200},
		{"POST", "/doorward/users/bob@example.com/enable", "", 200},
		{"POST", "/doorward/users/nobody@example.com/disable", "", 404},
		{"GET", "/doorward/users/ann@example.com/sessions", "", 200},
		{"DELETE", "/doorward/users/ann@example.com/sessions/no-such-session", "", 404},
		{"DELETE", "/doorward/users/ann@example.com/sessions", "", 200},
		{"DELETE", "/doorward/users/nobody@example.com/sessions", "", 404},
		{"DELETE", "/doorward/users/bob@example.com", "", 200},
		{"DELETE", "/doorward/users/bob@example.com", "", 404},
		{"GET", "/doorward/keys", "", 200},
		{"POST", "/doorward/keys/rotate", "", 200},
		{"POST", "/doorward/keys/rotate", `{"now":true}`, 200},
		{"POST", "/doorward/keys/rotate", `{"now":`, 400},
		{"POST", "/doorward/keys/rotate", `{"now":"yes"}`, 400},
		{"POST", "/doorward/keys/reseal", "", 200},
		{"DELETE", "/doorward/keys", "", 404},
		{"GET", "/doorward/keys/rotate", "", 404},
		{"GET", "/doorward/", "", 404},
		{"GET", "/doorward/nothing", "", 404},
		{"PATCH", "/doorward/users", "", 404},
		{"DELETE", "/doorward/users", "", 404},
	}
	for _, tt := range tests {
		got, answer := callAdmin(t, tt.method, tt.path, tt.body)
		if got != tt.want {
			t.Errorf("%s %s %s: status %d, want %d: %s", tt.method, tt.path, tt.body, got, tt.want, answer)
		}
		var said adminError
		if json.Unmarshal([]byte(answer), &said) == nil && (said.Error != "") != (tt.want != 200) {
			t.Errorf("%s %s %s: %s", tt.method, tt.path, tt.body, answer)
		}
	}
}

func TestAdminAPIEndsASessionOfTheUserItNames(t *testing.T) {
	app, base := loadLocalhost(t)
	ann, bob := signIn(t, app, "ann@example.com", base), signIn(t, app, "bob@example.com", base)
	c := client(t)
	passes := func(token string) bool {
		return send(t, c, "GET", base+"/", "", "Authorization", "Bearer "+token).status == http.StatusOK
	}
	if !passes(ann) || !passes(bob) {
		t.Fatal("nobody passes")
	}
	_, listed := callAdmin(t, "GET", "/doorward/users/ann@example.com/sessions", "")
	var sessions []adminSession
	if err := json.Unmarshal([]byte(listed), &sessions); err != nil || len(sessions) != 1 || sessions[0].Site != base {
		t.Fatalf("sessions: %v, %s", err, listed)
	}
	// Under another user's name it is not found, and goes on.
	if status, _ := callAdmin(t, "DELETE", "/doorward/users/bob@example.com/sessions/"+sessions[0].ID, ""); status != 404 {
		t.Errorf("ending ann's session as bob's: status %d, want 404", status)
	}
	if !passes(ann) {
		t.Fatal("ann's session ended under bob's name")
	}
	if status, answer := callAdmin(t, "DELETE", "/doorward/users/ann@example.com/sessions/"+sessions[0].ID, ""); status != 200 {
		t.Errorf("ending ann's session: status %d: %s", status, answer)
	}
	if passes(ann) {
		t.Error("ann's session has not ended")
	}
	if status, answer := callAdmin(t, "POST", "/doorward/users/bob@example.com/disable", ""); status != 200 {
		t.Errorf("disabling bob: status %d: %s", status, answer)
	}
	if passes(bob) {
		t.Error("bob is disabled, and passes")
	}
}

// T141: what is answered without a running door must not look like an answer.
func TestAdminAPIWithoutADoorSaysSo(t *testing.T) {
	dataHome(t)
	if err := load(t, "{"+quiet+"}\n"); err != nil {
		t.Fatal(err)
	}
	status, answer := callAdmin(t, "GET", "/doorward/users", "")
	if status != 404 || !strings.Contains(answer, "no doorward") {
		t.Errorf("status %d: %s", status, answer)
	}
}

// The admin API shows the configuration to whoever may change it: placeholders
// are in there, and not what they stand for.
func TestConfigurationThatRunsHoldsNoSecret(t *testing.T) {
	dataHome(t)
	const secret = "a secret of more than thirty-two bytes"
	t.Setenv("DOORWARD_SECRET", secret)
	admin := fmt.Sprintf("localhost:%d", freePort(t))
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	err := load(t, "{\n\tadmin "+admin+"\n\tpersist_config off\n\tlog {\n\t\toutput discard\n\t}\n\tdoorward {\n\t\tsecret {env.DOORWARD_SECRET}\n\t}\n}\n"+base+" {\n\tdoorward\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	got := send(t, client(t), "GET", "http://"+admin+"/config/", "")
	if got.status != 200 || !strings.Contains(got.body, "{env.DOORWARD_SECRET}") {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	if strings.Contains(got.body, secret) {
		t.Error("the secret is in the configuration that the admin API shows")
	}
	// Our routes are behind the same check of Host and Origin as Caddy's.
	if got := send(t, client(t), "GET", "http://"+admin+"/doorward/users", "", "Host", "evil.test"); got.status != http.StatusForbidden {
		t.Errorf("under another host: status %d, want 403", got.status)
	}
	if got := send(t, client(t), "GET", "http://"+admin+"/doorward/users", "", "Origin", "http://evil.test"); got.status != http.StatusForbidden {
		t.Errorf("from another origin: status %d, want 403", got.status)
	}
	if got := send(t, client(t), "GET", "http://"+admin+"/doorward/users", ""); got.status != http.StatusOK {
		t.Errorf("status %d, want 200", got.status)
	}
}

func TestAdminAPIListsUsersInPages(t *testing.T) {
	loadLocalhost(t)
	for i := range 5 {
		if status, answer := callAdmin(t, "POST", "/doorward/users", fmt.Sprintf(`{"email":"user%d@example.com"}`, i)); status != 200 {
			t.Fatal(answer)
		}
	}
	var all []string
	for after := ""; ; {
		_, answer := callAdmin(t, "GET", "/doorward/users?limit=2&after="+url.QueryEscape(after), "")
		var page []adminUser
		if err := json.Unmarshal([]byte(answer), &page); err != nil || len(page) > 2 {
			t.Fatalf("%v: %s", err, answer)
		}
		if len(page) == 0 {
			break
		}
		for _, u := range page {
			all = append(all, u.Email)
		}
		after = page[len(page)-1].ID
	}
	slices.Sort(all)
	if got, want := strings.Join(all, " "), "user0@example.com user1@example.com user2@example.com user3@example.com user4@example.com"; got != want {
		t.Errorf("the pages have %s, want %s", got, want)
	}
}

func TestAdminAPIRotatesAndRecordsIt(t *testing.T) {
	app, _ := loadLocalhost(t)
	var keys [3]adminKey
	for i, body := range []string{"", "", `{"now":true}`} {
		_, answer := callAdmin(t, "POST", "/doorward/keys/rotate", body)
		if err := json.Unmarshal([]byte(answer), &keys[i]); err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
	}
	if keys[0].State != session.KeyNext || keys[1] != keys[0] || keys[2].State != session.KeySigning || keys[2].ID == keys[0].ID {
		t.Errorf("keys %+v, want one that waits, the same, and another that signs", keys)
	}
	_, answer := callAdmin(t, "GET", "/doorward/keys", "")
	var list []adminKey
	if err := json.Unmarshal([]byte(answer), &list); err != nil || len(list) != 2 {
		t.Fatalf("%v: %s, want two keys", err, answer)
	}
	if list[0].State != session.KeyVerifying || list[0].RetiresAt.IsZero() || list[1] != keys[2] {
		t.Errorf("keys %+v, want the first to verify until it goes, and %+v", list, keys[2])
	}
	if _, answer := callAdmin(t, "POST", "/doorward/keys/reseal", ""); !strings.HasPrefix(answer, `{"resealed":0,"old_secret_needed_until":"20`) {
		t.Errorf("resealing: %s, want none, and when an old secret could go", answer)
	}
	events, err := app.directory.Events(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, e.Type+" "+e.Detail+" "+e.Client)
	}
	want := []string{"keys_resealed 0 operator", "keys_rotated_at_once " + keys[2].ID + " operator",
		"keys_rotated " + keys[0].ID + " operator", "keys_rotated " + keys[0].ID + " operator"}
	if !slices.Equal(got, want) {
		t.Errorf("audit records %q, want %q", got, want)
	}
	// Neither half of a key is an operator's business.
	for _, secret := range []string{"sealed", "public", "\"d\"", "\"x\""} {
		if strings.Contains(strings.ToLower(answer), secret) {
			t.Errorf("%s is in the answer: %s", secret, answer)
		}
	}
}
