package caddymodule

import (
	"crypto/x509"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/doorward/doorward/store"
)

// configuredApp returns the app that a Caddyfile configures, not provisioned.
func configuredApp(t *testing.T, options string) *App {
	t.Helper()
	config, err := adapt("{\n\tdoorward {\n" + options + "\n\t}\n}\napp.example.com {\n\tdoorward\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	apps, _ := modulesOf(t, config)
	a := new(App)
	if err := caddy.StrictUnmarshalJSON(apps[0], a); err != nil {
		t.Fatal(err)
	}
	return a
}

// redisOptions returns what a Caddyfile says of Redis, and what identifies the
// connection.
func redisOptions(t *testing.T, options string) (store.RedisOptions, string) {
	t.Helper()
	s, err := configuredApp(t, options).Store.resolved()
	if err != nil {
		t.Fatal(err)
	}
	o, where, err := s.redis()
	if err != nil {
		t.Fatal(err)
	}
	return o, where
}

func TestEachStoreOptionArrivesWhereItBelongs(t *testing.T) {
	goldenSecrets(t)
	t.Setenv("REDIS_PASSWORD", "red/is@")
	t.Setenv("SENTINEL_PASSWORD", "sent/inel@")
	got, _ := redisOptions(t, `
		store rediss+sentinel://s1:26379,s2:26379,s3:26379/door/0 {
			user doorward
			password {env.REDIS_PASSWORD}
			prefix door:
			sentinel_user watcher
			sentinel_password {env.SENTINEL_PASSWORD}
			tls {
				ca testdata/ca.pem
				certificate {env.REDIS_CERTIFICATE} {env.REDIS_KEY}
				server_name redis.internal
			}
			pool_size 40
			dial_timeout 3s
			timeout 1s
			pool_timeout 2s
			wait 2 400ms
		}`)
	secure := got.TLS
	got.TLS = nil
	want := store.RedisOptions{
		URL:              "rediss+sentinel://doorward:red%2Fis%40@s1:26379,s2:26379,s3:26379/door/0",
		Prefix:           "door:",
		SentinelUsername: "watcher",
		SentinelPassword: "sent/inel@",
		PoolSize:         40,
		DialTimeout:      3 * time.Second,
		Timeout:          time.Second,
		PoolTimeout:      2 * time.Second,
		Replicas:         2,
		ReplicaTimeout:   400 * time.Millisecond,
	}
	if got != want {
		t.Errorf("the options are\n%+v\nwant\n%+v", got, want)
	}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(want)) {
		if field.Name != "TLS" && reflect.ValueOf(want).FieldByIndex(field.Index).IsZero() {
			t.Errorf("%s cannot be configured", field.Name)
		}
	}

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(t, "testdata/ca.pem")))
	if secure == nil || !secure.RootCAs.Equal(roots) {
		t.Error("the authorities are not those of testdata/ca.pem")
	}
	if got := secure.ServerName; got != "redis.internal" {
		t.Errorf("the name of the server is %q, want redis.internal", got)
	}
	if got := shown(t, secure.GetClientCertificate); got != "client" {
		t.Errorf("the certificate that is shown is %q's, want client's", got)
	}
}

// What is not configured is left to the store.
func TestStoreOptionsThatAreNotGivenAreZero(t *testing.T) {
	got, _ := redisOptions(t, "store redis://localhost")
	if want := (store.RedisOptions{URL: "redis://localhost"}); got != want {
		t.Errorf("the options are %+v, want %+v", got, want)
	}
}

// A connection that is found in the pool has to be the one that is configured; a
// configuration that says the same must find it.
func TestEveryStoreOptionIdentifiesTheConnection(t *testing.T) {
	dir := t.TempDir()
	certificate, key := writeCertificate(t, dir, "client")
	other, otherKey := writeCertificate(t, dir, "other")
	authorities := dir + "/ca.pem"
	write(t, authorities, read(t, certificate))
	base := func() Store {
		return Store{
			URL: "rediss+sentinel://s1,s2/door", User: "u", Password: "p", Prefix: "x:", SentinelUser: "su", SentinelPassword: "sp",
			TLS:      &TLS{CA: authorities, Certificate: certificate, Key: key, ServerName: "a"},
			PoolSize: 1, DialTimeout: 1, Timeout: 1, PoolTimeout: 1, Wait: &Wait{Replicas: 1, Timeout: 1},
		}
	}
	identity := func(s Store) string {
		t.Helper()
		_, where, err := s.redis()
		if err != nil {
			t.Fatal(err)
		}
		return where
	}
	want := identity(base())
	if got := identity(base()); got != want {
		t.Error("the same options are another connection")
	}
	if strings.Contains(want, "s1") || len(want) != 64 {
		t.Errorf("the identity is %q, want a hash", want)
	}

	seen := map[string]string{want: "what it was"}
	changed := func(name string, s Store) {
		t.Helper()
		got := identity(s)
		if same, ok := seen[got]; ok {
			t.Errorf("with another %s the connection is that of %s", name, same)
		}
		seen[got] = name
	}
	s := base()
	fields := func(name string, v reflect.Value) {
		for _, field := range reflect.VisibleFields(v.Type()) {
			f := v.FieldByIndex(field.Index)
			before := reflect.ValueOf(f.Interface())
			switch {
			case f.Kind() == reflect.Pointer:
				f.SetZero()
			case field.Name == "URL":
				f.SetString("rediss+sentinel://s1,s2,s3/door")
			case field.Name == "CA", field.Name == "Certificate", field.Name == "Key":
				continue // files, below
			case f.CanInt():
				f.SetInt(2)
			default:
				f.SetString(f.String() + "y")
			}
			changed(name+field.Name, s)
			f.Set(before)
		}
	}
	fields("", reflect.ValueOf(&s).Elem())
	fields("TLS.", reflect.ValueOf(s.TLS).Elem())
	fields("Wait.", reflect.ValueOf(s.Wait).Elem())

	s.TLS.Certificate, s.TLS.Key = other, otherKey
	changed("certificate", s)
	write(t, authorities, read(t, other))
	changed("content of CA", base())
	write(t, authorities, read(t, certificate))
	if got := identity(base()); got != want {
		t.Error("with the CA that it was, the connection is another one")
	}
	// Renewed client certificates are taken up by the connections that there are.
	write(t, certificate, read(t, other))
	write(t, key, read(t, otherKey))
	if got := identity(base()); got != want {
		t.Error("with a renewed client certificate, the connection is another one")
	}
}

// A password that is given apart from the URL may not slide into another option.
func TestNoTwoStoresShareAConnectionByTheirSpelling(t *testing.T) {
	a := Store{URL: "redis://h", User: "a", Password: `b" Prefix:"c`}
	b := Store{URL: "redis://h", User: "a", Password: "b", Prefix: "c"}
	_, one, err := a.redis()
	if err != nil {
		t.Fatal(err)
	}
	_, two, err := b.redis()
	if err != nil {
		t.Fatal(err)
	}
	if one == two {
		t.Error("two stores with different passwords share a connection")
	}
}

func TestStoreWithTLSIsNotMadeWithoutItsFiles(t *testing.T) {
	goldenSecrets(t)
	certificate := os.Getenv("REDIS_CERTIFICATE")
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	config, err := adapt("{\n\tdoorward {\n\t\tsecret {env.DOORWARD_SECRET}\n\t\tstore rediss://localhost {\n\t\t\ttls {\n\t\t\t\tcertificate {env.REDIS_CERTIFICATE} {env.REDIS_KEY}\n\t\t\t}\n\t\t}\n\t}\n}\napp.example.com {\n\tdoorward\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(config); err == nil || !strings.Contains(err.Error(), certificate) {
		t.Errorf("validate: %v, want an error that names %s", err, certificate)
	}
	if keys := pooled(); len(keys) > 0 {
		t.Errorf("left in the pool: %q", keys)
	}
}
