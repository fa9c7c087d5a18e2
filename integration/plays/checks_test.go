package plays

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doorward/doorward/integration/testbed"
)

// status code: of the last answer.
func (s *stage) doStatus(_ *testscript.TestScript, args []string) error {
	if got := strconv.Itoa(s.answer.Status); got != args[0] {
		return fmt.Errorf("status %s, want %s\n%v\n%s", got, args[0], s.answer.Header, s.answer.Body)
	}
	return nil
}

// [!] header name [value...]: the last answer has the field, with these values.
func (s *stage) doHeader(_ *testscript.TestScript, neg bool, args []string) error {
	got := s.answer.Header.Values(args[0])
	switch {
	case neg && len(got) > 0:
		return fmt.Errorf("%s: %q, want none", args[0], got)
	case !neg && len(args) == 1 && len(got) == 0:
		return fmt.Errorf("no %s in %v", args[0], s.answer.Header)
	case len(args) > 1 && !slices.Equal(got, args[1:]):
		return fmt.Errorf("%s: %q, want %q", args[0], got, args[1:])
	}
	return nil
}

// [!] body text: the last answer's body contains text.
func (s *stage) doBody(_ *testscript.TestScript, neg bool, args []string) error {
	if strings.Contains(s.answer.Body, args[0]) == neg {
		return fmt.Errorf("the body: want %q there: %t\n%s", args[0], !neg, s.answer.Body)
	}
	return nil
}

// [!] seen [name [value]]: the last request reached the app, once, with this
// header field.
func (s *stage) doSeen(_ *testscript.TestScript, neg bool, args []string) error {
	requests := s.app.Requests()
	if len(requests) != 1 {
		return fmt.Errorf("%d requests reached the app, want 1 (status %d)", len(requests), s.answer.Status)
	}
	if len(args) == 0 {
		return nil
	}
	got := requests[0].Header.Values(args[0])
	switch {
	case neg && len(got) > 0:
		return fmt.Errorf("the app saw %s: %q, want none", args[0], got)
	case !neg && (len(got) != 1 || len(args) == 2 && got[0] != args[1]):
		return fmt.Errorf("the app saw %s: %q, want %q", args[0], got, args[1:])
	}
	return nil
}

// nothing seen: the last request did not reach the app.
func (s *stage) doNothing(_ *testscript.TestScript, args []string) error {
	if args[0] != "seen" {
		return fmt.Errorf("nothing %s: want seen", args[0])
	}
	if requests := s.app.Requests(); len(requests) > 0 {
		return fmt.Errorf("%s %s reached the app", requests[0].Method, requests[0].URI)
	}
	return nil
}

// assertion claim json: what the app was told of the visitor.
func (s *stage) doAssertion(_ *testscript.TestScript, args []string) error {
	requests := s.app.Requests()
	if len(requests) != 1 {
		return fmt.Errorf("%d requests reached the app, want 1", len(requests))
	}
	claims, err := testbed.Claims(requests[0].Header.Get("X-Auth-Token"))
	if err != nil {
		return err
	}
	var want any
	if err := json.Unmarshal([]byte(args[1]), &want); err != nil {
		return err
	}
	if !reflect.DeepEqual(claims[args[0]], want) {
		return fmt.Errorf("the assertion says %s: %v, want %s", args[0], claims[args[0]], args[1])
	}
	return nil
}

// [!] mail address: waits for a letter to address and sets $code to the passcode
// in it. After "gateway stop", which waits for the letters under way, ! says that
// there never was one.
func (s *stage) doMail(ts *testscript.TestScript, neg bool, args []string) error {
	if neg {
		for _, l := range s.mailbox.All() {
			if slices.Contains(l.To, args[0]) {
				return fmt.Errorf("there is a letter to %s", args[0])
			}
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var err error
	if s.letter, err = s.mailbox.For(ctx, args[0]); err != nil {
		return err
	}
	ts.Setenv("code", s.letter.Passcode())
	return nil
}

// letter text: the last letter says text.
func (s *stage) doLetter(_ *testscript.TestScript, args []string) error {
	if !strings.Contains(s.letter.Subject+"\n"+s.letter.Text, args[0]) {
		return fmt.Errorf("the letter does not say %q:\n%s\n%s", args[0], s.letter.Subject, s.letter.Text)
	}
	return nil
}
