package testbed

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/doorward/doorward/integration/logs"
)

// An App is a server behind a gateway. It answers every request with what it was
// sent, as JSON; /events sends server-sent events, and /socket is a WebSocket
// that echoes.
type App struct {
	Addr string // host:port

	mu       sync.Mutex
	requests []Seen
	events   chan string
}

// Seen is a request as it reached the app.
type Seen struct {
	Method, URI, Host string
	Header            http.Header
	Trailer           http.Header
	At                time.Time `json:"-"` // when it arrived
}

// StartApp starts an app on a free port.
func StartApp(t testing.TB) *App {
	t.Helper()
	a := &App{events: make(chan string)}
	mux := http.NewServeMux()
	mux.HandleFunc("/", a.echo)
	mux.HandleFunc("/events", a.serveEvents)
	mux.Handle("/socket", a.note(websocket.Server{Handler: func(c *websocket.Conn) {
		var message string
		for websocket.Message.Receive(c, &message) == nil {
			if websocket.Message.Send(c, message) != nil {
				return
			}
		}
	}}))
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	a.Addr = server.Listener.Addr().(*net.TCPAddr).String()
	return a
}

// note records requests before they are served.
func (a *App) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.add(r)
		next.ServeHTTP(w, r)
	})
}

func (a *App) add(r *http.Request) Seen {
	logs.Seen.Add(logs.Assertion, r.Header.Get("X-Auth-Token"))
	logs.Seen.Person(r.Header.Get("Remote-Email"))
	seen := Seen{r.Method, r.RequestURI, r.Host, r.Header.Clone(), r.Trailer.Clone(), time.Now()}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, seen)
	return seen
}

func (a *App) echo(w http.ResponseWriter, r *http.Request) {
	var sink [32 << 10]byte
	for {
		if _, err := r.Body.Read(sink[:]); err != nil {
			break
		}
	}
	seen := a.add(r)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen)
}

// Emit sends one server-sent event to whoever listens at /events, and waits
// until it is taken.
func (a *App) Emit(data string) error {
	select {
	case a.events <- data:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("nobody listens for events")
	}
}

func (a *App) serveEvents(w http.ResponseWriter, r *http.Request) {
	a.add(r)
	w.Header().Set("Content-Type", "text/event-stream")
	controller := http.NewResponseController(w)
	_ = controller.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case data := <-a.events:
			fmt.Fprintf(w, "data: %s\n\n", data)
			_ = controller.Flush()
		}
	}
}

// Requests returns what reached the app so far.
func (a *App) Requests() []Seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Seen(nil), a.requests...)
}

// Forget makes the app forget the requests so far.
func (a *App) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = nil
}
