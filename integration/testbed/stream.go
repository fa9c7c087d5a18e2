package testbed

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/websocket"
)

// Dial opens a WebSocket, with the client's cookies and further header fields,
// names and values in turn.
func (c *Client) Dial(path string, header ...string) (*websocket.Conn, error) {
	c.t.Helper()
	config, err := websocket.NewConfig("ws"+strings.TrimPrefix(c.Base, "http")+path, c.Base)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		config.Header.Add(header[i], header[i+1])
	}
	base, err := url.Parse(c.Base)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range c.HTTP.Jar.Cookies(base) {
		config.Header.Add("Cookie", cookie.Name+"="+cookie.Value)
	}
	conn, err := websocket.DialConfig(config)
	if err != nil {
		return nil, err
	}
	c.t.Cleanup(func() { conn.Close() })
	return conn, nil
}

// Echo sends a message on a WebSocket and waits until the same one comes back.
func Echo(conn *websocket.Conn, message string) error {
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if err := websocket.Message.Send(conn, message); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	var got string
	if err := websocket.Message.Receive(conn, &got); err != nil {
		return fmt.Errorf("receiving: %w", err)
	}
	if got != message {
		return fmt.Errorf("the socket echoed %q, want %q", got, message)
	}
	return nil
}

// Events are the server-sent events of one response.
type Events struct {
	lines  chan string
	cancel context.CancelFunc
}

// Listen opens an event stream, which ends with the test.
func (c *Client) Listen(path string) (*Events, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, "GET", c.Base+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	client := *c.HTTP
	client.Timeout = 0
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("listening for events: status %d", response.StatusCode)
	}
	e := &Events{lines: make(chan string), cancel: cancel}
	go func() {
		defer response.Body.Close()
		defer close(e.lines)
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			select {
			case e.lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return e, nil
}

// Next waits for the data of the next event.
func (e *Events) Next() (string, error) {
	timeout := time.After(10 * time.Second)
	for {
		select {
		case line, open := <-e.lines:
			if !open {
				return "", fmt.Errorf("the event stream ended")
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				return data, nil
			}
		case <-timeout:
			return "", fmt.Errorf("no event arrived")
		}
	}
}

// Close ends the stream.
func (e *Events) Close() { e.cancel() }
