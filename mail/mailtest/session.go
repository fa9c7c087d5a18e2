package mailtest

import (
	"crypto/subtle"
	"errors"
	"io"
	"slices"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A session is one client's conversation with the server.
type session struct {
	mailbox  *Mailbox
	conn     *smtp.Conn
	loggedIn bool

	from  string
	utf8  bool
	to    []string
	fault *Fault
}

func (m *Mailbox) open(c *smtp.Conn) (smtp.Session, error) {
	m.count(func(t *Traffic) { t.Connections++ })
	return &session{mailbox: m, conn: c}, nil
}

// AuthMechanisms implements [smtp.AuthSession].
func (s *session) AuthMechanisms() []string {
	if s.mailbox.options.Username == "" {
		return nil
	}
	return s.mailbox.options.Mechanisms
}

// Auth implements [smtp.AuthSession].
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if !slices.Contains(s.AuthMechanisms(), mechanism) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	if mechanism == "LOGIN" {
		return &loginServer{check: s.check}, nil
	}
	return sasl.NewPlainServer(func(_, username, password string) error {
		return s.check(username, password)
	}), nil
}

func (s *session) check(username, password string) error {
	s.mailbox.count(func(t *Traffic) { t.Logins++ })
	o := s.mailbox.options
	if subtle.ConstantTimeCompare([]byte(username+"\x00"+password), []byte(o.Username+"\x00"+o.Password)) != 1 {
		return smtp.ErrAuthFailed
	}
	s.loggedIn = true
	return nil
}

// Mail implements [smtp.Session].
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.mailbox.count(func(t *Traffic) { t.Senders++ })
	if _, encrypted := s.conn.TLSConnectionState(); s.mailbox.options.Security == STARTTLS && !encrypted {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "STARTTLS first"}
	}
	if s.mailbox.options.Username != "" && !s.loggedIn {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	s.from, s.utf8, s.to, s.fault = from, o.UTF8, nil, s.mailbox.nextFault()
	return s.strike(AtSender)
}

// Rcpt implements [smtp.Session].
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.strike(AtRecipient); err != nil {
		return err
	}
	s.to = append(s.to, to)
	return nil
}

// Data implements [smtp.Session].
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.strike(AtData); err != nil {
		return err
	}
	letter, err := parse(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: err.Error()}
	}
	letter.From, letter.UTF8, letter.To = s.from, s.utf8, slices.Clone(s.to)
	s.mailbox.put(letter)
	return nil
}

// Reset implements [smtp.Session].
func (s *session) Reset() { s.from, s.utf8, s.to, s.fault = "", false, nil, nil }

// Logout implements [smtp.Session].
func (s *session) Logout() error { return nil }

// loginServer is the server's half of AUTH LOGIN, which was never
// standardised: two prompts, two answers.
type loginServer struct {
	check    func(username, password string) error
	step     int
	username string
}

// Next implements [sasl.Server].
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch {
	case l.step == 1 && response == nil:
		return []byte("Username:"), false, nil
	case l.step == 1: // sent along with the command
		l.step, l.username = 2, string(response)
		return []byte("Password:"), false, nil
	case l.step == 2:
		l.username = string(response)
		return []byte("Password:"), false, nil
	case l.step == 3:
		return nil, true, l.check(l.username, string(response))
	default:
		return nil, false, errors.New("mailtest: unexpected answer in AUTH LOGIN")
	}
}

var _ smtp.AuthSession = (*session)(nil)
