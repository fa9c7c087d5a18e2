package enumeration

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
)

// startPostbox starts a mail server that throws every letter away, and returns its
// URL. A real one is on another machine: the work that mailtest has with a letter, in
// the process that holds the clock, would be taken for the gateway's.
func startPostbox(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go takeLetters(conn)
		}
	}()
	return "smtp://" + listener.Addr().String() + "?starttls=off"
}

// takeLetters is the server's part of a conversation (RFC 5321).
func takeLetters(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "220 postbox\r\n")
	lines := bufio.NewScanner(conn)
	for inLetter := false; lines.Scan(); {
		switch command := strings.ToUpper(lines.Text()); {
		case inLetter && command != ".":
			continue
		case command == "DATA":
			inLetter = true
			fmt.Fprint(conn, "354 go on\r\n")
			continue
		case command == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		}
		inLetter = false
		fmt.Fprint(conn, "250 ok\r\n")
	}
}
