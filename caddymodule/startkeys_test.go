package caddymodule

import (
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/store/storetest"
)

const (
	oldSecret = "the old secret of more than thirty-two bytes"
	newSecret = "the new secret of more than thirty-two bytes"
)

// withSecrets is the configuration of a site at base.
func withSecrets(base string, secrets ...string) string {
	option := ""
	for _, s := range secrets {
		option += fmt.Sprintf(" %q", s)
	}
	if option != "" {
		option = "\n\tdoorward {\n\t\tsecret" + option + "\n\t}\n"
	}
	return "{" + quiet + option + "}\n" + base + " {\n\tdoorward\n\trespond ok\n}\n"
}

func TestWrongSecretIsRefusedAtTheStartAndSaysWhatToDo(t *testing.T) {
	home := dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	if err := load(t, withSecrets(base, oldSecret)); err != nil {
		t.Fatal(err)
	}
	before := running(t)
	token := signIn(t, before, "ann@example.com", base)
	keys := listedKeys(t, before.core.keys)
	err := load(t, withSecrets(base, newSecret))
	if err == nil {
		t.Fatal("it starts with another secret")
	}
	for _, want := range []string{keys[0].ID, "sealed with another secret", "secret {new} {old}"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want %q in it", err, want)
		}
	}
	for _, s := range []string{oldSecret, newSecret} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("a secret is in the error: %v", err)
		}
	}
	if running(t) != before {
		t.Fatal("another configuration runs")
	}
	if got := listedKeys(t, before.core.keys); len(got) != 1 || got[0] != keys[0] {
		t.Errorf("keys %+v, want %+v as before", got, keys)
	}
	if got := send(t, client(t), "GET", base+"/", "", "Authorization", "Bearer "+token); got.status != http.StatusOK {
		t.Errorf("the running configuration answers %d", got.status)
	}
	if _, err := os.Stat(filepath.Join(home, "caddy", "doorward", "secret")); err == nil {
		t.Error("a secret was made beside the one that is configured")
	}
}

func TestSecretIsReplacedInFourSteps(t *testing.T) {
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	token, c := "", client(t)
	for i, secrets := range [][]string{{oldSecret}, {oldSecret, newSecret}, {newSecret, oldSecret}, {newSecret}} {
		if i == 3 {
			// The operator's last step before the old one goes.
			if n, err := running(t).operator().resealKeys(t.Context()); n != 1 || err != nil {
				t.Fatalf("resealing: %d keys, %v, want 1", n, err)
			}
		}
		if err := load(t, withSecrets(base, secrets...)); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		c.CloseIdleConnections()
		if i == 0 || i == 2 { // the session of the last two steps is sealed with the new secret
			token = signIn(t, running(t), "ann@example.com", base)
		}
		if got := send(t, c, "GET", base+"/", "", "Authorization", "Bearer "+token); got.status != http.StatusOK {
			t.Errorf("step %d: status %d: %s", i, got.status, got.body)
		}
	}
	if err := load(t, withSecrets(base, oldSecret)); err == nil {
		t.Error("it starts with the old secret alone")
	}
}

// Beside keys that it cannot open, a new secret would only hide that the old one
// is lost.
func TestLostSecretIsMissedAndNotReplaced(t *testing.T) {
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	if err := load(t, withSecrets(base)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dataDir(), "secret")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := load(t, strings.Replace(withSecrets(base), "respond ok", "respond again", 1)); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("error %v, want one that names %s", err, path)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("another secret was made")
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := load(t, strings.Replace(withSecrets(base), "respond ok", "respond again", 1)); err != nil {
		t.Errorf("with the secret put back: %v", err)
	}
}

// awayBackends are servers that are not there, or do not answer.
func awayBackends(t *testing.T) map[string][2]string { // option, and what the error says
	t.Helper()
	refuses := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	return map[string][2]string{
		"no Redis":             {"store redis://:password-in-url@" + refuses, "opening store"},
		"a silent Redis":       {"store redis://:password-in-url@" + silent.Addr().String(), "opening store"},
		"no PostgreSQL":        {"directory postgres://u:password-in-url@" + refuses + "/d", "opening directory"},
		"a silent PostgreSQL":  {"directory postgres://u:password-in-url@" + silent.Addr().String() + "/d?sslmode=disable", "opening directory"},
		"no sentinels":         {"store redis+sentinel://:password-in-url@" + refuses + "/mymaster", "opening store"},
		"no server of cluster": {"store redis+cluster://:password-in-url@" + refuses, "opening store"},
	}
}

func TestStartSaysWhichBackendIsAwayAndTheOldConfigurationGoesOn(t *testing.T) {
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(option string) string {
		return "{" + quiet + "\n\tdoorward {\n\t\tsecret \"" + oldSecret + "\"\n\t\t" + option + "\n\t}\n}\n" + base + " {\n\tdoorward\n\trespond ok\n}\n"
	}
	if err := load(t, site("store embedded")); err != nil {
		t.Fatal(err)
	}
	before := running(t)
	bearer := "Bearer " + signIn(t, before, "ann@example.com", base)
	c := client(t)
	for name, away := range awayBackends(t) {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			config, err := adapt(site(away[0]))
			if err != nil {
				t.Fatal(err)
			}
			err = reload(config)
			if err == nil || !strings.Contains(err.Error(), away[1]) {
				t.Errorf("error %v, want %q in it", err, away[1])
			}
			if err != nil && strings.Contains(err.Error(), "password-in-url") {
				t.Errorf("the password is in the error: %v", err)
			}
			if took := time.Since(began); took > startTimeout+5*time.Second {
				t.Errorf("it took %v, want %v at most", took, startTimeout)
			}
			if running(t) != before {
				t.Fatal("another configuration runs")
			}
			if got := send(t, c, "GET", base+"/", "", "Authorization", bearer); got.status != http.StatusOK {
				t.Errorf("the running configuration answers %d: %s", got.status, got.body)
			}
		})
	}
	if keys := pooled(); len(keys) != 3 {
		t.Errorf("in the pool: %q, want a store, its streams and a directory", keys)
	}
}

// The first start of a company: nothing is there yet but the servers.
func TestGatewayStartsOnRedisAndPostgres(t *testing.T) {
	dataHome(t)
	redis, postgres := storetest.StartRedis(t), directorytest.StartPostgres(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	err := load(t, "{"+quiet+"\n\tdoorward {\n\t\tsecret \""+oldSecret+"\"\n\t\tstore "+redis.URL()+"\n\t\tdirectory "+postgres.URL()+"\n\t}\n}\n"+base+" {\n\tdoorward\n\trespond ok\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	token := signIn(t, running(t), "ann@example.com", base)
	if got := send(t, client(t), "GET", base+"/", "", "Authorization", "Bearer "+token); got.status != http.StatusOK {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if key, err := running(t).operator().rotateKeys(t.Context(), true); err != nil || len(listedKeys(t, running(t).core.keys)) != 2 {
		t.Errorf("rotating: %+v, %v, want a second key", key, err)
	}
	if _, err := os.Stat(dataDir()); err == nil || !os.IsNotExist(err) {
		entries, _ := fs.Glob(os.DirFS(dataDir()), "*")
		if len(entries) > 0 {
			t.Errorf("left on this machine: %q", entries)
		}
	}
}
