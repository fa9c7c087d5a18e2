package clients

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/doorward/doorward/integration/browser"
	"github.com/doorward/doorward/integration/testbed"
)

// A Client is somebody with a page of the app open in a browser of their own,
// and whatever runs in that page.
type Client struct {
	*browser.Visitor
	Scene *Scene
}

// Client returns somebody who has no page open yet.
func (s *Scene) Client() *Client {
	s.t.Helper()
	return &Client{s.browser.Visitor(s.t, s.Site), s}
}

// Opens a page of the folder pages, which is told where the API is. query has
// names and values in turn.
func (c *Client) Opens(page string, query ...string) {
	c.Scene.t.Helper()
	values := url.Values{"api": {c.Scene.API}}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	c.Visits("/pub/" + page + "?" + values.Encode())
	c.Finds(`String(window.ready)`, "true")
}

// An Outcome is what came of a call: a value, or an error by the name that the
// client library has for it.
type Outcome struct {
	Value      json.RawMessage
	Error      string
	RetryAfter int // of the error, in seconds
}

// Does makes a call in the page, an expression of JavaScript that may be a
// promise, whatever comes of it.
func (c *Client) Does(call string) Outcome {
	c.Scene.t.Helper()
	var o Outcome
	c.Evaluate(fmt.Sprintf(`outcome(() => %s)`, call), &o)
	return o
}

// Gets makes a call that has to succeed, and decodes what it returns into v
// unless that is nil.
func (c *Client) Gets(call string, v any) {
	c.Scene.t.Helper()
	o := c.Does(call)
	if o.Error != "" {
		c.Scene.t.Fatalf("%s: got the error %q, want none", call, o.Error)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(o.Value, v); err != nil {
		c.Scene.t.Fatalf("%s: %v in %s", call, err, o.Value)
	}
}

// Fails makes a call that has to fail in one way.
func (c *Client) Fails(want, call string) Outcome {
	c.Scene.t.Helper()
	o := c.Does(call)
	if o.Error != want {
		c.Scene.t.Fatalf("%s: got %s and the error %q, want %q", call, o.Value, o.Error, want)
	}
	return o
}

// Heard waits until the page has heard of events, in this order, and of no
// others since it was opened or last asked.
func (c *Client) Heard(events ...string) {
	c.Scene.t.Helper()
	c.Finds(`heard.map((e) => e.type).join()`, strings.Join(events, ","))
	c.Runs(`heard.length = 0`)
}

// SeesApp asks the app behind the door for something, in the ways in which the
// session of this layout can get there, and checks that the app learns who asks
// and does not learn the credential.
func (c *Client) SeesApp(address string) {
	t := c.Scene.t
	t.Helper()
	if c.Scene.Apart && !c.Scene.Header {
		// The cookie is the other host's. What it cannot reach stays shut.
		if got := c.Fetches("/whoami").Status; got != 401 {
			t.Errorf("got status %d for the app without a session of its host, want 401", got)
		}
		return
	}
	var seen testbed.Seen
	c.Evaluate(`fetch("/whoami").then((r) => r.json())`, &seen)
	c.check(seen, address)
	if c.Scene.Header {
		seen = testbed.Seen{}
		c.Evaluate(`fetch("/whoami", {
			credentials: "omit", headers: { Authorization: "Bearer " + hanko.session.get().jwt },
		}).then((r) => r.json())`, &seen)
		c.check(seen, address)
	}
}

func (c *Client) check(seen testbed.Seen, address string) {
	t := c.Scene.t
	t.Helper()
	if got := seen.Header.Get("Remote-User"); got != address {
		t.Errorf("the app got Remote-User %q, want %q", got, address)
	}
	for _, name := range []string{"Authorization", "Cookie"} {
		if got := seen.Header.Get(name); strings.Contains(got, "eyJ") {
			t.Errorf("the app got a session token in %s", name)
		}
	}
	claims, err := testbed.Claims(seen.Header.Get("X-Auth-Token"))
	if err != nil {
		t.Errorf("the app got an assertion that cannot be read: %v", err)
		return
	}
	if got, ok := claims["aud"].([]any); !ok || !slices.Equal(got, []any{c.Scene.Site}) {
		t.Errorf("the app got an assertion for %v, want it for %s alone", claims["aud"], c.Scene.Site)
	}
}
