package testbed

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/integration/contract"
	"github.com/doorward/doorward/mail/mailtest"
)

// A Client is a browser without a screen, or a program: it keeps cookies and
// follows no redirect by itself. Its test fails if Doorward answers it with
// anything that docs/openapi.yaml does not allow.
type Client struct {
	Base string
	HTTP *http.Client
	Wire *http.Transport // below the checks of HTTP

	t testing.TB
}

// NewClient returns a client of the gateway at base.
func NewClient(t testing.TB, base string) *Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	wire := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the test's own CA
	c := &Client{Base: base, Wire: wire, t: t, HTTP: &http.Client{
		Jar:           jar,
		Timeout:       30 * time.Second,
		Transport:     contract.Transport{Base: wire, T: t},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(c.HTTP.CloseIdleConnections)
	return c
}

// An Answer is a response that has been read.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Proto  string // "HTTP/1.1"
}

// JSON decodes the body.
func (a Answer) JSON(v any) error { return json.Unmarshal([]byte(a.Body), v) }

// Do sends a request. header has names and values in turn; Host is one.
func (c *Client) Do(method, path, body string, header ...string) Answer {
	c.t.Helper()
	request, err := http.NewRequest(method, c.Base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
			continue
		}
		request.Header.Add(header[i], header[i+1])
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	var content bytes.Buffer
	if _, err := io.Copy(&content, response.Body); err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return Answer{response.StatusCode, response.Header, content.String(), response.Proto}
}

// Navigate asks for a page as a person's browser does.
func (c *Client) Navigate(path string) Answer {
	c.t.Helper()
	return c.Do("GET", path, "", "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none")
}

// Submit sends a form of one of Doorward's pages.
func (c *Client) Submit(path string, fields ...string) Answer {
	c.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return c.Do("POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html",
		"Origin", c.Base, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin")
}

// Call sends JSON as a program does, and decodes the answer into v if the status
// is 2xx. body is marshalled unless it is a string.
func (c *Client) Call(method, path string, body, v any, header ...string) Answer {
	c.t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		text = string(encoded)
	}
	if text != "" {
		header = append(header, "Content-Type", "application/json")
	}
	answer := c.Do(method, path, text, header...)
	if v != nil && answer.Status/100 == 2 {
		if err := answer.JSON(v); err != nil {
			c.t.Fatalf("%s %s: %v in %q", method, path, err, answer.Body)
		}
	}
	return answer
}

// SignIn signs in with a passcode, by Doorward's pages, and returns where they
// lead afterwards.
func (c *Client) SignIn(mailbox *mailtest.Mailbox, address, target string) (location string, err error) {
	c.t.Helper()
	sent := c.Submit("/doorward/login", "email", address, "return", target)
	if sent.Status != http.StatusSeeOther {
		return "", fmt.Errorf("asking for a passcode: status %d\n%s", sent.Status, sent.Body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	letter, err := mailbox.Next(ctx)
	if err != nil {
		return "", fmt.Errorf("waiting for the letter: %w", err)
	}
	in := c.Submit("/doorward/login/passcode", "passcode", letter.Passcode(), "return", target)
	if in.Status != http.StatusSeeOther {
		return "", fmt.Errorf("sending the passcode: status %d\n%s", in.Status, in.Body)
	}
	return in.Header.Get("Location"), nil
}

// Cookie returns the value of a cookie that the client would send, or "".
func (c *Client) Cookie(name string) string {
	base, err := url.Parse(c.Base)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range c.HTTP.Jar.Cookies(base) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// Claims returns the claims of a JWT, which it does not verify.
func Claims(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%q is not a JWT", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	return claims, json.Unmarshal(raw, &claims)
}
