package integration

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

func TestSocketCarriesMessagesBothWaysForWhoeverIsSignedIn(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	g := testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(app, box, "")})
	c := testbed.NewClient(t, g.URL)

	if socket, err := c.Dial("/socket"); err == nil {
		socket.Close()
		t.Fatal("a socket opened for somebody who is not signed in")
	}
	handshake := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	if a := c.Do("GET", "/socket", "", handshake...); a.Status != http.StatusUnauthorized {
		t.Errorf("a handshake without a session: status %d, want 401", a.Status)
	}
	if a := c.Do("GET", "/socket", "", append(handshake, "Cookie", "doorward=forged")...); a.Status != http.StatusUnauthorized {
		t.Errorf("a handshake with a forged session: status %d, want 401", a.Status)
	}
	if n := len(app.Requests()); n != 0 {
		t.Fatalf("%d handshakes reached the app", n)
	}

	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	// Any site may open a socket to us with the visitor's cookies, and then read
	// what the app sends.
	if a := c.Do("GET", "/socket", "", append(handshake, "Origin", "https://evil.example")...); a.Status != http.StatusForbidden {
		t.Errorf("a handshake made by another site: status %d, want 403", a.Status)
	}
	if n := len(app.Requests()); n != 0 {
		t.Fatalf("%d handshakes made by another site reached the app", n)
	}
	socket, err := c.Dial("/socket", "Remote-User", "evil", "X_Auth_Token", "evil")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := testbed.Echo(socket, fmt.Sprintf("message %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	seen := app.Requests()[0].Header
	if got := seen["Remote-User"]; len(got) != 1 || got[0] != "ann@example.com" {
		t.Errorf("the app was told of the socket: Remote-User = %q, want ann@example.com", got)
	}
	if got := seen["Cookie"]; got != nil {
		t.Errorf("the app saw cookies of the handshake: %q", got)
	}
	if got := seen["X_auth_token"]; got != nil {
		t.Errorf("the app saw X_Auth_Token: %q", got)
	}

	// Big messages come through whole.
	big := make([]byte, 256<<10)
	for i := range big {
		big[i] = 'a' + byte(i%26)
	}
	if err := testbed.Echo(socket, string(big)); err != nil {
		t.Errorf("a message of %d bytes: %v", len(big), err)
	}
}

// Each event is sent only after the one before has arrived: a buffer anywhere
// between would hold the first one for ever.
func TestEventsArriveOneByOne(t *testing.T) {
	app, box := testbed.StartApp(t), mailtest.Start(t, mailtest.Options{})
	g := testbed.Start(t, testbed.Options{Caddyfile: testbed.Caddyfile(app, box, "")})
	c := testbed.NewClient(t, g.URL)
	if _, err := c.Listen("/events"); err == nil {
		t.Fatal("an event stream opened for somebody who is not signed in")
	}
	if n := len(app.Requests()); n != 0 {
		t.Fatalf("%d requests reached the app", n)
	}
	if _, err := c.SignIn(box, "ann@example.com", "/"); err != nil {
		t.Fatal(err)
	}
	events, err := c.Listen("/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	for i := range 5 {
		want := fmt.Sprintf("event %d", i)
		if err := app.Emit(want); err != nil {
			t.Fatal(err)
		}
		got, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}
