package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// startEvents starts an app that sends one event, and then nothing until its
// client goes away.
func startEvents(t *testing.T) (address string, open *atomic.Int64) {
	t.Helper()
	open = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Add(-1)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.Listener.Addr().String(), open
}

// listen opens an event stream, and returns what is closed when it ends.
func listen(t *testing.T, c *http.Client, url, bearer string) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", "Bearer "+bearer)
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	var first [len("data: hello\n\n")]byte
	if _, err := io.ReadFull(response.Body, first[:]); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the stream: status %d, %v", response.StatusCode, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
	}()
	return ended
}

// wantEnd waits for a stream to end within a second of now.
func wantEnd(t *testing.T, what string, ended <-chan struct{}) {
	t.Helper()
	began := time.Now()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: the stream does not end", what)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("%s: the stream ended after %v, want 1s at most", what, took)
	}
}

func wantOpen(t *testing.T, what string, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
		t.Fatalf("%s: the stream has ended", what)
	default:
	}
}

func TestStreamOfAnOldConfigurationEndsWithItsSession(t *testing.T) {
	dataHome(t)
	upstream, open := startEvents(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(n int) string {
		return fmt.Sprintf("{%s}\n%s {\n\tdoorward {\n\t\tbypass /n%d\n\t}\n\treverse_proxy %s\n}\n", quiet, base, n, upstream)
	}
	if err := load(t, site(0)); err != nil {
		t.Fatal(err)
	}
	ann, bob := signIn(t, running(t), "ann@example.com", base), signIn(t, running(t), "bob@example.com", base)
	c := client(t)
	c.Timeout = 0
	anns, bobs := listen(t, c, base+"/", ann), listen(t, c, base+"/", bob)
	for n := range 3 {
		if err := load(t, site(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	wantOpen(t, "after three reloads", anns)
	if _, err := running(t).operator().disable(t.Context(), "ann@example.com", true); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, "its user was disabled", anns)
	wantOpen(t, "another's", bobs)
	if _, err := running(t).operator().setGroups(t.Context(), "bob@example.com", []string{"staff"}); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, "the app was told other groups", bobs)
	for deadline := time.Now().Add(20 * time.Second); open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams are open at the app", open.Load())
		}
	}
	if keys := pooled(); len(keys) != 3 {
		t.Errorf("in the pool: %q, want a store, its streams and a directory", keys)
	}
}

// Nobody looks after the streams of a store that no configuration uses.
func TestStreamsEndWithTheirStore(t *testing.T) {
	home := dataHome(t)
	upstream, _ := startEvents(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(file string) string {
		return fmt.Sprintf("{%s\n\tdoorward {\n\t\tstore embedded:%s\n\t}\n}\n%s {\n\tdoorward\n\treverse_proxy %s\n}\n",
			quiet, filepath.Join(home, file), base, upstream)
	}
	if err := load(t, site("one.db")); err != nil {
		t.Fatal(err)
	}
	c := client(t)
	c.Timeout = 0
	ended := listen(t, c, base+"/", signIn(t, running(t), "ann@example.com", base))
	if err := load(t, site("two.db")); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, "its store was closed", ended)
}

func TestStreamEndsAtTheIdleLimitOfItsSession(t *testing.T) {
	var ahead atomic.Int64
	defer func(before func() time.Time) { now = before }(now)
	now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	dataHome(t)
	upstream, _ := startEvents(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	if err := load(t, "{"+quiet+"}\n"+base+" {\n\tdoorward\n\treverse_proxy "+upstream+"\n}\n"); err != nil {
		t.Fatal(err)
	}
	c := client(t)
	c.Timeout = 0
	token := signIn(t, running(t), "ann@example.com", base)
	first := listen(t, c, base+"/", token)
	ahead.Add(int64(40 * time.Minute))
	second := listen(t, c, base+"/", token) // she is there
	ahead.Add(int64(40 * time.Minute))
	wantOpen(t, "seen forty minutes ago", first)
	ahead.Add(int64(21 * time.Minute))
	wantEnd(t, "not seen for an hour", first)
	wantEnd(t, "not seen for an hour", second)
	if err := load(t, "{"+quiet+"}\n"); err != nil { // before the clock is put right
		t.Fatal(err)
	}
}

// A reload that refuses people takes their streams from them. One that does not
// come about takes nothing.
func TestReloadEndsTheStreamsThatItsRulesRefuse(t *testing.T) {
	dataHome(t)
	upstream, _ := startEvents(t)
	base, other := fmt.Sprintf("http://localhost:%d", freePort(t)), fmt.Sprintf("http://localhost:%d", freePort(t))
	guarded := func(base, rules string) string {
		return fmt.Sprintf("%s {\n%s\n\treverse_proxy %s\n}\n", base, rules, upstream)
	}
	allow := func(patterns string) string { return "\tdoorward {\n\t\tallow " + patterns + "\n\t}" }
	configure := func(sites ...string) error { return load(t, "{"+quiet+"}\n"+strings.Join(sites, "")) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	must(configure(guarded(base, allow("*@example.com")), guarded(other, allow("*@example.com"))))
	tokens := map[string]string{}
	for _, name := range []string{"ann", "bob"} {
		for _, site := range []string{base, other} {
			tokens[name+site] = signIn(t, running(t), name+"@example.com", site)
		}
	}
	open := func(name, site string) <-chan struct{} {
		t.Helper()
		c := client(t)
		c.Timeout = 0
		return listen(t, c, site+"/", tokens[name+site])
	}
	anns, bobs, annsOther, bobsOther := open("ann", base), open("bob", base), open("ann", other), open("bob", other)

	taken, err := net.Listen("tcp", "localhost:0")
	must(err)
	defer taken.Close()
	if configure(guarded(base, allow("bob@example.com")), "http://"+taken.Addr().String()+" {\n\trespond taken\n}\n") == nil {
		t.Fatal("a configuration starts whose port is taken")
	}
	wantOpen(t, "the new configuration did not start", anns)
	wantOpen(t, "the new configuration did not start", annsOther)

	must(configure(guarded(base, allow("bob@example.com")), guarded(other, allow("*@example.com"))))
	wantEnd(t, "ann's, whom the site admits no more", anns)
	wantOpen(t, "bob's, whom it admits", bobs)
	wantOpen(t, "ann's, at a site with the rules of before", annsOther)
	if got := send(t, client(t), "GET", base+"/", "", "Authorization", "Bearer "+tokens["ann"+base]); got.status != http.StatusForbidden {
		t.Errorf("ann's next request: status %d, want 403", got.status)
	}

	// What one door of a site refuses, another may admit.
	must(configure(guarded(base, "\tdoorward /admin/* {\n\t\tallow group:admins\n\t}\n"+allow("bob@example.com")), guarded(other, allow("ann@example.com"))))
	wantEnd(t, "bob's, whom the other site admits no more", bobsOther)
	wantOpen(t, "bob's, whom one of two doors admits", bobs)

	must(configure(guarded(base, allow("*@example.com")), guarded(other, "")))
	wantEnd(t, "ann's, at a site that has no door any more", annsOther)
	wantOpen(t, "bob's, whom the site still admits", bobs)
	anns = open("ann", base)
	must(configure(guarded(base, allow("*@example.com")), guarded(other, allow("*@example.com"))))
	wantOpen(t, "ann's, whom the site admits again", anns)
	wantOpen(t, "bob's", bobs)
}

// The requests that an old configuration has in its hands were let in by its
// rules. It may let go of them after it was cleaned up.
func TestStreamThatAnOldDoorLetsInIsJudgedByTheNewRules(t *testing.T) {
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	site := func(pattern string) string {
		return "{" + quiet + "}\n" + base + " {\n\tdoorward {\n\t\tallow " + pattern + "\n\t}\n\trespond ok\n}\n"
	}
	if err := load(t, site("*@example.com")); err != nil {
		t.Fatal(err)
	}
	old := running(t)
	ann, bob := signIn(t, old, "ann@example.com", base), signIn(t, old, "bob@example.com", base)
	if err := load(t, site("bob@example.com")); err != nil {
		t.Fatal(err)
	}
	for token, admitted := range map[string]bool{ann: false, bob: true} {
		v, err := old.core.sessions.Check(t.Context(), token, base)
		if err != nil {
			t.Fatal(err)
		}
		stream, stop := old.core.sessions.Stream(t.Context(), v, base)
		if got := stream.Err() == nil; got != admitted {
			t.Errorf("%s: the stream is open: %v, want %v", v.Identity.Email, got, admitted)
		}
		stop()
	}
}

func TestWhatStaysOpenIsKnownByItsRequest(t *testing.T) {
	for _, tt := range []struct {
		name, method string
		header       []string
		want         bool
	}{
		{"a page", "GET", []string{"Accept", "text/html,*/*;q=0.8"}, false},
		{"a form", "POST", nil, false},
		{"an EventSource", "GET", []string{"Accept", "text/event-stream"}, true},
		{"an EventSource in another case", "GET", []string{"Accept", "Text/Event-Stream"}, true},
		{"an EventSource among others", "GET", []string{"Accept", "application/x-thing, */*;q=0.1, text/EVENT-stream;q=0.5"}, true},
		{"half an EventSource", "GET", []string{"Accept", "text/event-strea, ext/event-stream, /event-stream, text/event, stream-event/text, text/event-"}, false},
		{"a client that takes both", "POST", []string{"Accept", "application/json, text/event-stream"}, true},
		{"a WebSocket", "GET", []string{"Connection", "Upgrade", "Upgrade", "websocket"}, true},
		{"another protocol", "GET", []string{"Connection", "Upgrade", "Upgrade", "h2c"}, false},
		{"a WebSocket over HTTP/2", "CONNECT", []string{":protocol", "websocket"}, true},
		{"another protocol over HTTP/2", "CONNECT", []string{":protocol", "connect-udp"}, false},
		{"a tunnel over HTTP/2", "CONNECT", nil, false},
		{"a tunnel that says it is a WebSocket", "CONNECT", []string{"Connection", "Upgrade", "Upgrade", "websocket"}, false},
	} {
		r := httptest.NewRequest(tt.method, "http://localhost/", nil)
		if tt.method == "CONNECT" {
			r.Proto, r.ProtoMajor = "HTTP/2.0", 2
		}
		for i := 0; i+1 < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		if got := stripUpgrade(r) || wantsEvents(r); got != tt.want {
			t.Errorf("%s: it is taken to stay open: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// stubborn are handlers that do not look at a request's context: one waits for
// what comes next, and one for a client that does not read.
var stubborn = []struct {
	name  string
	serve func(w http.ResponseWriter, free <-chan struct{})
}{
	{"waits for the app", func(w http.ResponseWriter, free <-chan struct{}) {
		_ = http.NewResponseController(w).Flush()
		<-free
	}},
	{"waits for the client", func(w http.ResponseWriter, _ <-chan struct{}) {
		_ = http.NewResponseController(w).Flush()
		for block := make([]byte, 1<<20); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}},
}

func TestHandlerThatDoesNotLookUpLosesItsClient(t *testing.T) {
	for _, s := range stubborn {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(s.name+" over "+proto, func(t *testing.T) {
				free, returned := make(chan struct{}), make(chan struct{})
				ctx, end := context.WithCancelCause(t.Context())
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(returned)
					// As in Caddy, there are writers around the server's own.
					w = &caddyhttp.ResponseWriterWrapper{ResponseWriter: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
					defer cutOff(ctx, w, r)()
					s.serve(w, free)
				}))
				server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
					return context.WithValue(ctx, connectionKey{}, c)
				}
				server.EnableHTTP2 = proto == "HTTP/2.0"
				server.StartTLS()
				defer server.Close()
				response, err := server.Client().Get(server.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				if response.Proto != proto {
					t.Fatalf("protocol %s, want %s", response.Proto, proto)
				}
				end(errors.New("the session has ended"))
				ended := make(chan struct{})
				if strings.HasSuffix(s.name, "client") { // which reads nothing
					go func() {
						<-returned
						close(ended)
					}()
				} else {
					go func() {
						defer close(ended)
						if _, err := io.Copy(io.Discard, response.Body); err == nil {
							t.Error("the client takes the response for complete")
						}
					}()
				}
				wantEnd(t, "a handler that goes on", ended)
				close(free)
				select {
				case <-returned:
				case <-time.After(20 * time.Second):
					t.Fatal("the handler does not return")
				}
			})
		}
	}
}

// A handler that ends a stream by itself is not disturbed: its client gets all of
// it, and keeps the connection.
func TestHandlerThatLooksUpKeepsItsClient(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer cutOff(ctx, w, r)()
		_ = http.NewResponseController(w).Flush()
		<-ctx.Done()
		_, _ = io.WriteString(w, "goodbye")
	}))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	end(errors.New("the session has ended"))
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "goodbye" {
		t.Errorf("the client got %q, %v, want goodbye", body, err)
	}
}

func BenchmarkWantsEvents(b *testing.B) {
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8")
	b.ReportAllocs()
	for b.Loop() {
		if wantsEvents(r) {
			b.Fatal("a page is taken for an event stream")
		}
	}
}
