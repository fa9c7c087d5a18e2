package caddymodule

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What cannot work, or would not be safe, is refused before anything starts, and
// with a way out.
func TestValidateRefusesWhatCannotWork(t *testing.T) {
	const site = "app.example.com {\n\tdoorward\n}\n"
	global := func(body string) string { return "{\n\tdoorward {\n" + body + "\n\t}\n}\n" }
	shared := func(body string) string { return global("secret "+strings.Repeat("x", 32)+"\n"+body) + site }
	t.Setenv("DOORWARD_TEST_PLACE", "memcached://localhost")
	t.Setenv("DOORWARD_TEST_EMBEDDED", "embedded")
	t.Setenv("DOORWARD_TEST_REDIS", "redis://localhost")
	t.Setenv("DOORWARD_TEST_HOST", "localhost:6379")
	tests := []struct {
		name, caddyfile string
		want            []string
	}{
		{"plain http", "http://app.example.com {\n\tdoorward\n}", []string{"http://app.example.com is served without TLS", "relying_party app.example.com with origins https://app.example.com"}},
		{"plain http on another port", "app.example.com:80 {\n\tdoorward\n}", []string{"without TLS"}},
		{"plain http that looks like localhost", "http://localhost.example.com {\n\tdoorward\n}", []string{"without TLS"}},
		{"plain http among others", "http://localhost, http://app.example.com {\n\tdoorward\n}", []string{"http://app.example.com is served without TLS"}},
		{"plain http wildcard", global("relying_party example.com") + "http://*.example.com {\n\tdoorward\n}", []string{"http://*.example.com is served without TLS", "origins https://app.example.com"}},
		{"plain http, another origin listed", global("relying_party example.com {\n origins https://www.example.com\n}") + "http://app.example.com {\n\tdoorward\n}", []string{"without TLS"}},
		{"well-known files on plain http", "http://example.com {\n\tdoorward_well_known\n}", []string{"http://example.com is served without TLS, and the well-known files are fetched over https alone, by Android", "relying_party example.com with origins https://example.com"}},
		{"well-known files on a plain http wildcard", global("relying_party example.com") + "http://*.example.com {\n\tdoorward_well_known\n}", []string{"the well-known files are fetched over https alone", "origins https://app.example.com"}},
		{"catch-all", ":443 {\n\tdoorward\n}", []string{"cannot tell the host", "relying_party"}},
		{"catch-all with a relying party, without origins", global("relying_party example.com") + ":443 {\n\tdoorward\n}", []string{"cannot tell the host"}},
		{"catch-all with a native app's origin alone", global("relying_party example.com {\n origins android:apk-key-hash:HXrWFRzCfbUEOFSoakWKUHd4qYjgnYtJQZzFBHmWIXo\n}") + ":443 {\n\tdoorward\n}", []string{"cannot tell the host"}},
		{"wildcard", "*.example.com {\n\tdoorward\n}", []string{"*.example.com has no single host", "add relying_party example.com"}},
		{"wildcard with another relying party", global("relying_party example.org") + "*.example.com {\n\tdoorward\n}", []string{"add relying_party example.com"}},
		{"a unix socket, whose port nobody knows", "http://localhost {\n\tbind unix//run/doorward.sock\n\tdoorward\n}", []string{"listens on no port", "origins https://localhost"}},
		{"IPv4 address", "https://192.0.2.1 {\n\tdoorward\n}", []string{"192.0.2.1 has an IP address", "use a domain"}},
		{"IPv4 loopback", "http://127.0.0.1:8080 {\n\tdoorward\n}", []string{"IP address", "localhost"}},
		{"IPv6 loopback", "http://[::1]:8080 {\n\tdoorward\n}", []string{"IP address"}},
		{"short secret", global("secret hunter2") + site, []string{"openssl rand -base64 32"}},
		{"second secret short", global("secret "+strings.Repeat("x", 32)+" hunter2") + site, []string{"openssl rand"}},
		{"secret from a variable that is not set", global("secret {env.DOORWARD_NOT_SET}") + site, []string{"secret", "env.DOORWARD_NOT_SET"}},
		{"secret from a file that is not there", global("secret {file./does/not/exist}") + site, []string{"secret"}},
		{"store from a variable that is not set", global("store {env.DOORWARD_NOT_SET}") + site, []string{"store", "env.DOORWARD_NOT_SET"}},
		{"shared store without a secret", global("store redis://localhost:6379") + site, []string{"a store that other nodes may use", "secret {env.DOORWARD_SECRET}"}},
		{"shared directory without a secret", global("directory postgres://localhost/doorward") + site, []string{"a directory that other nodes may use", "secret {env.DOORWARD_SECRET}"}},
		{"directory from a variable that is not set", global("directory {env.DOORWARD_NOT_SET}") + site, []string{"directory", "env.DOORWARD_NOT_SET"}},
		{"unknown store from a variable", shared("store {env.DOORWARD_TEST_PLACE}"), []string{"store: want embedded", "redis+sentinel://"}},
		{"unknown directory from a variable", shared("directory {env.DOORWARD_TEST_PLACE}"), []string{"directory: want embedded", "postgres://"}},
		{"options of a store that turns out to be embedded", shared("store {env.DOORWARD_TEST_EMBEDDED} {\n prefix x:\n}"), []string{"store: an embedded store has no options"}},
		{"options of a directory that turns out to be embedded", shared("directory {env.DOORWARD_TEST_EMBEDDED} {\n max_connections 3\n}"), []string{"directory: an embedded directory has no options"}},
		{"tls of a store that turns out to be without", shared("store {env.DOORWARD_TEST_REDIS} {\n tls {\n server_name x\n}\n}"), []string{"store: tls is for a URL that begins with rediss://"}},
		{"a user whose password is not said", shared("store {env.DOORWARD_TEST_REDIS} {\n user door\n}"), []string{"store: the user wants a password"}},
		{"a host that turns out to be a port too many", shared("store redis://{env.DOORWARD_TEST_HOST}:6379"), []string{"store: "}},
		{"authorities that are not there", shared("store rediss://localhost {\n tls {\n ca /does/not/exist.pem\n}\n}"), []string{"store: reading tls ca", "/does/not/exist.pem"}},
		{"authorities of PostgreSQL that are not there", shared("directory postgres://localhost/doorward?sslmode=verify-full&sslrootcert=/does/not/exist.pem"), []string{"directory: ", "/does/not/exist.pem"}},
		{"a mode of TLS that PostgreSQL does not have", shared("directory postgres://localhost/doorward?sslmode=verify"), []string{"directory: ", "sslmode"}},
		{"mail URL", global("mail smtp://:587 {\n from a@example.com\n}") + site, []string{"mail"}},
		{"mail sender", global("mail smtp://localhost:587 {\n from example\n}") + site, []string{"sender"}},
		{"mail with a password that is not set", global("mail smtp://localhost:587 {\n from a@example.com\n password {env.DOORWARD_NOT_SET}\n}") + site, []string{"mail", "env.DOORWARD_NOT_SET"}},
		{"mail with authorities that are not there", global("mail smtp://localhost:587 {\n from a@example.com\n ca /does/not/exist.pem\n}") + site, []string{"/does/not/exist.pem"}},
		{"a second door that is wrong", site + "http://b.example.com {\n\tdoorward\n}", []string{"b.example.com is served without TLS"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home := dataHome(t)
			config, err := adapt(tt.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			err = validate(config)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("validate: %v, want %q", err, want)
				}
			}
			if keys := pooled(); len(keys) > 0 {
				t.Errorf("left in the pool: %q", keys)
			}
			if files := tree(t, filepath.Join(home, "caddy", "doorward")); len(files) > 0 {
				t.Errorf("written: %q", files)
			}
		})
	}
}

// JSON has no parser of ours in front: the modules themselves refuse what is out
// of bounds.
func TestValidateRefusesJSONOutOfBounds(t *testing.T) {
	tests := []struct{ name, app, want string }{
		{"negative duration", `{"session":{"lifetime":-1}}`, "session lifetime"},
		{"long passcode lifetime", `{"passcode":{"lifetime":"1h"}}`, "passcode lifetime"},
		{"negative attempts", `{"passcode":{"attempts":-1}}`, "passcode attempts"},
		{"few digits", `{"passcode":{"digits":3}}`, "passcode digits"},
		{"algorithm", `{"session":{"algorithm":"none"}}`, "ES256"},
		{"user verification", `{"passkey":{"user_verification":"maybe"}}`, "user_verification"},
		{"cookie", `{"session":{"cookie":"a;b"}}`, "cookie"},
		{"relying party", `{"relying_parties":[{"id":"https://example.com"}]}`, "relying party"},
		{"no relying party", `{"relying_parties":[{}]}`, "relying party"},
		{"store with a text for an object", `{"store":"embedded"}`, "store"},
		{"unknown store", `{"store":{"url":"memcached://localhost"}}`, "store: want embedded"},
		{"misspelt field of the store", `{"store":{"ulr":"embedded"}}`, "ulr"},
		{"options without a Redis", `{"store":{"prefix":"x:"}}`, "embedded store has no options"},
		{"negative pool", `{"store":{"url":"redis://localhost","pool_size":-1}}`, "pool_size"},
		{"negative time-out", `{"store":{"url":"redis://localhost","timeout":-1}}`, "timeout"},
		{"nobody to wait for", `{"store":{"url":"redis://localhost","wait":{}}}`, "wait wants the number of replicas"},
		{"fewer than nobody to wait for", `{"store":{"url":"redis://localhost","wait":{"replicas":-1}}}`, "wait wants the number of replicas"},
		{"no time to wait", `{"store":{"url":"redis://localhost","wait":{"replicas":1,"timeout":1}}}`, "time-out of wait"},
		{"a key without its certificate", `{"store":{"url":"rediss://localhost","tls":{"key":"client.key"}}}`, "two files"},
		{"a certificate without its key", `{"store":{"url":"rediss://localhost","tls":{"certificate":"client.pem"}}}`, "two files"},
		{"a sentinel's user without a password", `{"store":{"url":"redis+sentinel://s1/door","sentinel_user":"x"}}`, "sentinel_password"},
		{"unknown directory", `{"directory":{"url":"mysql://localhost"}}`, "directory: want embedded"},
		{"options without a PostgreSQL", `{"directory":{"max_connections":3}}`, "embedded directory has no options"},
		{"negative connections", `{"directory":{"url":"postgres://localhost/doorward","max_connections":-1}}`, "max_connections"},
		{"a wildcard for web clients", `{"api":{"cors":["*"]}}`, "api cors: * is too wide"},
		{"a site that is no origin", `{"api":{"sites":["app.example.com"]}}`, "api sites"},
		{"sign-up neither open nor closed", `{"api":{"signup":"off"}}`, "api signup must be open or closed"},
		{"token_header where it was", `{"session":{"token_header":true}}`, "token_header"},
		{"negative number of addresses", `{"account":{"max_addresses":-1}}`, "max_addresses"},
		{"too many addresses", `{"account":{"max_addresses":21}}`, "max_addresses"},
		{"an app without a package", `{"apps":{"android":[{"fingerprints":["AB:CD"]}]}}`, "no package"},
		{"an app without a certificate", `{"apps":{"android":[{"package":"com.example.app"}]}}`, "no fingerprint"},
		{"an app of nobody's", `{"apps":{"ios":["com.example.app"]}}`, "no app ID"},
		{"mail to nowhere", `{"mail":{}}`, "mail wants the URL"},
		{"mail to both", `{"mail":{"log":true,"url":"smtp://localhost","from":"a@example.com"}}`, "not both"},
		{"mail from nobody", `{"mail":{"url":"smtp://localhost"}}`, "mail wants a sender"},
		{"path", `{"path":"doorward"}`, "path"},
		{"accent", `{"pages":{"accent":"green"}}`, "accent"},
		{"misspelt field", `{"sesion":{}}`, "sesion"},
		{"misspelt inner field", `{"session":{"idel":"1h"}}`, "idel"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dataHome(t)
			err := validate([]byte(`{"apps":{"doorward":` + tt.app + `}}`))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("validate: %v, want %q", err, tt.want)
			}
			if keys := pooled(); len(keys) > 0 {
				t.Errorf("left in the pool: %q", keys)
			}
		})
	}
}

func TestValidateRefusesADoorWithWrongRulesInJSON(t *testing.T) {
	for _, tt := range []struct{ name, door, want string }{
		{"allow", `"allow":["ann"]`, "allow"},
		{"bypass", `"bypass":["/*"]`, "bypass"},
		{"header name", `"headers":{"user":"a b"}`, "header name"},
		{"header that means something else", `"headers":{"token":"cookie"}`, "Cookie"},
		{"matcher", `"match":[{"pth":["/a"]}]`, "pth"},
		{"unknown field", `"alow":["*"]`, "alow"},
		{"an API host that is open", `"api":true,"bypass":["/docs/*"]`, "doorward_api has no app behind it"},
		{"an API host for some requests", `"api":true,"match":[{"path":["/v1/*"]}]`, "doorward_api has no app behind it"},
		{"an API host with headers for an app", `"api":true,"headers":{"user":"X-User"}`, "doorward_api has no app behind it"},
		{"an API host with wrong rules", `"api":true,"allow":["ann"]`, "allow"},
		{"well-known files with rules", `"well_known":true,"allow":["*"]`, "doorward_well_known keeps nobody out"},
		{"well-known files with an opening", `"well_known":true,"bypass":["/healthz"]`, "doorward_well_known keeps nobody out"},
		{"both", `"api":true,"well_known":true`, "two handlers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dataHome(t)
			err := validate([]byte(`{"apps":{"http":{"servers":{"s":{"listen":[":443"],"routes":[
				{"match":[{"host":["app.example.com"]}],"handle":[{"handler":"doorward",` + tt.door + `}]}]}}}}}`))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("validate: %v, want %q", err, tt.want)
			}
			if keys := pooled(); len(keys) > 0 {
				t.Errorf("left in the pool: %q", keys)
			}
		})
	}
}

// Flat JSON has the app in a later route of the same host, and may have it in an
// earlier one.
func TestValidateFollowsTheRoutesOfAServer(t *testing.T) {
	const (
		host  = `"match":[{"host":["app.example.com"]}],`
		other = `"match":[{"host":["b.example.com"]}],`
		path  = `"match":[{"host":["app.example.com"],"path":["/public/*"]}],`
		door  = `"handle":[{"handler":"doorward"}]`
		app   = `"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"localhost:8080"}]}]`
	)
	tests := []struct {
		name, routes string
		refused      bool
	}{
		{"door, then app", `{` + host + door + `},{` + host + app + `}`, false},
		{"app, then door", `{` + host + app + `},{` + host + door + `}`, true},
		{"app for all hosts, then door", `{` + app + `},{` + host + door + `}`, true},
		{"app for some paths, then door", `{` + path + app + `},{` + host + door + `}`, true},
		{"app for some paths and no more, then door", `{` + path + app + `,"terminal":true},{` + host + door + `}`, false},
		{"app of another host, then door", `{` + other + app + `},{` + host + door + `}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dataHome(t)
			err := validate([]byte(`{"apps":{"http":{"servers":{"s":{"listen":[":443"],"routes":[` + tt.routes + `]}}}}}`))
			if refused := err != nil && strings.Contains(err.Error(), "answers before doorward"); refused != tt.refused || err != nil && !refused {
				t.Errorf("validate: %v, want it refused: %v", err, tt.refused)
			}
		})
	}
}

// Caddy validates in the running server's environment, as whoever may run it.
func TestValidateWritesNothing(t *testing.T) {
	home := dataHome(t)
	goldenSecrets(t)
	t.Setenv("DIR", home)
	before := tree(t, home)
	config, err := adapt(`{
	doorward {
		store embedded:{$DIR}/store/store.db
		directory embedded:{$DIR}/directory/directory.db
		mail log
	}
}
app.example.com {
	doorward {
		allow *@example.com
	}
}
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]byte{config, []byte(`{"apps":{"doorward":{}}}`)} {
		if err := validate(c); err != nil {
			t.Fatal(err)
		}
	}
	after := slices.DeleteFunc(tree(t, home), func(name string) bool {
		return strings.HasPrefix(name, "caddy/instance.uuid") // Caddy's own
	})
	if !slices.Equal(before, after) {
		t.Errorf("validate wrote %q", after)
	}
	if keys := pooled(); len(keys) > 0 {
		t.Errorf("left in the pool: %q", keys)
	}
}

// tree lists the files and folders below dir, which may be missing.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return names
}

// An operator reads the log at the start, and perhaps never again.
func TestOpenPartsOfASiteAreNamedInTheLog(t *testing.T) {
	home := dataHome(t)
	log := filepath.Join(home, "log")
	t.Setenv("LOG", log)
	config, err := adapt(`{
	log {
		output file {$LOG}
	}
}
app.example.com {
	handle /public/* {
		reverse_proxy localhost:8081
	}
	handle /admin/* {
		doorward
		reverse_proxy localhost:8080
	}
	handle {
		doorward
		reverse_proxy localhost:8080
	}
}
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(config); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(content, []byte("part of a site is open to everybody")); n != 1 {
		t.Errorf("%d warnings, want 1 for the two doors of the site:\n%s", n, content)
	}
	for _, want := range []string{`"site":"app.example.com"`, `"open":"reverse_proxy for path /public/*"`} {
		if !bytes.Contains(content, []byte(want)) {
			t.Errorf("the log does not have %s:\n%s", want, content)
		}
	}
}
