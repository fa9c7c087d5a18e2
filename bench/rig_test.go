package bench

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/doorward/doorward/integration/testbed"
)

// The set-ups that are compared. All but the last are sites of one process.
const (
	guarded     = "guarded"      // doorward and reverse_proxy
	unguarded   = "unguarded"    // reverse_proxy alone
	forwardAuth = "forward_auth" // a server that says yes, and reverse_proxy
	basicAuth   = "basic_auth"   // a password with bcrypt, and reverse_proxy
	stock       = "stock Caddy"  // reverse_proxy alone, in a Caddy without Doorward
)

var allSetUps = []string{guarded, unguarded, forwardAuth, basicAuth, stock}

// appCookie is a cookie of the app, beside which the browser sends the session's.
const appCookie = "theme=dark; app_session=7d5f0c1e9b3a48d2a6c4e8f01b2d3c4a"

// A rig is all processes of a comparison, and what is sent to them.
type rig struct {
	gateway *testbed.Gateway
	stock   *testbed.Gateway // nil if it is not compared
	app     *app
	auth    *app // that forward_auth asks; nil if it is not compared
	setUps  []string
	backend string
	gogc    string

	ports      map[string]int // of the sites of plain HTTP, by set-up
	tlsPorts   map[string]int
	dir        string // of the files for the clients
	tokens     []string
	tlsToken   string
	authHeader string // that basic_auth asks for
}

type rigOptions struct {
	sessions int
	backend  string
	gogc     string
	setUps   []string
}

// newRig builds and starts everything.
func newRig(t *testing.T, o rigOptions) *rig {
	t.Helper()
	testbed.Require(t, "wrk", "h2load")
	r := &rig{
		setUps: o.setUps, backend: o.backend, gogc: o.gogc,
		ports: make(map[string]int), tlsPorts: make(map[string]int), dir: t.TempDir(),
	}
	r.app = startApp(t, r.setUps...)
	if r.has(forwardAuth) {
		r.auth = startApp(t, forwardAuth)
	}
	for _, name := range r.setUps {
		r.ports[name] = testbed.FreePort(t)
		if name == guarded || name == unguarded {
			r.tlsPorts[name] = testbed.FreePort(t)
		}
	}
	state := newState(t, o.backend, people(o.sessions))
	r.gateway = r.prepare(t, "./cmd/doorward", r.caddyfile(t, state.option))
	if r.has(stock) {
		r.stock = r.prepare(t, "github.com/caddyserver/caddy/v2/cmd/caddy",
			fmt.Sprintf("{\n}\nhttp://localhost:%d {\n\treverse_proxy %s\n}\n", r.ports[stock], r.app.addr(stock)))
	}
	tokens := state.fill(t, origin("http", r.ports[guarded]), origin("https", r.tlsPorts[guarded]))
	r.tokens, r.tlsToken = tokens[:o.sessions], tokens[o.sessions]
	for _, g := range []*testbed.Gateway{r.gateway, r.stock} {
		if g == nil {
			continue
		}
		if err := g.Start(); err != nil {
			t.Fatalf("starting a gateway: %v\n%s", err, g.Log())
		}
	}
	for _, port := range r.tlsPorts {
		awaitCertificate(t, port)
	}
	return r
}

func (r *rig) has(setUp string) bool { return slices.Contains(r.setUps, setUp) }

func origin(scheme string, port int) string { return fmt.Sprintf("%s://localhost:%d", scheme, port) }

// prepare makes a gateway of a program, which is built without the race detector.
func (r *rig) prepare(t *testing.T, pkg, caddyfile string) *testbed.Gateway {
	t.Helper()
	return testbed.Prepare(t, testbed.Options{
		Caddyfile: caddyfile, Binary: build(t, pkg), Quiet: true, Env: []string{"GOGC=" + r.gogc},
	})
}

// caddyfile is the configuration of the gateway with a door: a site for each set-up.
func (r *rig) caddyfile(t *testing.T, stateOption string) string {
	t.Helper()
	const password = "what a browser sends"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		t.Fatal(err)
	}
	r.authHeader = "Authorization: " + basicCredentials("bench", password)
	inFront := map[string]string{
		guarded:     "doorward {\n\t\tallow *@example.com\n\t}",
		forwardAuth: "",
		basicAuth:   "basic_auth bcrypt {\n\t\tbench " + string(hash) + "\n\t}",
	}
	if r.auth != nil {
		inFront[forwardAuth] = "forward_auth " + r.auth.addr(forwardAuth) + " {\n\t\turi /verify\n\t}"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{
	auto_https disable_redirects
	doorward {
		secret %s
		%s
		mail log
		session {
			idle %v
		}
	}
}
`, secretText, stateOption, *idle)
	site := func(setUp, scheme string, port int, options ...string) {
		fmt.Fprintf(&b, "%s {\n", origin(scheme, port))
		for _, option := range append(options, "reverse_proxy "+r.app.addr(setUp)) {
			if option != "" {
				fmt.Fprintf(&b, "\t%s\n", option)
			}
		}
		b.WriteString("}\n")
	}
	for _, name := range r.setUps {
		if name == stock {
			continue
		}
		site(name, "http", r.ports[name], inFront[name])
		if port, ok := r.tlsPorts[name]; ok {
			site(name, "https", port, "tls internal", inFront[name])
		}
	}
	return b.String()
}

// awaitCertificate waits until a site has the certificate that the gateway makes.
func awaitCertificate(t *testing.T, port int) {
	t.Helper()
	testbed.Eventually(t, time.Minute, "a certificate", func() bool {
		conn, err := tls.Dial("tcp", net.JoinHostPort("localhost", fmt.Sprint(port)), &tls.Config{InsecureSkipVerify: true})
		return err == nil && conn.Close() == nil
	})
}

// file writes a file for a client, and returns its path. Session tokens are in some.
func (r *rig) file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
