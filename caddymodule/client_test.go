package caddymodule

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/mail/mailtest"
)

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

// fetch sends a request. header has names and values in turn.
func fetch(client *http.Client, method, url, body string, header ...string) (answer, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	request.Host = request.Header.Get("Host")
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(content)}, err
}

// send is fetch for requests that have to be answered. While Go's server shuts
// down, it closes connections whose request no handler has seen yet, and the
// kernel resets those that wait at a closed socket: such a request is sent again.
func send(t testing.TB, client *http.Client, method, url, body string, header ...string) answer {
	t.Helper()
	got, err := fetch(client, method, url, body, header...)
	for tries := 0; err != nil && tries < 5; tries++ {
		got, err = fetch(client, method, url, body, header...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// client returns an HTTP client that follows no redirects.
func client(t testing.TB) *http.Client {
	c := &http.Client{
		Transport:     &http.Transport{},
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// initialize begins a passcode ceremony and returns its ID.
func initialize(t testing.TB, c *http.Client, base, address string) string {
	t.Helper()
	begun := send(t, c, "POST", base+"/doorward/passcode/login/initialize", `{"email":"`+address+`"}`, "Content-Type", "application/json")
	var body struct{ ID string }
	if err := json.Unmarshal([]byte(begun.body), &body); err != nil || begun.status != http.StatusOK {
		t.Fatalf("initialize: status %d, %v: %s", begun.status, err, begun.body)
	}
	return body.ID
}

func finalize(t testing.TB, c *http.Client, base, id, passcode string) answer {
	t.Helper()
	return send(t, c, "POST", base+"/doorward/passcode/login/finalize", `{"id":"`+id+`","code":"`+passcode+`"}`, "Content-Type", "application/json")
}

// next waits for a letter.
func next(t testing.TB, box *mailtest.Mailbox) mailtest.Letter {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	letter, err := box.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

// wrong returns a passcode that is not the right one.
func wrong(passcode string) string {
	if passcode == "000000" {
		return "000001"
	}
	return "000000"
}
