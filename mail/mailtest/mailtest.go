// Package mailtest is an SMTP server that keeps the letters it receives, for
// tests and demonstrations: real sockets, real TLS, real AUTH, on a free port
// of 127.0.0.1.
//
// It can be told to misbehave (see [Mailbox.Fail]). It delivers nothing
// anywhere, holds every letter in memory until it is closed, and is not meant
// to face a network.
package mailtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// ErrClosed is returned to those who wait for a letter when the Mailbox closes.
var ErrClosed = errors.New("mailtest: mailbox closed")

// Security is how the server protects its connections.
type Security int

// The ways of protection. The zero value is no protection at all.
const (
	Plain    Security = iota // no TLS; STARTTLS is not offered
	STARTTLS                 // TLS after STARTTLS; AUTH and letters only then
	TLS                      // TLS from the first byte
)

// Options say what kind of server to run. The zero value is a relay that takes
// letters from anyone, without TLS.
type Options struct {
	Security Security

	// Username and Password, if not empty, are asked for before a letter is
	// taken.
	Username, Password string

	// Mechanisms are the AUTH mechanisms to offer: PLAIN, LOGIN, or both,
	// which is the default.
	Mechanisms []string
}

// A Mailbox is a running server and the letters it has taken. Its methods may
// be called from several goroutines.
type Mailbox struct {
	options  Options
	server   *smtp.Server
	listener net.Listener
	folder   string // holds the certificate; empty without TLS
	closing  chan struct{}
	closed   sync.Once
	closeErr error
	serving  sync.WaitGroup

	mu      sync.Mutex
	letters []Letter
	read    []bool        // read[i]: Next or For has returned letters[i]
	arrived chan struct{} // closed and replaced when a letter arrives
	faults  []Fault
	seen    Traffic
}

var watchers struct {
	mu  sync.Mutex
	all []func(Letter)
}

// Watch has f told of every letter that any Mailbox of the program takes from now
// on, before whoever waits for it is.
func Watch(f func(Letter)) {
	watchers.mu.Lock()
	defer watchers.mu.Unlock()
	watchers.all = append(watchers.all, f)
}

func watched(l Letter) {
	watchers.mu.Lock()
	all := slices.Clone(watchers.all)
	watchers.mu.Unlock()
	for _, f := range all {
		f(l)
	}
}

// Traffic counts what clients have done so far.
type Traffic struct {
	Connections int // sessions opened with HELO or EHLO, once more after STARTTLS
	Logins      int // attempts to authenticate, right or wrong
	Senders     int // MAIL commands
}

// Start runs a Mailbox until the test ends.
func Start(t testing.TB, o Options) *Mailbox {
	t.Helper()
	m, err := Listen(o)
	if err != nil {
		t.Fatalf("starting mailbox: %v", err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("closing mailbox: %v", err)
		}
	})
	return m
}

// Listen runs a Mailbox until it is closed.
func Listen(o Options) (*Mailbox, error) {
	if o.Mechanisms == nil {
		o.Mechanisms = []string{"PLAIN", "LOGIN"}
	}
	m := &Mailbox{options: o, closing: make(chan struct{}), arrived: make(chan struct{})}
	m.server = smtp.NewServer(smtp.BackendFunc(m.open))
	m.server.Domain = "mailtest.invalid"
	m.server.EnableSMTPUTF8 = true
	m.server.AllowInsecureAuth = o.Security == Plain
	m.server.ReadTimeout = time.Minute
	m.server.WriteTimeout = time.Minute
	m.server.ErrorLog = log.New(io.Discard, "", 0) // clients that leave early are part of the game

	if o.Security != Plain {
		certificate, pem, err := newCertificate()
		if err != nil {
			return nil, fmt.Errorf("making a certificate: %w", err)
		}
		m.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		if m.folder, err = os.MkdirTemp("", "mailtest"); err != nil {
			return nil, err
		}
		if err := os.WriteFile(m.CACertificates(), pem, 0o600); err != nil {
			os.RemoveAll(m.folder)
			return nil, err
		}
	}
	var err error
	if m.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		os.RemoveAll(m.folder)
		return nil, err
	}
	if o.Security == TLS {
		m.listener = tls.NewListener(m.listener, m.server.TLSConfig)
	}
	m.serving.Go(func() { m.server.Serve(m.listener) })
	return m, nil
}

// Address is the server's host and port.
func (m *Mailbox) Address() string { return m.listener.Addr().String() }

// URL is what to configure a client with: scheme, credentials, host, port, and
// starttls=off where the server has no TLS.
func (m *Mailbox) URL() string {
	u := url.URL{Scheme: "smtp", Host: m.Address()}
	switch m.options.Security {
	case Plain:
		u.RawQuery = "starttls=off"
	case TLS:
		u.Scheme = "smtps"
	}
	if m.options.Username != "" {
		u.User = url.UserPassword(m.options.Username, m.options.Password)
	}
	return u.String()
}

// CACertificates is the path of a PEM file with the certificate to trust, or
// empty if the server has no TLS. The file goes when the Mailbox is closed.
func (m *Mailbox) CACertificates() string {
	if m.folder == "" {
		return ""
	}
	return filepath.Join(m.folder, "ca.pem")
}

// Next waits for a letter that neither Next nor For has returned yet, and
// returns the oldest.
func (m *Mailbox) Next(ctx context.Context) (Letter, error) {
	return m.wait(ctx, func(Letter) bool { return true })
}

// For is Next for the letters to one address, so that journeys that share a
// Mailbox do not read each other's mail.
func (m *Mailbox) For(ctx context.Context, address string) (Letter, error) {
	return m.wait(ctx, func(l Letter) bool { return l.isTo(address) })
}

// All returns every letter taken so far, oldest first, read or not.
func (m *Mailbox) All() []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Letter(nil), m.letters...)
}

// Traffic returns what clients have done so far.
func (m *Mailbox) Traffic() Traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen
}

// Close stops the server, cuts its connections, and wakes those who wait. It
// may be called more than once.
func (m *Mailbox) Close() error {
	m.closed.Do(func() {
		close(m.closing)
		// The listener first and by ourselves: the server does not know of it
		// until Serve has begun.
		m.listener.Close()
		m.serving.Wait()
		m.server.Close()
		m.closeErr = os.RemoveAll(m.folder)
	})
	return m.closeErr
}

func (m *Mailbox) wait(ctx context.Context, wanted func(Letter) bool) (Letter, error) {
	for {
		letter, arrived, ok := m.take(wanted)
		if ok {
			return letter, nil
		}
		select {
		case <-arrived:
		case <-m.closing:
			return Letter{}, ErrClosed
		case <-ctx.Done():
			return Letter{}, fmt.Errorf("waiting for a letter: %w", ctx.Err())
		}
	}
}

func (m *Mailbox) take(wanted func(Letter) bool) (l Letter, arrived <-chan struct{}, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, letter := range m.letters {
		if !m.read[i] && wanted(letter) {
			m.read[i] = true
			return letter, nil, true
		}
	}
	return Letter{}, m.arrived, false
}

func (m *Mailbox) put(l Letter) {
	watched(l)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, l)
	m.read = append(m.read, false)
	close(m.arrived)
	m.arrived = make(chan struct{})
}

func (m *Mailbox) count(what func(*Traffic)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	what(&m.seen)
}

func (l Letter) isTo(address string) bool {
	for _, to := range l.To {
		if strings.EqualFold(to, address) {
			return true
		}
	}
	return false
}
