package attacks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// A Line is a connection that is kept for many requests, where a test has
// hundreds of them to send and each is one that the gateway can read.
type Line struct {
	s    *Scene
	site string
	conn net.Conn
	in   *bufio.Reader
}

// Line returns a connection to a site, which is opened once it is used, and anew
// whenever the gateway has closed it.
func (s *Scene) Line(site string) *Line { return &Line{s: s, site: site} }

// Get asks for a target with GET.
func (l *Line) Get(target string, fields ...string) Answer {
	l.s.T.Helper()
	return l.send("GET", target, "", fields)
}

// Form sends a form of one of Doorward's pages, as a browser does.
func (l *Line) Form(target, body string, fields ...string) Answer {
	l.s.T.Helper()
	return l.send("POST", target, body, append([]string{
		"Content-Type: application/x-www-form-urlencoded", "Accept: text/html", "Origin: " + l.s.Origin(l.site),
		"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: same-origin",
	}, fields...))
}

func (l *Line) send(method, target, body string, fields []string) Answer {
	l.s.T.Helper()
	if l.conn == nil {
		l.conn = l.s.Dial(l.site)
		l.in = bufio.NewReader(l.conn)
	}
	fields = append([]string{"Connection: keep-alive", fmt.Sprintf("Content-Length: %d", len(body))}, fields...)
	if _, err := io.WriteString(l.conn, l.s.Request(l.site, method, target, fields...)+body); err != nil {
		l.s.T.Fatalf("%s %s: %v", method, target, err)
	}
	response, err := http.ReadResponse(l.in, &http.Request{Method: method})
	if err != nil {
		l.s.T.Fatalf("%s %s: %v", method, target, err)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		l.s.T.Fatalf("%s %s: %v", method, target, err)
	}
	if response.Close {
		l.conn.Close()
		l.conn = nil
	}
	return l.s.Note(Answer{l.site, target, response.StatusCode, response.Header, string(content), response.Cookies()})
}

// Jar is what a browser keeps of the cookies of one site.
type Jar map[string]string

// Keep takes the cookies that an answer sets, and drops those that it clears.
func (j Jar) Keep(a Answer) {
	for _, c := range a.Cookies {
		if c.MaxAge < 0 {
			delete(j, c.Name)
			continue
		}
		j[c.Name] = c.Value
	}
}

// Field returns the header field that sends them: "Cookie: ...". Without any it is
// one that nobody reads, since a list of fields has no place for none.
func (j Jar) Field() string {
	var pairs []string
	for name, value := range j {
		pairs = append(pairs, name+"="+value)
	}
	if len(pairs) == 0 {
		return "X-No-Cookie: 1"
	}
	return "Cookie: " + strings.Join(pairs, "; ")
}
