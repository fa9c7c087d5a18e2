package plays

import (
	"errors"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// A stage is what a play is performed on: a gateway, an app behind it, a mail
// server, and visitors with a browser each.
type stage struct {
	t        testing.TB
	state    string // what $STATE stands for
	app      *testbed.App
	mailbox  *mailtest.Mailbox
	gateway  *testbed.Gateway
	visitors map[string]*visitor

	who    *visitor       // who acts
	answer testbed.Answer // to the last request
	letter mailtest.Letter
}

// A visitor is a browser or a program: a cookie jar, and header fields that it
// sends always.
type visitor struct {
	*testbed.Client
	header []string
}

type stageKey struct{}

func newStage(t testing.TB, state string) *stage {
	s := &stage{
		t: t, state: state, app: testbed.StartApp(t), mailbox: mailtest.Start(t, mailtest.Options{}),
		visitors: make(map[string]*visitor),
	}
	s.gateway = testbed.Prepare(t, testbed.Options{})
	s.enter("ann", nil)
	return s
}

// enter makes the visitor called name the one who acts.
func (s *stage) enter(name string, header []string) {
	v := s.visitors[name]
	if v == nil {
		v = &visitor{Client: testbed.NewClient(s.t, s.gateway.URL)}
		s.visitors[name] = v
	}
	if len(header) > 0 {
		v.header = header
	}
	s.who = v
}

// commands are what a play can say, beside testscript's own commands, and the
// fewest words that each is followed by.
var commands = map[string]command{
	"gateway":    plain(1, (*stage).doGateway),
	"mailserver": plain(1, (*stage).doMailServer),
	"as":         plain(1, (*stage).doAs),
	"visit":      plain(1, (*stage).doVisit),
	"follow":     plain(0, (*stage).doFollow),
	"submit":     plain(1, (*stage).doSubmit),
	"http":       plain(2, (*stage).doHTTP),
	"lose":       plain(1, (*stage).doLose),
	"token":      plain(0, (*stage).doToken),
	"ceremony":   plain(0, (*stage).doCeremony),
	"current":    plain(0, (*stage).doCurrent),
	"told":       plain(0, (*stage).doTold),
	"status":     plain(1, (*stage).doStatus),
	"letter":     plain(1, (*stage).doLetter),
	"assertion":  plain(2, (*stage).doAssertion),
	"nothing":    plain(1, (*stage).doNothing),
	"blur":       plain(1, (*stage).doBlur),
	"mail":       perhaps(1, (*stage).doMail),
	"header":     perhaps(1, (*stage).doHeader),
	"body":       perhaps(1, (*stage).doBody),
	"seen":       perhaps(0, (*stage).doSeen),
}

// A command is what testscript calls.
type command = func(ts *testscript.TestScript, neg bool, args []string)

// plain makes a command of one that cannot be negated.
func plain(fewest int, do func(*stage, *testscript.TestScript, []string) error) command {
	return perhaps(fewest, func(s *stage, ts *testscript.TestScript, neg bool, args []string) error {
		if neg {
			return errors.New("! means nothing here")
		}
		return do(s, ts, args)
	})
}

// perhaps makes a command of one that says the opposite after "!".
func perhaps(fewest int, do func(*stage, *testscript.TestScript, bool, []string) error) command {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) < fewest {
			ts.Fatalf("%d words follow, want %d at least", len(args), fewest)
		}
		ts.Check(do(ts.Value(stageKey{}).(*stage), ts, neg, args))
	}
}
