package mail

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

const (
	// sendTimeout bounds a Send whose context has no deadline.
	sendTimeout = time.Minute

	// quitTimeout bounds our goodbye once the letter is delivered.
	quitTimeout = 2 * time.Second
)

// SMTPOptions say which server takes our letters. URL and From are required.
type SMTPOptions struct {
	// URL names the server.
	//
	//	smtp://user:password@mail.example.com       port 587, STARTTLS
	//	smtps://user:password@mail.example.com      port 465, TLS from the start
	//	smtp://localhost:25?starttls=off            a relay on this machine
	//
	// With smtp, STARTTLS is required unless ?starttls=optional or
	// ?starttls=off says otherwise. A password is never sent without TLS but to
	// this machine: a URL that could lead to it is refused.
	URL string

	// Username and Password stand in for those of the URL, where a password
	// with special characters has to be percent-encoded.
	Username, Password string

	// From is the sender, with or without a name:
	// "Example <no-reply@example.com>".
	From string

	// CACertificates is the path of a PEM file with the authorities to trust
	// instead of the system's.
	CACertificates string

	// Hello is the name by which we greet the server. The default is the domain
	// of From.
	Hello string

	// Now is the clock that dates letters. The default is time.Now.
	Now func() time.Time
}

// SMTP is a [Sender] that hands letters to an SMTP server, on a connection for
// each.
type SMTP struct {
	relay  relay
	from   *mail.Address
	domain string // of from
	hello  string
	tls    *tls.Config
	now    func() time.Time
}

// NewSMTP checks o, and reads the certificates it names. It opens no
// connection. Its errors never show the password.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	r, err := parseRelay(o.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the SMTP URL: %w", err)
	}
	if o.Username != "" || o.Password != "" {
		if r.username != "" || r.password != "" {
			return nil, errors.New("SMTP credentials are given twice, in the URL and beside it")
		}
		r.username, r.password = o.Username, o.Password
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("checking the SMTP server: %w", err)
	}
	from, err := mail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("reading the sender %q: %w", o.From, err)
	}
	_, domain, _ := cutLast(from.Address, "@")
	s := &SMTP{relay: r, from: from, domain: domain, hello: o.Hello, now: o.Now}
	if s.hello == "" {
		s.hello = domain
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.tls, err = tlsConfig(r.host, o.CACertificates); err != nil {
		return nil, err
	}
	return s, nil
}

// String names the server, without credentials.
func (s *SMTP) String() string {
	if s.relay.implicitTLS {
		return "smtps://" + s.relay.address()
	}
	return "smtp://" + s.relay.address()
}

// Send implements [Sender].
func (s *SMTP) Send(ctx context.Context, m Message) error {
	letter, err := s.compose(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()

	// The library watches ctx only while it connects, and leaves the connection
	// open when the greeting, STARTTLS or AUTH goes wrong. Here the connection
	// lives exactly as long as ctx.
	var line net.Conn
	client, err := s.client(m, func() (_ net.Conn, err error) {
		if line, err = s.dial(ctx); err == nil {
			context.AfterFunc(ctx, func() { line.Close() })
		}
		return line, err
	})
	if err != nil {
		return fmt.Errorf("preparing the SMTP client: %w", err)
	}
	conversation, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return failure(ctx, m, "connecting to the SMTP server", err)
	}
	err = client.SendWithSMTPClient(conversation, letter)
	if err != nil {
		err = failure(ctx, m, "handing over the letter", err)
	}
	// Once the server has taken the letter, nothing that goes wrong is ours to
	// report: it would only have the letter sent twice.
	line.SetDeadline(time.Now().Add(quitTimeout))
	conversation.Quit()
	return err
}

// compose writes the letter with its header. The library encodes what could
// break out of a header line.
func (s *SMTP) compose(m Message) (*gomail.Msg, error) {
	// Parsed without the error: it repeats the address.
	to, err := mail.ParseAddress(m.To)
	if err != nil || to.Name != "" {
		return nil, fmt.Errorf("%w: the recipient is not a bare address", ErrRefused)
	}
	id := m.ID
	if id == "" {
		id = rand.Text()
	}
	letter := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	letter.FromMailAddress(s.from)
	letter.ToMailAddress(to)
	letter.Subject(m.Subject)
	letter.SetDateWithValue(s.now())
	letter.SetMessageIDWithValue(id + "@" + s.domain)
	// RFC 3834, and the same for Exchange: no holiday notices, please.
	letter.SetGenHeader("Auto-Submitted", "auto-generated")
	letter.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	if m.Language != "" {
		letter.SetGenHeader(gomail.HeaderContentLang, m.Language)
	}
	letter.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		letter.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return letter, nil
}

// client configures the library for one letter.
func (s *SMTP) client(m Message, dial func() (net.Conn, error)) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.relay.port),
		gomail.WithTimeout(sendTimeout),
		gomail.WithHELO(s.hello),
		gomail.WithTLSPolicy(s.relay.startTLS),
		gomail.WithTLSConfig(s.tls),
		gomail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return dial() }),
		gomail.WithoutNoop(),
		gomail.WithoutRset(), // it comes after the letter, and its failure would count
	}
	if isASCII(m.To) && isASCII(s.from.Address) {
		// Else the library asks for SMTPUTF8 wherever it is offered, and the
		// letter bounces at the first server that does not (RFC 6531, 3.4).
		options = append(options, gomail.WithoutSMTPUTF8())
	}
	if s.relay.username != "" {
		options = append(options,
			gomail.WithOpportunisticSMTPAuth(s.relay.mechanisms()...),
			gomail.WithUsername(s.relay.username),
			gomail.WithPassword(s.relay.password))
	}
	return gomail.NewClient(s.relay.host, options...)
}

func (s *SMTP) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.relay.address())
	if err != nil || !s.relay.implicitTLS {
		return conn, err
	}
	secure := tls.Client(conn, s.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// failure is the one place that turns a failed conversation into our error. It
// sorts by the server's answer, and hides what the answer may tell of the
// reader or the letter.
func failure(ctx context.Context, m Message, doing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	text := hide(m, err.Error())
	answer, delivery := new(textproto.Error), new(gomail.SendError)
	switch {
	case errors.As(err, &answer) && answer.Code >= 500,
		errors.As(err, &delivery) && delivery.ErrorCode() >= 500:
		return fmt.Errorf("%s: %w: %s", doing, ErrRefused, text)
	case errors.As(err, &answer), errors.As(err, &delivery):
		return fmt.Errorf("%s: %s", doing, text)
	default: // the server has said nothing: the network, or TLS
		return fmt.Errorf("%s: %w", doing, err)
	}
}

func tlsConfig(host, certificates string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if certificates == "" {
		return c, nil
	}
	pem, err := os.ReadFile(certificates)
	if err != nil {
		return nil, fmt.Errorf("reading the SMTP server's authorities: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", certificates)
	}
	return c, nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
}

var _ Sender = (*SMTP)(nil)
