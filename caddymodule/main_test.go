package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/caddyserver/certmagic"

	"github.com/doorward/doorward/session"
)

// TestMain keeps the tests, and Caddy in them, away from the user's own files. The
// program is also a gateway for tests of the clock.
func TestMain(m *testing.M) {
	if path := os.Getenv(clockVariable); path != "" {
		runWithWrongClock(path)
		return
	}
	dir, err := os.MkdirTemp("", "caddymodule-")
	if err != nil {
		panic(err)
	}
	caddy.DefaultStorage = &certmagic.FileStorage{Path: filepath.Join(dir, "caddy")}
	caddy.ConfigAutosavePath = filepath.Join(dir, "autosave.json")
	for _, name := range []string{"XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME"} {
		os.Setenv(name, filepath.Join(dir, name))
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// dataHome gives a test a data directory of its own, and returns it. Caddy's is
// below it.
func dataHome(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_DATA_HOME", dir)
	return dir
}

// quiet is a global option that keeps Caddy's log and its admin API out of tests.
const quiet = `
	admin off
	persist_config off
	skip_install_trust
	log {
		output discard
	}
`

// adapt turns a Caddyfile into JSON.
func adapt(caddyfile string) ([]byte, error) {
	adapter := caddyconfig.GetAdapter("caddyfile")
	config, _, err := adapter.Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

// validate does what caddy validate does.
func validate(config []byte) error {
	var c *caddy.Config
	if err := caddy.StrictUnmarshalJSON(config, &c); err != nil {
		return err
	}
	return caddy.Validate(c)
}

// provision provisions a configuration, and returns its app, not started. It is
// cleaned up when the test ends.
func provision(t testing.TB, config []byte) *App {
	t.Helper()
	var c *caddy.Config
	if err := caddy.StrictUnmarshalJSON(config, &c); err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(c)
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.AppIfConfigured("doorward")
	if err != nil {
		t.Fatal(err)
	}
	a := app.(*App)
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
		if err := a.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// provisionCaddyfile is provision for a Caddyfile.
func provisionCaddyfile(t testing.TB, caddyfile string) *App {
	t.Helper()
	config, err := adapt(caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	return provision(t, config)
}

// load makes Caddy run a Caddyfile, until another is loaded or the test ends.
func load(t testing.TB, caddyfile string) error {
	t.Helper()
	config, err := adapt(caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return reload(config)
}

// reload makes Caddy run a configuration, or go on with the one that it runs.
func reload(config []byte) error { return caddy.Load(config, true) }

// running returns the app of the configuration that Caddy runs.
func running(t testing.TB) *App {
	t.Helper()
	app, err := caddy.ActiveContext().AppIfConfigured("doorward")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*App)
}

// freePort returns a TCP port of the loopback interface that nobody uses now.
func freePort(t testing.TB) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// indent formats JSON for people.
func indent(t testing.TB, raw []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	formatted, err := json.MarshalIndent(value, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(formatted)
}

// references returns how many configurations hold a pooled value.
func references(key poolKey) int {
	n, _ := pool.References(key)
	return n
}

// pooled describes what is in the pool.
func pooled() (keys []string) {
	pool.Range(func(key, _ any) bool {
		keys = append(keys, fmt.Sprint(key))
		return true
	})
	return keys
}

// signIn adds a user to a running app and signs them in at a site, as if they had
// sent a passcode, and returns their session token.
func signIn(t testing.TB, a *App, address, origin string) string {
	t.Helper()
	ctx := context.Background()
	user, _, err := a.operator().add(ctx, address, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	primary, _ := user.Primary()
	if err := a.directory.MarkVerified(ctx, user.ID, primary.Address); err != nil {
		t.Fatal(err)
	}
	_, token, err := a.core.sessions.Begin(ctx, session.SignIn{
		Subject: user.ID, Audience: origin, Issuer: origin + a.Path, Methods: []string{session.MethodPasscode},
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}
