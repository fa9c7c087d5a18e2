package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/doorward/doorward/mail/mailtest"
)

func TestReloadKeepsCeremoniesAndCounters(t *testing.T) {
	dataHome(t)
	box, port, c := mailtest.Start(t, mailtest.Options{}), freePort(t), client(t)
	base := fmt.Sprintf("http://localhost:%d", port)
	site := func(text string) string {
		return `{` + quiet + `
	doorward {
		mail ` + box.URL() + ` {
			from door@example.com
		}
	}
}
` + base + ` {
	doorward {
		allow *@example.com
	}
	respond "` + text + `"
}
`
	}
	if err := load(t, site("before")); err != nil {
		t.Fatal(err)
	}
	before := running(t)
	annCeremony := initialize(t, c, base, "ann@example.com")
	annPasscode := next(t, box).Passcode()
	bobCeremony := initialize(t, c, base, "bob@example.com")
	bobPasscode := next(t, box).Passcode()
	for range 2 {
		if got := finalize(t, c, base, bobCeremony, wrong(bobPasscode)).status; got != http.StatusUnauthorized {
			t.Fatalf("a wrong passcode: status %d, want 401", got)
		}
	}

	if err := load(t, site("after")); err != nil {
		t.Fatal(err)
	}
	c.CloseIdleConnections() // the old server has closed them
	after := running(t)
	if after == before {
		t.Fatal("the configuration was not reloaded")
	}
	if after.store != before.store || after.directory != before.directory || after.outbox != before.outbox {
		t.Error("the reload opened new connections")
	}
	for _, key := range []string{"store", "directory"} {
		path, _ := embeddedPath("", key+".db")
		if got := references(poolKey{key, path}); got != 1 {
			t.Errorf("%d configurations hold the %s, want 1", got, key)
		}
	}
	in := finalize(t, c, base, annCeremony, annPasscode)
	if in.status != http.StatusOK {
		t.Fatalf("a ceremony that was begun before the reload: status %d, want 200: %s", in.status, in.body)
	}
	cookie, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
	if got := send(t, c, "GET", base+"/", "", "Cookie", cookie); got.body != "after" {
		t.Errorf("signed in: status %d and %q, want the site", got.status, got.body)
	}
	if got := finalize(t, c, base, bobCeremony, wrong(bobPasscode)).status; got != http.StatusGone {
		t.Errorf("the third wrong passcode, after the reload: status %d, want 410", got)
	}
	if got := finalize(t, c, base, bobCeremony, bobPasscode).status; got == http.StatusOK {
		t.Error("the reload gave a guesser another three attempts")
	}
}

func TestReloadToAnotherStoreClosesTheOld(t *testing.T) {
	home := dataHome(t)
	port := freePort(t)
	site := func(file string) string {
		return fmt.Sprintf("{%s\n\tdoorward {\n\t\tstore embedded:%s\n\t}\n}\nhttp://localhost:%d {\n\tdoorward\n}\n", quiet, filepath.Join(home, file), port)
	}
	if err := load(t, site("one.db")); err != nil {
		t.Fatal(err)
	}
	one := running(t).store
	if err := load(t, site("two.db")); err != nil {
		t.Fatal(err)
	}
	if one == running(t).store {
		t.Error("the new configuration uses the old store")
	}
	if err := one.Ping(t.Context()); err == nil {
		t.Error("the old store is still open")
	}
	if n := references(poolKey{"store", filepath.Join(home, "one.db")}); n != 0 {
		t.Errorf("%d configurations hold the old store", n)
	}
}

// One path in two spellings would be two stores, that do not hear each other.
func TestOneFileIsOneStore(t *testing.T) {
	home := dataHome(t)
	t.Chdir(home)
	config := func(where string) []byte {
		return []byte(`{"apps":{"doorward":{"store":{"url":"embedded:` + where + `"}}}}`)
	}
	a := provision(t, config("./x/../store.db"))
	b := provision(t, config(filepath.Join(home, "store.db")))
	if a.store != b.store {
		t.Error("two spellings of one path are two stores")
	}
}

// The sequel of a failed start is the configuration before it, whole.
func TestFailedStartLeavesTheRunningConfigurationAlone(t *testing.T) {
	home := dataHome(t)
	port, c := freePort(t), client(t)
	base := fmt.Sprintf("http://localhost:%d", port)
	site := func(store string) string {
		return "{" + quiet + "\n\tdoorward {\n\t\tstore " + store + "\n\t}\n}\n" + base + " {\n\tdoorward\n\trespond ok\n}\n"
	}
	if err := load(t, site("embedded")); err != nil {
		t.Fatal(err)
	}
	before := running(t)
	token := signIn(t, before, "ann@example.com", base)
	if err := os.WriteFile(filepath.Join(home, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	impossible := filepath.Join(home, "file", "store.db")
	began := time.Now()
	if err := load(t, site("embedded:"+impossible)); err == nil || !strings.Contains(err.Error(), "opening store") {
		t.Fatalf("loading a store that cannot be opened: %v", err)
	}
	if took := time.Since(began); took > startTimeout/2 {
		t.Errorf("it took %v to find out", took)
	}
	if got := references(poolKey{"store", impossible}); got != 0 {
		t.Errorf("%d references to the store that failed", got)
	}
	directory, _ := embeddedPath("", "directory.db")
	if got := references(poolKey{"directory", directory}); got != 1 {
		t.Errorf("%d references to the directory, want the running configuration's", got)
	}
	if running(t) != before {
		t.Fatal("another configuration runs")
	}
	if got := send(t, c, "GET", base+"/", "", "Authorization", "Bearer "+token); got.status != http.StatusOK {
		t.Errorf("the running configuration answers %d: %s", got.status, got.body)
	}
}

// Caddy stops the apps in no order, while requests may still be served.
func TestRequestsOutlastStop(t *testing.T) {
	dataHome(t)
	app := provisionCaddyfile(t, "{\n\tdoorward {\n\t\tsession {\n\t\t\tcheck_interval 100ms\n\t\t}\n\t}\n}\nhttp://localhost {\n\tdoorward\n}\n")
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	token := signIn(t, app, "ann@example.com", "http://localhost")
	if err := app.Stop(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	passed := false
	err := app.doors[0].ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		passed = true
		return nil
	}))
	if err != nil || !passed {
		t.Errorf("after Stop, before Cleanup: passed %v, error %v", passed, err)
	}
}

func TestRequestInFlightSurvivesAReload(t *testing.T) {
	dataHome(t)
	arrived, released := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-released
		_, _ = io.WriteString(w, r.Header.Get("Remote-User"))
	}))
	t.Cleanup(app.Close)
	t.Cleanup(release)
	c := client(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(text string) string {
		return "{" + quiet + "}\n" + base + " {\n\tdoorward\n\trespond /new " + text + "\n\treverse_proxy " + app.Listener.Addr().String() + "\n}\n"
	}
	if err := load(t, site("no")); err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + signIn(t, running(t), "ann@example.com", base)
	type result struct {
		answer
		err error
	}
	slow := make(chan result, 1)
	go func() {
		got, err := fetch(c, "GET", base+"/", "", "Authorization", bearer)
		slow <- result{got, err}
	}()
	<-arrived
	reloaded := make(chan error, 1)
	go func() { reloaded <- load(t, site("yes")) }()
	for deadline := time.Now().Add(20 * time.Second); ; {
		// Caddy has a TCP listener for each configuration: what waits at the old
		// one when that is closed is reset.
		got, err := fetch(client(t), "GET", base+"/new", "", "Authorization", bearer)
		if err == nil && got.body == "yes" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new configuration does not answer: %v", err)
		}
	}
	release()
	if got := <-slow; got.err != nil || got.status != http.StatusOK || got.body != "ann@example.com" {
		t.Errorf("the request that was in flight: status %d and %q, error %v", got.status, got.body, got.err)
	}
	if err := <-reloaded; err != nil {
		t.Error(err)
	}
}

// The mail queue outlives the configuration that made it, whose log is closed.
func TestLettersFollowTheLogOfTheRunningConfiguration(t *testing.T) {
	home := dataHome(t)
	c := client(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(log string) string {
		return "{\n\tadmin off\n\tpersist_config off\n\tlog {\n\t\toutput file " + filepath.Join(home, log) + "\n\t}\n\tdoorward {\n\t\tmail log\n\t}\n}\n" +
			base + " {\n\tdoorward {\n\t\tallow *@example.com\n\t}\n}\n"
	}
	for _, log := range []string{"one", "two"} {
		if err := load(t, site(log)); err != nil {
			t.Fatal(err)
		}
		c.CloseIdleConnections() // to the server before
		address := log + "@example.com"
		initialize(t, c, base, address)
		deadline := time.Now().Add(20 * time.Second)
		for {
			content, err := os.ReadFile(filepath.Join(home, log))
			if err == nil && bytes.Contains(content, []byte(`"to":"`+address)) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the letter to %s is not in its log: %v\n%s", address, err, content)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}
