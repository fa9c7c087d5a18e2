//go:build unix

package caddymodule

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory/directorytest"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// documentedRights returns what the documentation says that an ACL user has to be
// allowed, for another prefix.
func documentedRights(t *testing.T, prefix string) []string {
	t.Helper()
	_, after, ok := strings.Cut(read(t, "../README.md"), "\nACL SETUSER doorward on >password ")
	line, _, _ := strings.Cut(after, "\n")
	if !ok || !strings.Contains(line, "-@all") {
		t.Fatalf("the rights in the documentation are %q", line)
	}
	return strings.Fields(strings.ReplaceAll(line, "doorward:", prefix))
}

// A whole gateway on servers as a company runs them: Redis that wants TLS, a
// client certificate, a user with no more rights than necessary, and keys of its
// own; PostgreSQL with a password that no URL could hold as it is.
func TestGatewayOnRedisOverTLSAndPostgreSQL(t *testing.T) {
	home := dataHome(t)
	redis, postgres := storetest.StartRedisTLS(t), directorytest.StartPostgres(t)
	const password = `p@ss/w:rd?#%{1}`
	redis.Must(append([]string{"ACL", "SETUSER", "doorward", "on", ">" + password}, documentedRights(t, "door:")...)...)
	database, err := url.Parse(postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	databasePassword, _ := database.User.Password()
	database.User = url.User(database.User.Username())
	t.Setenv("DOORWARD_SECRET", strings.Repeat("secret", 6))
	t.Setenv("REDIS_PASSWORD", password)
	t.Setenv("POSTGRES_PASSWORD", databasePassword)
	certificates := redis.Certificates()

	c := client(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(timeout, text string) string {
		return `{` + quiet + `
	doorward {
		secret {env.DOORWARD_SECRET}
		store rediss://doorward@` + redis.Addr + ` {
			password {env.REDIS_PASSWORD}
			prefix door:
			tls {
				ca ` + certificates.CAFile + `
				certificate ` + certificates.CertFile + ` ` + certificates.KeyFile + `
			}
			pool_size 4
			timeout ` + timeout + `
		}
		directory ` + database.String() + ` {
			password {env.POSTGRES_PASSWORD}
			max_connections 3
		}
		session {
			check_interval 100ms
		}
	}
}
` + base + ` {
	doorward
	respond ` + text + `
}
`
	}
	if err := load(t, site("2s", "before")); err != nil {
		t.Fatal(err)
	}
	before := running(t)
	bearer := "Bearer " + signIn(t, before, "ann@example.com", base)
	get := func() answer { t.Helper(); return send(t, c, "GET", base+"/", "", "Authorization", bearer) }
	if got := get(); got.status != http.StatusOK || got.body != "before" {
		t.Fatalf("signed in: status %d and %q, want the site", got.status, got.body)
	}

	keys, _ := redis.Must("KEYS", "*").([]any)
	for _, key := range keys {
		if name, _ := key.(string); !strings.HasPrefix(name, "door:") {
			t.Errorf("the key %q does not begin with the prefix", key)
		}
	}
	if len(keys) == 0 {
		t.Error("nothing is in Redis")
	}
	if got := postgres.Query("SELECT count(*) FROM users"); len(got) != 1 || got[0] != "1" {
		t.Errorf("PostgreSQL has %v users, want 1", got)
	}
	if files := tree(t, filepath.Join(home, "caddy", "doorward")); len(files) > 0 {
		t.Errorf("on this machine: %q, want nothing", files)
	}

	// The old server may still answer for a moment.
	serves := func(text string) {
		t.Helper()
		testbed.Eventually(t, 10*time.Second, "the site "+text+" after a reload", func() bool {
			c.CloseIdleConnections()
			got := get()
			return got.status == http.StatusOK && got.body == text
		})
	}

	// A reload that changes nothing of the backends keeps their connections.
	if err := load(t, site("2s", "same")); err != nil {
		t.Fatal(err)
	}
	if running(t).store != before.store || running(t).directory != before.directory {
		t.Error("the reload opened new connections")
	}
	serves("same")

	// One that changes a time-out has its own, and what was kept is there.
	if err := load(t, site("3s", "other")); err != nil {
		t.Fatal(err)
	}
	if running(t).store == before.store || running(t).directory != before.directory {
		t.Error("with another time-out of the store: the store is the same, or the directory another one")
	}
	if err := before.store.Ping(t.Context()); err == nil {
		t.Error("the connections before the reload are still open")
	}
	serves("other")

	// The client certificate is read at each handshake: one that the server does
	// not trust shuts the door, and the right one opens it, without a reload.
	certificate, key := read(t, certificates.CertFile), read(t, certificates.KeyFile)
	wrong, wrongKey := writeCertificate(t, t.TempDir(), "wrong")
	replace := func(certificate, key string) {
		write(t, certificates.CertFile, certificate)
		write(t, certificates.KeyFile, key)
		redis.Must("CLIENT", "KILL", "USER", "doorward")
	}
	replace(read(t, wrong), read(t, wrongKey))
	awaitStatus(t, get, http.StatusServiceUnavailable)
	replace(certificate, key)
	awaitStatus(t, get, http.StatusOK)
}

// awaitStatus asks until the answers go on having a status: each connection that
// was cut may fail one request, whatever comes after.
func awaitStatus(t *testing.T, get func() answer, want int) {
	t.Helper()
	var got answer
	inARow := 0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = get(); got.status != want {
			inARow = 0
		} else if inARow++; inARow == 20 {
			return
		}
	}
	t.Fatalf("the answer is %d and %q, want %d", got.status, got.body, want)
}

func TestGatewayDoesNotStartWithoutTheRightCredentials(t *testing.T) {
	dataHome(t)
	redis := storetest.StartRedisTLS(t, "--requirepass", "right-right-right")
	postgres := directorytest.StartPostgres(t)
	database, err := url.Parse(postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	const password = "hunter2hunter2"
	database.User = url.UserPassword(database.User.Username(), password)
	certificates := redis.Certificates()
	wrong, wrongKey := writeCertificate(t, t.TempDir(), "wrong")
	tls := func(ca, certificate string) string {
		return " {\n\t\t\ttls {\n\t\t\t\tca " + ca + "\n\t\t\t\t" + certificate + "\n\t\t\t}\n\t\t}"
	}
	certificate := "certificate " + certificates.CertFile + " " + certificates.KeyFile
	for _, tt := range []struct{ name, options, want string }{
		{"another password of Redis", "store rediss://:" + password + "@" + redis.Addr + tls(certificates.CAFile, certificate), "WRONGPASS"},
		{"no certificate for Redis", "store rediss://:right-right-right@" + redis.Addr + tls(certificates.CAFile, ""), "certificate"},
		{"a certificate that Redis does not trust", "store rediss://:right-right-right@" + redis.Addr + tls(certificates.CAFile, "certificate "+wrong+" "+wrongKey), ""},
		{"a Redis that we do not trust", "store rediss://:right-right-right@" + redis.Addr + tls(wrong, certificate), "certificate"},
		{"a Redis of another name", "store rediss://:right-right-right@" + redis.Addr + tls(certificates.CAFile, certificate+"\n\t\t\t\tserver_name redis.internal"), "redis.internal"},
		{"no TLS", "store redis://:right-right-right@" + redis.Addr, ""},
		{"another password of PostgreSQL", "directory " + database.String(), "password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := load(t, "{"+quiet+"\n\tdoorward {\n\t\tsecret "+strings.Repeat("x", 32)+"\n\t\t"+tt.options+"\n\t}\n}\nhttp://localhost:"+fmt.Sprint(freePort(t))+" {\n\tdoorward\n}\n")
			switch {
			case err == nil:
				t.Error("it starts")
			case !strings.Contains(err.Error(), tt.want):
				t.Errorf("load: %v, want %q", err, tt.want)
			case strings.Contains(err.Error(), password), strings.Contains(err.Error(), "right-right-right"):
				t.Errorf("the error has the password in it: %v", err)
			}
			if keys := pooled(); len(keys) > 0 {
				t.Errorf("left in the pool: %q", keys)
			}
		})
	}
}
