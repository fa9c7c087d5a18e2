package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
	"github.com/doorward/doorward/store/storetest"
)

// An open stream is a WebSocket or an event stream on which nobody says anything.
type openStream struct {
	name  string
	ended chan time.Time
}

// openSocket opens a WebSocket with a client's cookies.
func openSocket(t *testing.T, c *testbed.Client) *openStream {
	t.Helper()
	socket, err := c.Dial("/socket")
	if err != nil {
		t.Fatal(err)
	}
	if err := testbed.Echo(socket, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := socket.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	s := &openStream{"the socket", make(chan time.Time, 1)}
	go func() {
		var message string
		_ = websocket.Message.Receive(socket, &message)
		s.ended <- time.Now()
	}()
	return s
}

// openEvents opens an event stream, with header fields beside its own.
func openEvents(t *testing.T, client *http.Client, base string, header ...string) *openStream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, "GET", base+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	patient := *client
	patient.Timeout = 0
	response, err := patient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the event stream: status %d", response.StatusCode)
	}
	s := &openStream{"the event stream over " + response.Proto, make(chan time.Time, 1)}
	go func() {
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		s.ended <- time.Now()
	}()
	return s
}

// wantEnd waits for the end, and wants it between two moments after since.
func (s *openStream) wantEnd(t *testing.T, why string, since time.Time, least, most time.Duration) {
	t.Helper()
	select {
	case at := <-s.ended:
		if took := at.Sub(since); took < least || took > most {
			t.Errorf("%s: %s ended after %v, want %v to %v", why, s.name, took, least, most)
		}
	case <-time.After(most + 20*time.Second):
		t.Errorf("%s: %s is still open", why, s.name)
	}
}

func (s *openStream) wantOpen(t *testing.T, when string) {
	t.Helper()
	select {
	case <-s.ended:
		t.Errorf("%s: %s has ended", when, s.name)
	default:
	}
}

// endings are what ends the streams of the owner of address, whose browser c is.
var endings = []struct {
	name string
	end  func(g *testbed.Gateway, c *testbed.Client, address string) error
}{
	{"signing out", func(_ *testbed.Gateway, c *testbed.Client, _ string) error {
		if a := c.Do("POST", "/doorward/logout", ""); a.Status != http.StatusNoContent {
			return fmt.Errorf("signing out: status %d", a.Status)
		}
		return nil
	}},
	{"sessions end", operates("sessions", "end", "$USER", "--all")},
	{"users groups", operates("users", "groups", "$USER", "staff")},
	{"users disable", operates("users", "disable", "$USER")},
	{"users remove", operates("users", "remove", "$USER")},
}

func operates(args ...string) func(*testbed.Gateway, *testbed.Client, string) error {
	return func(g *testbed.Gateway, _ *testbed.Client, address string) error {
		command := strings.Fields(strings.ReplaceAll(strings.Join(args, " "), "$USER", address))
		if output, err := g.Run(command...); err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	}
}

func TestOpenStreamsEndWithTheirSession(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	plain := testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(app, box, "")})
	secure := testbed.Start(t, testbed.Options{HTTPS: true, Caddyfile: strings.Replace(
		testbed.Caddyfile(app, box, "", "auto_https disable_redirects"), "http://localhost:$PORT {", "https://localhost:$PORT {\n\ttls internal", 1)})
	signIn := func(g *testbed.Gateway, address string) *testbed.Client {
		c := testbed.NewClient(t, g.URL)
		c.Wire.ForceAttemptHTTP2 = true
		if _, err := c.SignIn(box, address, "/"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	others := []*openStream{openSocket(t, signIn(plain, "other@example.com")), openEvents(t, signIn(secure, "other@example.com").HTTP, secure.URL)}
	for i, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			address := fmt.Sprintf("user%d@example.com", i)
			c := signIn(plain, address)
			streams := []*openStream{openSocket(t, c), openEvents(t, c.HTTP, plain.URL)}
			began := time.Now()
			if err := e.end(plain, c, address); err != nil {
				t.Fatal(err)
			}
			// What runs the command takes its time, too.
			done := time.Now()
			for _, s := range streams {
				s.wantEnd(t, e.name, done, began.Sub(done), time.Second)
			}
			c = signIn(secure, address)
			stream := openEvents(t, c.HTTP, secure.URL)
			if !strings.HasSuffix(stream.name, "HTTP/2.0") {
				t.Fatalf("it is %s, want HTTP/2", stream.name)
			}
			began = time.Now()
			if err := e.end(secure, c, address); err != nil {
				t.Fatal(err)
			}
			done = time.Now()
			stream.wantEnd(t, e.name, done, began.Sub(done), time.Second)
		})
	}
	for _, s := range others {
		s.wantOpen(t, "another user's")
	}
}

// Two gateways on one Redis serve one site; the stream is open on one, and its
// session is ended on the other.
func TestStreamEndsOnTheOtherNodeAlsoIfThatCannotBeTold(t *testing.T) {
	const checkInterval = 3 * time.Second
	redis := storetest.StartRedis(t)
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	shared, port := t.TempDir(), testbed.FreePort(t)
	node := func(address string) *testbed.Program {
		g := testbed.Start(t, testbed.Options{Port: port, Host: address, Caddyfile: testbed.Caddyfile(app, box, "store "+redis.URL()+`
		directory embedded:`+shared+`/directory.db
		secret 5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo
		session {
			check_interval `+checkInterval.String()+`
		}`)})
		return testbed.NewProgram(t, g, "")
	}
	here, there := node("127.0.0.1"), node("127.0.0.2")
	for _, tt := range []struct {
		name, command string
		most          time.Duration
	}{
		{"the other node is told", "", time.Second},
		{"nobody can publish", "ACL SETUSER default -publish", checkInterval + time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.command != "" {
				tellRedis(t, redis, tt.command)
			}
			begun, err := here.Begin(t.Context(), box, "ann@example.com")
			if err != nil {
				t.Fatal(err)
			}
			token, err := here.Finish(begun)
			if err != nil {
				t.Fatal(err)
			}
			stream := openEvents(t, there.HTTP, there.Base, "Authorization", "Bearer "+token)
			// A round later it is looked after as any other.
			<-time.After(checkInterval)
			stream.wantOpen(t, "before")
			began := time.Now()
			if _, err := here.Want(http.StatusNoContent, "POST", "/doorward/logout", token, nil); err != nil {
				t.Fatal(err)
			}
			stream.wantEnd(t, tt.name, began, 0, tt.most)
		})
	}
}

// tellRedis sends one command that is to be answered with OK.
func tellRedis(t *testing.T, redis *storetest.Redis, command string) {
	t.Helper()
	conn, err := net.Dial("tcp", redis.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		t.Fatal(err)
	}
	var answer [5]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil || string(answer[:]) != "+OK\r\n" {
		t.Fatalf("%s: %q, %v, want OK", command, answer, err)
	}
}

// A stream that nobody can look after any more ends: requests are refused then,
// too.
func TestStreamsEndSomeSecondsAfterTheStoreIsAway(t *testing.T) {
	redis := storetest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	g := testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(app, box, "store "+redis.URL()+`
		secret 5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo
		session {
			check_interval 100ms
		}`)})
	c := testbed.NewClient(t, g.URL)
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	streams := []*openStream{openSocket(t, c), openEvents(t, c.HTTP, g.URL)}
	redis.Stop()
	<-time.After(time.Second)
	redis.Restart()
	testbed.Eventually(t, 30*time.Second, "the gateway to be back in service", func() bool { return c.Navigate("/").Status == http.StatusOK })
	<-time.After(6 * time.Second)
	for _, s := range streams {
		s.wantOpen(t, "the store was away for a second")
	}
	began := time.Now()
	redis.Stop()
	for _, s := range streams {
		s.wantEnd(t, "the store is away", began, 4*time.Second, 7*time.Second)
	}
	if a := c.Do("GET", "/events", "", "Accept", "text/event-stream"); a.Status != http.StatusServiceUnavailable {
		t.Errorf("opening it again: status %d, want 503", a.Status)
	}
}
