package enumeration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A stranger asks about one person, from an address of their own, and notes every
// answer as it came over the wire. They keep cookies as a browser does.
type stranger struct {
	t       testing.TB
	house   *house
	from    net.IP
	about   person
	own     string // their own address, if they are signed in
	cookies []*http.Cookie
	notes   []note
	ids     []string // that were seen, in that order
}

// A note is one answer: what was asked for, and all the bytes, but for what is
// random in them.
type note struct{ asked, answer string }

// stranger returns one who asks about p.
func (h *house) stranger(t testing.TB, p person) *stranger {
	return &stranger{t: t, house: h, from: source(), about: p}
}

// An answer is what a stranger reads of one.
type answer struct {
	*http.Response
	body string
}

// send sends a request in the words of the client, and notes the answer.
func (s *stranger) send(method, path, body string, header ...string) answer {
	s.t.Helper()
	raw, err := s.house.exchange(s.from, s.request(method, path, body, header...))
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%s %s: %v in %q", method, path, err, raw)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v in %q", method, path, err, raw)
	}
	s.keep(response.Cookies())
	s.notes = append(s.notes, note{fmt.Sprintf("%d: %s %s", len(s.notes)+1, method, s.hide(path)), s.hide(whole(string(raw)))})
	return answer{response, string(content)}
}

// request returns a request as bytes.
func (s *stranger) request(method, path, body string, header ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n", method, path, s.house.gateway.Port)
	for i := 0; i+1 < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	for i, c := range s.cookies {
		fmt.Fprintf(&b, "%s%s=%s", map[bool]string{true: "Cookie: ", false: "; "}[i == 0], c.Name, c.Value)
	}
	if len(s.cookies) > 0 {
		b.WriteString("\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// exchange sends bytes over a connection of its own and returns all that come back.
func (h *house) exchange(from net.IP, request []byte) ([]byte, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: 20 * time.Second}
	conn, err := dialer.Dial("tcp", h.gateway.Addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	return io.ReadAll(conn)
}

// keep puts cookies into the jar, in the order in which they first came.
func (s *stranger) keep(cookies []*http.Cookie) {
next:
	for _, c := range cookies {
		for i, old := range s.cookies {
			if old.Name == c.Name {
				s.cookies[i] = c
				continue next
			}
		}
		s.cookies = append(s.cookies, c)
	}
}

// call sends JSON as a program does.
func (s *stranger) call(method, path, body string) answer {
	s.t.Helper()
	if body == "" {
		return s.send(method, path, body)
	}
	return s.send(method, path, body, "Content-Type", "application/json")
}

// script is call for a script in a page of the site.
func (s *stranger) script(method, path, body string) answer {
	s.t.Helper()
	return s.send(method, path, body, "Content-Type", "application/json", "Origin", s.house.gateway.URL,
		"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors")
}

// visit asks for a page as a browser does.
func (s *stranger) visit(path string) answer {
	s.t.Helper()
	return s.send("GET", path, "", "Accept", "text/html", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate")
}

// submit sends a form of a page. fields are names and values in turn.
func (s *stranger) submit(path string, fields ...string) answer {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return s.send("POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html",
		"Origin", s.house.gateway.URL, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate")
}

// random is what differs from one answer to the next, whoever it is about.
var random = []struct{ what, with string }{
	{`\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`, "<time>"},
	{`(?m)^Date: .*$`, "Date: <now>"},
	{`(?m)^X-Request-Id: [0-9a-f]{32}`, "X-Request-Id: <request>"},
	{`(?m)^(X-Ratelimit-Reset|Retry-After): [0-9]+`, "$1: <the rest of the hour>"},
	{`-browser=[A-Z2-7]{26};`, "-browser=<text>;"},
	{`data-user-handle="[A-Za-z0-9_-]{22}"`, `data-user-handle="<own handle>"`},
	{`"challenge":"[A-Za-z0-9_-]{43}"`, `"challenge":"<challenge>"`},
}

var uuids = regexp.MustCompile(`\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b`)

var patterns = func() (all []*regexp.Regexp) {
	for _, r := range random {
		all = append(all, regexp.MustCompile(r.what))
	}
	return all
}()

// hide returns text without what is random in it, and without what the stranger
// knows of the person. IDs are numbered: which of them are the same may tell as much
// as anything.
func (s *stranger) hide(text string) string {
	text = uuids.ReplaceAllStringFunc(text, func(id string) string {
		id = strings.ToLower(id)
		if !slices.Contains(s.ids, id) {
			s.ids = append(s.ids, id)
		}
		return fmt.Sprintf("<id %d>", slices.Index(s.ids, id))
	})
	for i, pattern := range patterns {
		text = pattern.ReplaceAllString(text, random[i].with)
	}
	for _, known := range []string{string(s.about.address), s.about.typed} {
		text = strings.ReplaceAll(text, known, "<address>")
	}
	if s.own != "" {
		text = strings.ReplaceAll(text, s.own, "<own address>")
	}
	return text
}

// whole says of the length of a body only whether it is right: a time that ends in
// a zero is shorter than another one.
func whole(raw string) string {
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	return strings.Replace(head, "\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n", "\r\nContent-Length: <that of the body>\r\n", 1) + "\r\n\r\n" + body
}
