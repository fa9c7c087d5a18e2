package mailtest

import "github.com/emersion/go-smtp"

// Stage is a step of the conversation at which a server can say no.
type Stage int

// The stages, in the order of the conversation.
const (
	AtSender    Stage = iota // the MAIL command
	AtRecipient              // the RCPT command
	AtData                   // the answer to the letter itself
)

// A Fault is one thing that goes wrong with one letter.
type Fault struct {
	Stage Stage

	// Code and Text are the answer, such as 451 or 550. A letter that meets a
	// Fault is not kept.
	Code int
	Text string

	// Hang makes the server fall silent instead, until the Mailbox is closed.
	Hang bool

	// Drop makes it cut the connection instead.
	Drop bool
}

// Fail makes the next n letters meet f. Faults are used up in the order in
// which they were given; after the last one all is well again.
func (m *Mailbox) Fail(n int, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		m.faults = append(m.faults, f)
	}
}

// nextFault takes the fault of the letter that begins now, if there is one.
func (m *Mailbox) nextFault() *Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.faults) == 0 {
		return nil
	}
	f := m.faults[0]
	m.faults = m.faults[1:]
	return &f
}

// strike does what f says if its time has come.
func (s *session) strike(at Stage) error {
	f := s.fault
	if f == nil || f.Stage != at {
		return nil
	}
	s.fault = nil
	switch {
	case f.Hang:
		<-s.mailbox.closing
		return smtp.ErrServerClosed
	case f.Drop:
		s.conn.Conn().Close()
		return smtp.ErrServerClosed // heard by nobody
	default:
		return &smtp.SMTPError{Code: f.Code, EnhancedCode: smtp.EnhancedCode{f.Code / 100, 0, 0}, Message: f.Text}
	}
}
