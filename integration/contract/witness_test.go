package contract_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/integration/contract"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// A listener is a test that notes its errors and goes on.
type listener struct {
	testing.TB

	mu     sync.Mutex
	errors []string
}

func (l *listener) Errorf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors = append(l.errors, fmt.Sprintf(format, args...))
}

func TestGatewayBehindAWitnessServesAsBefore(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	port := testbed.FreePort(t)
	g := testbed.Start(t, testbed.Options{Host: "127.0.0.2", Port: port, Caddyfile: testbed.Caddyfile(app, box, "")})
	contract.Witness(t, fmt.Sprintf("127.0.0.1:%d", port), g.Addr)

	ann := testbed.NewClient(t, g.URL)
	if _, err := ann.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	page := ann.Do("GET", "/wiki?page=1&page=2;3", "", "X-Forwarded-For", "198.51.100.1")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, `"/wiki?page=1\u0026page=2;3"`) {
		t.Errorf("status %d\n%s", page.Status, page.Body)
	}
	socket, err := ann.Dial("/socket")
	if err != nil {
		t.Fatal(err)
	}
	if err := testbed.Echo(socket, "hello"); err != nil {
		t.Error(err)
	}
	events, err := ann.Listen("/events")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Emit("first"); err != nil {
		t.Fatal(err)
	}
	if got, err := events.Next(); got != "first" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWitnessTellsOfWhatIsNotDocumented(t *testing.T) {
	answers := map[string]string{"/doorward/me": `{"id":"` + someID + `"}`, "/doorward/you": "{}", "/app": "hello"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(r.URL.Path, "/doorward") {
			w.Header().Set("X-Request-Id", request)
		}
		fmt.Fprint(w, answers[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	at := fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))
	heard := &listener{TB: t}
	contract.Witness(heard, at, server.Listener.Addr().String())
	for path, body := range answers {
		response, err := http.Get("http://" + at + path)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(body))
		if _, err := response.Body.Read(got); string(got) != body {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, body)
		}
		response.Body.Close()
	}
	if len(heard.errors) != 1 || !strings.Contains(heard.errors[0], "/doorward/you") {
		t.Errorf("the witness told of %q, want of /doorward/you", heard.errors)
	}
}

func BenchmarkCheck(b *testing.B) {
	document, err := contract.Doorward()
	if err != nil {
		b.Fatal(err)
	}
	e := refused()
	r := httptest.NewRequest(e.method, "http://localhost"+e.path, nil)
	for b.Loop() {
		if err := document.Check(r, nil, &http.Response{StatusCode: e.status, Header: e.header}, []byte(e.body)); err != nil {
			b.Fatal(err)
		}
	}
}
