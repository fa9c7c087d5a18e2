// Package attacks holds Doorward to what hostile clients try: one test for each
// known attack, named by its number, against a real gateway, with raw sockets
// where an ordinary client would tidy the request up, and a raw app that records
// the bytes that reach it.
//
// A [Scene] is one test's part of a [House]. Whatever the test itself looks for,
// its scene holds at the end what has to be true after every attack: see
// [Scene.hold].
package attacks

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// The sites of a house. All are HTTPS, on one port.
const (
	A = "app.example.test"   // /healthz and /static/* are open, /admin is for admins
	B = "other.example.test" // for staff alone: another app below the same domain
	C = "app.second.test"    // another domain
)

// A House is a gateway with three sites and apps behind them.
type House struct {
	Gateway *testbed.Gateway
	Raw     *Raw         // behind all sites
	App     *testbed.App // behind /socket and /events of A
	Mailbox *mailtest.Mailbox

	mu     sync.Mutex
	scenes int
}

// Plan says what a house is like. Sites and Doorward may have $RAW, $APP, $PHP and
// $WSGI for the addresses of the apps; what they name is started.
type Plan struct {
	Sites    string   // default: the three sites
	Doorward string   // more options of the global option doorward
	Global   string   // more global options
	Env      []string // of the gateway's process
	Quiet    bool     // logs as little as a gateway does by default
}

const sites = `
https://app.example.test:$PORT {
	tls internal
	@admin path /admin /admin/*
	doorward @admin {
		allow group:admins
	}
	doorward {
		allow *@example.test
		bypass /healthz
		bypass /static/*
	}
	reverse_proxy /socket $APP
	reverse_proxy /events $APP
	reverse_proxy $RAW
}
https://other.example.test:$PORT {
	tls internal
	doorward {
		allow group:staff
	}
	reverse_proxy $RAW
}
https://app.second.test:$PORT {
	tls internal
	doorward {
		allow *@example.test
	}
	reverse_proxy $RAW
}
`

// Build starts a house, which lasts as long as t.
func Build(t testing.TB, p Plan) *House {
	t.Helper()
	h := &House{Raw: StartRaw(t), App: testbed.StartApp(t), Mailbox: mailtest.Start(t, mailtest.Options{})}
	if p.Sites == "" {
		p.Sites = sites
	}
	file := `{
	auto_https disable_redirects
	` + p.Global + `
	doorward {
		mail ` + h.Mailbox.URL() + ` {
			from "Doorward <door@example.test>"
		}
		` + p.Doorward + `
	}
}
` + p.Sites
	for name, start := range map[string]func(testing.TB) string{"$PHP": startPHP, "$WSGI": startWSGI} {
		if strings.Contains(file, name) {
			file = strings.ReplaceAll(file, name, start(t))
		}
	}
	file = strings.NewReplacer("$RAW", h.Raw.Addr, "$APP", h.App.Addr).Replace(file)
	h.Gateway = testbed.Start(t, testbed.Options{Caddyfile: file, Env: p.Env, Quiet: p.Quiet})
	for _, site := range siteName.FindAllStringSubmatch(p.Sites, -1) {
		h.awaitCertificate(t, site[1])
	}
	return h
}

var siteName = regexp.MustCompile(`https://([a-z0-9.-]+):\$PORT`)

// awaitCertificate waits until a site can be talked to: the gateway makes its
// certificates after it has started.
func (h *House) awaitCertificate(t testing.TB, site string) {
	t.Helper()
	testbed.Eventually(t, 30*time.Second, "certificate of "+site, func() bool {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", h.Gateway.Port), &tls.Config{ServerName: site, InsecureSkipVerify: true})
		return err == nil && conn.Close() == nil
	})
}

// Origin returns the origin of a site of the house.
func (h *House) Origin(site string) string {
	return fmt.Sprintf("https://%s:%d", site, h.Gateway.Port)
}

// Admin asks the admin API, which only operators reach, and wants an answer of
// status 2xx.
func (h *House) Admin(t testing.TB, method, path string, body any) []byte {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Gateway.AdminAddr+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: status %d, %v: %s", method, path, response.StatusCode, err, answer)
	}
	return answer
}

func startPHP(t testing.TB) string {
	testbed.Require(t, "php")
	return serve(t, func(address string) *exec.Cmd {
		return exec.Command("php", "-q", "-S", address, filepath.Join(testbed.Root(), "integration/testdata/php/index.php"))
	})
}

func startWSGI(t testing.TB) string {
	testbed.Require(t, "python3")
	return serve(t, func(address string) *exec.Cmd {
		return exec.Command("python3", filepath.Join(testbed.Root(), "integration/attacks/testdata/wsgi.py"), address)
	})
}

// serve runs an app on a free port and returns its address.
func serve(t testing.TB, command func(address string) *exec.Cmd) string {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))
	server := command(address)
	server.Stderr = io.Discard
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	testbed.Eventually(t, 30*time.Second, "the app "+server.Path, func() bool {
		response, err := http.Get("http://" + address + "/")
		return err == nil && response.Body.Close() == nil
	})
	return address
}

// lasting is a testing.TB for what several tests share: it ends when the last of
// them has, in [Main].
type lasting struct {
	testing.TB
	mu       sync.Mutex
	cleanups []func()
	failures []string
}

func (l *lasting) Helper() {}

func (l *lasting) Cleanup(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleanups = append(l.cleanups, f)
}

func (l *lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "doorward-attacks-")
	if err != nil {
		panic(err)
	}
	l.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (l *lasting) Errorf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, fmt.Sprintf(format, args...))
}

func (l *lasting) Failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.failures) > 0
}

func (l *lasting) Name() string                      { return "shared" }
func (l *lasting) Error(args ...any)                 { l.Errorf("%s", fmt.Sprint(args...)) }
func (l *lasting) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (l *lasting) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (l *lasting) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format+"\n", args...) }

var (
	ever   lasting
	common = sync.OnceValue(func() *House { return Build(&ever, Plan{}) })
)

// Main runs the tests of a package and ends what they shared.
func Main(m *testing.M) int {
	code := m.Run()
	for _, f := range slices.Backward(ever.cleanups) {
		f()
	}
	for _, failure := range ever.failures {
		fmt.Fprintln(os.Stderr, failure)
		code = 1
	}
	return code
}
