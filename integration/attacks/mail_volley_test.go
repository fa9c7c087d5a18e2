package attacks

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	initialize = "/doorward/passcode/login/initialize"
	finalize   = "/doorward/passcode/login/finalize"
)

// volley sends requests to one endpoint at the same moment: each is on a connection
// of its own, all but its last byte has been sent already, and the last bytes follow
// together.
func (s *Scene) volley(site, target string, bodies []any) []Answer {
	s.T.Helper()
	type shot struct {
		conn io.ReadWriteCloser
		last string
	}
	var shots []shot
	for _, body := range bodies {
		content, err := json.Marshal(body)
		if err != nil {
			s.T.Fatal(err)
		}
		request := s.Request(site, "POST", target, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(content))) + string(content)
		conn := s.Dial(site)
		if _, err := io.WriteString(conn, request[:len(request)-1]); err != nil {
			s.T.Fatal(err)
		}
		shots = append(shots, shot{conn, request[len(request)-1:]})
	}
	answers, failures := make([]Answer, len(shots)), make([]error, len(shots))
	var all sync.WaitGroup
	start := make(chan struct{})
	for i, shot := range shots {
		all.Go(func() {
			defer shot.conn.Close()
			<-start
			if _, failures[i] = io.WriteString(shot.conn, shot.last); failures[i] != nil {
				return
			}
			response, err := http.ReadResponse(bufio.NewReader(shot.conn), &http.Request{Method: "POST"})
			if failures[i] = err; err != nil {
				return
			}
			body, err := io.ReadAll(response.Body)
			failures[i] = err
			answers[i] = Answer{site, target, response.StatusCode, response.Header, string(body), response.Cookies()}
		})
	}
	close(start)
	all.Wait()
	for i, a := range answers {
		if failures[i] != nil {
			s.T.Fatalf("shot %d: %v", i, failures[i])
		}
		s.Note(a)
	}
	return answers
}

// outcomes counts answers by what outcome says of them.
func outcomes(answers []Answer) map[string]int {
	counts := make(map[string]int)
	for _, a := range answers {
		counts[outcome(a)]++
	}
	return counts
}

// outcome is "200", or what ends the type of a problem: "wrong_passcode".
func outcome(a Answer) string {
	var problem struct{ Type string }
	if err := json.Unmarshal([]byte(a.Body), &problem); err == nil {
		for i := len(problem.Type) - 1; i >= 0; i-- {
			if problem.Type[i] == '#' {
				return problem.Type[i+1:]
			}
		}
	}
	return fmt.Sprint(a.Status)
}

// begin begins a passcode ceremony by what names somebody, and returns its ID: of
// answers other than 200, nothing.
func (s *Scene) begin(site string, named map[string]string) (id string, a Answer) {
	s.T.Helper()
	a = s.Post(site, initialize, named)
	if a.Status == http.StatusOK {
		var begun Proof
		a.JSON(s.T, &begun)
		id = begun.ID
	}
	return id, a
}

// wrongFor returns n passcodes other than the right one.
func wrongFor(code string, n int) (codes []string) {
	for i := 0; len(codes) < n; i++ {
		if c := fmt.Sprintf("%06d", 100000+7919*i%800000); c != code {
			codes = append(codes, c)
		}
	}
	return codes
}

// shut fails the test if an answer signed somebody in.
func (s *Scene) shut(what string, a Answer) {
	s.T.Helper()
	if a.Status/100 == 2 || a.Cookie("__Host-doorward") != "" || a.Header.Get("X-Auth-Token") != "" {
		s.T.Errorf("%s signed somebody in: %v", what, a)
	}
}

// inOneHour waits for the next hour if this one ends within half a minute: budgets are
// by the hour, and what a test spends of them has to be of one.
func (s *Scene) inOneHour() {
	if left := time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)); left < 30*time.Second {
		<-time.After(left)
	}
}

// lettersTo counts the letters to an address, when none has arrived for a second:
// that none follows is not to be seen sooner.
func (s *Scene) lettersTo(address string) (n int) {
	s.T.Helper()
	arrived, last := len(s.Mailbox.All()), time.Now()
	s.Eventually("a second without letters", func() bool {
		if now := len(s.Mailbox.All()); now != arrived {
			arrived, last = now, time.Now()
		}
		return time.Since(last) > time.Second
	})
	for _, letter := range s.Mailbox.All() {
		if slices.Contains(letter.To, address) {
			n++
		}
	}
	return n
}

// readAll takes the letters to an address that have arrived out of the mailbox.
func (s *Scene) readAll(address string) {
	s.T.Helper()
	over, cancel := context.WithCancel(s.mailbox)
	cancel()
	for {
		if _, err := s.Mailbox.For(over, address); err != nil {
			return
		}
	}
}
