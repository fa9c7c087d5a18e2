//go:build unix

package storetest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// commandPatience is how long a server may take to answer Do.
const commandPatience = 5 * time.Second

// Do sends a command over a connection of its own, and returns the answer: a
// string, an int64, nil, or a []any of those. It is for what a store does not do:
// settings, users, faults. An answer that is an error is returned as one.
func (r *Redis) Do(command ...string) (any, error) {
	if r.paused || r.server == nil {
		return nil, errors.New("the server is stopped or paused")
	}
	conn, err := r.dial()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(commandPatience)); err != nil {
		return nil, err
	}
	request := fmt.Appendf(nil, "*%d\r\n", len(command))
	for _, word := range command {
		request = fmt.Appendf(request, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	return readAnswer(bufio.NewReader(conn))
}

// Must is Do for a command that has to succeed.
func (r *Redis) Must(command ...string) any {
	r.t.Helper()
	answer, err := r.Do(command...)
	if err != nil {
		r.t.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	return answer
}

// text is Do for a command that answers with text; no answer is none.
func (r *Redis) text(command ...string) string {
	answer, _ := r.Do(command...)
	text, _ := answer.(string)
	return text
}

// info returns one field of what INFO or CLUSTER INFO says.
func (r *Redis) info(field string, command ...string) string {
	for line := range strings.Lines(r.text(command...)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (r *Redis) dial() (net.Conn, error) {
	dialer := &net.Dialer{Timeout: commandPatience}
	if r.certificates != nil {
		return tls.DialWithDialer(dialer, "tcp", r.Addr, r.certificates.Config())
	}
	return dialer.Dial("tcp", r.Addr)
}

// readAnswer reads one value of the Redis protocol, version 2.
func readAnswer(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, errors.New("an empty line is no answer")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return nil, errors.New(rest)
	}
	n, err := strconv.Atoi(rest)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading an answer: %w", err)
	case kind == ':':
		return int64(n), nil
	case n < 0:
		return nil, nil
	case kind == '$':
		text := make([]byte, n+len("\r\n"))
		_, err := io.ReadFull(r, text)
		return string(text[:n]), err
	case kind == '*':
		list := make([]any, n)
		for i := range list {
			if list[i], err = readAnswer(r); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return nil, fmt.Errorf("reading an answer: unknown kind %q", kind)
}
