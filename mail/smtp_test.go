package mail_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/mail"
	"github.com/doorward/doorward/mail/mailtest"
)

const (
	sender   = "Example <no-reply@example.com>"
	password = "p@ss/w?rd#%1"
)

var greeting = mail.Message{
	To:      "ann@example.com",
	Subject: "402816 ist für Sie",
	Text:    "Grüße: 402816\n",
	HTML:    "<p>Grüße: 402816</p>",
}

// newSMTP returns a sender that is configured as the mailbox advises, changed
// by change.
func newSMTP(t *testing.T, box *mailtest.Mailbox, change func(*mail.SMTPOptions)) *mail.SMTP {
	t.Helper()
	o := mail.SMTPOptions{URL: box.URL(), From: sender, CACertificates: box.CACertificates()}
	if change != nil {
		change(&o)
	}
	s, err := mail.NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func next(t *testing.T, box *mailtest.Mailbox) mailtest.Letter {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	letter, err := box.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

func TestLetterArrivesInEveryModeOfTheServer(t *testing.T) {
	securities := map[string]mailtest.Security{"plain": mailtest.Plain, "starttls": mailtest.STARTTLS, "tls": mailtest.TLS}
	logins := map[string][]string{"anonymous": nil, "PLAIN": {"PLAIN"}, "LOGIN": {"LOGIN"}, "either": {"PLAIN", "LOGIN"}}
	for security, s := range securities {
		for login, mechanisms := range logins {
			t.Run(security+"/"+login, func(t *testing.T) {
				o := mailtest.Options{Security: s, Mechanisms: mechanisms}
				if mechanisms != nil {
					o.Username, o.Password = "doorward@example.com", password
				}
				box := mailtest.Start(t, o)
				if err := newSMTP(t, box, nil).Send(t.Context(), greeting); err != nil {
					t.Fatal(err)
				}
				letter := next(t, box)
				if got, want := letter.From, "no-reply@example.com"; got != want {
					t.Errorf("envelope from = %q, want %q", got, want)
				}
				if got, want := strings.Join(letter.To, " "), greeting.To; got != want {
					t.Errorf("envelope to = %q, want %q", got, want)
				}
				if letter.Subject != greeting.Subject || letter.Text != greeting.Text || letter.HTML != greeting.HTML {
					t.Errorf("letter = %q, %q, %q, want what was sent", letter.Subject, letter.Text, letter.HTML)
				}
			})
		}
	}
}

func TestLetterSaysThatAMachineWroteIt(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	s := newSMTP(t, box, func(o *mail.SMTPOptions) { o.Now = func() time.Time { return noon } })
	m := greeting
	m.ID, m.Language = "only-once", "de"
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	header := next(t, box).Header
	for field, want := range map[string]string{
		"From":                     `"Example" <no-reply@example.com>`,
		"To":                       "<ann@example.com>",
		"Date":                     "Sat, 14 Mar 2026 12:05:00 +0000",
		"Message-Id":               "<only-once@example.com>",
		"Auto-Submitted":           "auto-generated",
		"X-Auto-Response-Suppress": "All",
		"Content-Language":         "de",
		"Mime-Version":             "1.0",
		"X-Mailer":                 "",
	} {
		if got := header.Get(field); got != want {
			t.Errorf("%s = %q, want %q", field, got, want)
		}
	}
	if got, want := header.Get("Content-Type"), "multipart/alternative;"; !strings.HasPrefix(got, want) {
		t.Errorf("Content-Type = %q, want %q", got, want)
	}
}

func TestLettersWithoutAnIDDoNotShareOne(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	s := newSMTP(t, box, nil)
	seen := make(map[string]bool)
	for range 3 {
		if err := s.Send(t.Context(), greeting); err != nil {
			t.Fatal(err)
		}
		id := next(t, box).Header.Get("Message-Id")
		if id == "" || seen[id] {
			t.Errorf("Message-ID = %q, want a new one", id)
		}
		seen[id] = true
	}
}

// Whoever has a say in a subject or an address must not get one in the header.
func TestNothingBreaksOutOfAHeader(t *testing.T) {
	const attack = "x\r\nBcc: eve@evil.example\r\n\r\n<p>hello"
	box := mailtest.Start(t, mailtest.Options{})
	s := newSMTP(t, box, nil)

	m := greeting
	m.Subject, m.Language, m.ID = attack, attack, attack
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	letter := next(t, box)
	if got := letter.Header.Get("Bcc"); got != "" {
		t.Errorf("Bcc = %q, want none", got)
	}
	if letter.Text != greeting.Text {
		t.Errorf("text = %q, want %q", letter.Text, greeting.Text)
	}
	if got := strings.Join(letter.To, " "); got != greeting.To {
		t.Errorf("envelope to = %q, want %q", got, greeting.To)
	}

	for _, to := range []string{
		"ann@example.com\r\nBcc: eve@evil.example",
		"ann@example.com>\r\nRCPT TO:<eve@evil.example",
		"ann@example.com, eve@evil.example",
		"Ann <ann@example.com>",
		"ann",
		"",
	} {
		m := greeting
		m.To = to
		err := s.Send(t.Context(), m)
		if !errors.Is(err, mail.ErrRefused) {
			t.Errorf("sending to %q = %v, want %v", to, err, mail.ErrRefused)
		}
		if err != nil && strings.Contains(err.Error(), "ann") {
			t.Errorf("error %q has the address", err)
		}
	}
	if got := len(box.All()); got != 1 {
		t.Errorf("%d letters arrived, want 1", got)
	}
}

// A letter that asks for SMTPUTF8 bounces at the first server without it, so
// only the one that cannot do without asks.
func TestSMTPUTF8IsAskedForOnlyByAddressesThatNeedIt(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	s := newSMTP(t, box, nil)
	for to, want := range map[string]bool{"ann@example.com": false, "jörg@example.com": true} {
		m := greeting
		m.To = to
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if letter := next(t, box); letter.To[0] != to || letter.UTF8 != want {
			t.Errorf("letter to %s, SMTPUTF8 = %v; want %s, %v", letter.To[0], letter.UTF8, to, want)
		}
	}
}

func TestWrongPasswordIsRefusedAndNotShown(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		box := mailtest.Start(t, mailtest.Options{
			Security: mailtest.STARTTLS, Username: "doorward", Password: "right", Mechanisms: []string{mechanism},
		})
		s := newSMTP(t, box, func(o *mail.SMTPOptions) {
			o.URL, o.Username, o.Password = "smtp://"+box.Address(), "doorward", password
		})
		err := s.Send(t.Context(), greeting)
		if !errors.Is(err, mail.ErrRefused) {
			t.Errorf("%s: err = %v, want %v", mechanism, err, mail.ErrRefused)
		}
		if err != nil && (strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), "535")) {
			t.Errorf("%s: err = %q, want the server's answer without the password", mechanism, err)
		}
		if shown := fmt.Sprintf("%v %+v", s, s); strings.Contains(shown, password) {
			t.Errorf("%s: printing the sender shows the password: %s", mechanism, shown)
		}
	}
}

func TestUntrustedCertificateGetsNeitherPasswordNorLetter(t *testing.T) {
	for _, security := range []mailtest.Security{mailtest.STARTTLS, mailtest.TLS} {
		box := mailtest.Start(t, mailtest.Options{Security: security, Username: "doorward", Password: password})
		s := newSMTP(t, box, func(o *mail.SMTPOptions) { o.CACertificates = "" })
		err := s.Send(t.Context(), greeting)
		if unknown := new(x509.UnknownAuthorityError); !errors.As(err, unknown) {
			t.Errorf("err = %v, want an unknown authority", err)
		}
		if errors.Is(err, mail.ErrRefused) {
			t.Errorf("err = %v, want one that can be tried again", err)
		}
		if got := box.Traffic(); got.Logins+got.Senders != 0 {
			t.Errorf("server has seen %+v, want neither login nor letter", got)
		}
	}
}

// Someone on the path takes STARTTLS out of the server's answer, so that the
// client goes on in clear text.
func TestStrippedSTARTTLSGetsNeitherPasswordNorLetter(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{Security: mailtest.Plain, Username: "doorward", Password: password})
	for _, query := range []string{"", "?starttls=required"} {
		s := newSMTP(t, box, func(o *mail.SMTPOptions) {
			o.URL, o.Username, o.Password = "smtp://"+box.Address()+query, "doorward", password
		})
		err := s.Send(t.Context(), greeting)
		if err == nil || errors.Is(err, mail.ErrRefused) || !strings.Contains(err.Error(), "STARTTLS") {
			t.Errorf("err = %v, want one that misses STARTTLS", err)
		}
	}
	if got := box.Traffic(); got.Logins+got.Senders != 0 {
		t.Errorf("server has seen %+v, want neither login nor letter", got)
	}
}

func TestOptionalSTARTTLSIsUsedWhereItIsOffered(t *testing.T) {
	for _, security := range []mailtest.Security{mailtest.Plain, mailtest.STARTTLS} {
		box := mailtest.Start(t, mailtest.Options{Security: security, Username: "doorward", Password: password})
		s := newSMTP(t, box, func(o *mail.SMTPOptions) {
			o.URL, o.Username, o.Password = "smtp://"+box.Address()+"?starttls=optional", "doorward", password
		})
		// The mailbox takes letters only after STARTTLS if it offers it.
		if err := s.Send(t.Context(), greeting); err != nil {
			t.Error(err)
		}
	}
}

func TestServerWithoutAUTHGetsNoLetter(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{Security: mailtest.TLS})
	s := newSMTP(t, box, func(o *mail.SMTPOptions) { o.Username, o.Password = "doorward", password })
	if err := s.Send(t.Context(), greeting); err == nil {
		t.Error("letter was sent without the login that was asked for")
	}
}

func TestAnswerTellsWhetherToTryAgain(t *testing.T) {
	stages := map[string]mailtest.Stage{"sender": mailtest.AtSender, "recipient": mailtest.AtRecipient, "data": mailtest.AtData}
	for name, stage := range stages {
		for code, final := range map[int]bool{421: false, 450: false, 452: false, 550: true, 554: true} {
			t.Run(fmt.Sprintf("%s/%d", name, code), func(t *testing.T) {
				box := mailtest.Start(t, mailtest.Options{})
				box.Fail(1, mailtest.Fault{Stage: stage, Code: code, Text: "no"})
				s := newSMTP(t, box, nil)
				err := s.Send(t.Context(), greeting)
				if err == nil {
					t.Fatal("a refused letter counts as sent")
				}
				if got := errors.Is(err, mail.ErrRefused); got != final {
					t.Errorf("refused for good = %v, want %v: %v", got, final, err)
				}
				if !strings.Contains(err.Error(), fmt.Sprint(code)) {
					t.Errorf("err = %q, want the server's answer in it", err)
				}
				if err := s.Send(t.Context(), greeting); err != nil {
					t.Errorf("second attempt: %v", err)
				}
			})
		}
	}
}

func TestServersAnswerIsRepeatedWithoutAddressAndPasscode(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	s := newSMTP(t, box, nil)
	for _, stage := range []mailtest.Stage{mailtest.AtSender, mailtest.AtRecipient, mailtest.AtData} {
		box.Fail(1, mailtest.Fault{
			Stage: stage,
			Code:  550,
			Text:  "<ann@example.com> will not read \"402816 ist\", says postmaster@example.com, id 77001234",
		})
		err := s.Send(t.Context(), greeting)
		if err == nil {
			t.Fatal("a refused letter counts as sent")
		}
		for _, secret := range []string{"ann@", "postmaster@", "402816", "affected"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("err = %q, want no %q", err, secret)
			}
		}
		for _, useful := range []string{"a***@example.com", "id 77001234"} {
			if !strings.Contains(err.Error(), useful) {
				t.Errorf("err = %q, want %q", err, useful)
			}
		}
	}
}

func TestCutConnectionCanBeTriedAgain(t *testing.T) {
	for _, stage := range []mailtest.Stage{mailtest.AtSender, mailtest.AtRecipient, mailtest.AtData} {
		box := mailtest.Start(t, mailtest.Options{})
		box.Fail(1, mailtest.Fault{Stage: stage, Drop: true})
		err := newSMTP(t, box, nil).Send(t.Context(), greeting)
		if err == nil || errors.Is(err, mail.ErrRefused) {
			t.Errorf("err = %v, want one that can be tried again", err)
		}
	}
}

func TestSilentServerIsLeftWhenTimeIsUp(t *testing.T) {
	for _, security := range []mailtest.Security{mailtest.Plain, mailtest.TLS} {
		for _, stage := range []mailtest.Stage{mailtest.AtSender, mailtest.AtRecipient, mailtest.AtData} {
			box := mailtest.Start(t, mailtest.Options{Security: security})
			box.Fail(1, mailtest.Fault{Stage: stage, Hang: true})
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err := newSMTP(t, box, nil).Send(ctx, greeting)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("err = %v, want %v", err, context.DeadlineExceeded)
			}
		}
	}
}

// serve plays a server that the library of the mailbox would not: it says each
// line in turn, after a line from the client that begins with what precedes
// it.
func serve(t *testing.T, play ...[2]string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		lines := bufio.NewScanner(conn)
		for _, step := range play {
			for step[0] != "" && lines.Scan() && !strings.HasPrefix(lines.Text(), step[0]) {
			}
			if step[1] == "silence" {
				io.Copy(io.Discard, conn)
				return
			}
			fmt.Fprintf(conn, "%s\r\n", step[1])
		}
	}()
	return listener.Addr().String()
}

func TestGreetingIsAnAnswerToo(t *testing.T) {
	for greet, final := range map[string]bool{"554 no service": true, "421 too busy": false} {
		s, err := mail.NewSMTP(mail.SMTPOptions{URL: "smtp://" + serve(t, [2]string{"", greet}), From: sender})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Send(t.Context(), greeting)
		if err == nil || errors.Is(err, mail.ErrRefused) != final {
			t.Errorf("%q = %v, want refused for good = %v", greet, err, final)
		}
	}
}

func TestServerThatNeverGreetsIsLeftWhenTimeIsUp(t *testing.T) {
	for _, scheme := range []string{"smtp", "smtps"} {
		s, err := mail.NewSMTP(mail.SMTPOptions{URL: scheme + "://" + serve(t, [2]string{"", "silence"}), From: sender})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := s.Send(ctx, greeting); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: err = %v, want %v", scheme, err, context.DeadlineExceeded)
		}
	}
}

// A letter that counts as failed after the server took it is sent twice.
func TestGoodbyeThatFailsDoesNotMakeTheLetterFail(t *testing.T) {
	address := serve(t,
		[2]string{"", "220 hello"},
		[2]string{"EHLO example.com", "250 hello"},
		[2]string{"MAIL", "250 ok"},
		[2]string{"RCPT", "250 ok"},
		[2]string{"DATA", "354 go ahead"},
		[2]string{".", "250 taken"}, // and gone
	)
	s, err := mail.NewSMTP(mail.SMTPOptions{URL: "smtp://" + address + "?starttls=off", From: sender})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), greeting); err != nil {
		t.Error(err)
	}
}

func TestServerThatIsAwayCanBeTriedAgain(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	s := newSMTP(t, box, nil)
	box.Close()
	err := s.Send(t.Context(), greeting)
	if err == nil || errors.Is(err, mail.ErrRefused) {
		t.Errorf("err = %v, want one that can be tried again", err)
	}
}

func TestConfigurationMistakesAreRefused(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "missing.pem")
	user := url.UserPassword("doorward", password).String() + "@"
	for name, o := range map[string]mail.SMTPOptions{
		"no URL":                             {From: sender},
		"another scheme":                     {URL: "https://" + user + "mail.example.com", From: sender},
		"no host":                            {URL: "smtp://" + user, From: sender},
		"port zero":                          {URL: "smtp://" + user + "mail.example.com:0", From: sender},
		"a port that is none":                {URL: "smtp://" + user + "mail.example.com:smtp", From: sender},
		"a port that is too high":            {URL: "smtp://" + user + "mail.example.com:65536", From: sender},
		"a path":                             {URL: "smtp://" + user + "mail.example.com/inbox", From: sender},
		"a fragment":                         {URL: "smtp://" + user + "mail.example.com#x", From: sender},
		"an unknown option":                  {URL: "smtp://" + user + "mail.example.com?starttl=off", From: sender},
		"an unknown value":                   {URL: "smtp://" + user + "mail.example.com?starttls=no", From: sender},
		"two values":                         {URL: "smtp://localhost?starttls=off&starttls=required", From: sender},
		"starttls with smtps":                {URL: "smtps://" + user + "mail.example.com?starttls=off", From: sender},
		"a password in clear text":           {URL: "smtp://" + user + "mail.example.com?starttls=off", From: sender},
		"a password perhaps in clear text":   {URL: "smtp://" + user + "192.0.2.1?starttls=optional", From: sender},
		"another password in clear text":     {URL: "smtp://mail.example.com?starttls=off", From: sender, Username: "doorward", Password: password},
		"a name that only begins like ours":  {URL: "smtp://" + user + "localhost.example.com?starttls=off", From: sender},
		"a user without a password":          {URL: "smtp://doorward@mail.example.com", From: sender},
		"a password without a user":          {URL: "smtp://mail.example.com", From: sender, Password: password},
		"two users":                          {URL: "smtp://" + user + "mail.example.com", From: sender, Username: "x", Password: password},
		"no sender":                          {URL: "smtp://" + user + "mail.example.com"},
		"a sender without an address":        {URL: "smtp://" + user + "mail.example.com", From: "Example"},
		"two senders":                        {URL: "smtp://" + user + "mail.example.com", From: "a@example.com, b@example.com"},
		"no certificates":                    {URL: "smtp://" + user + "mail.example.com", From: sender, CACertificates: empty},
		"a password that is not encoded":     {URL: "smtp://doorward:" + password + "@mail.example.com", From: sender},
		"digits that look like a port":       {URL: "smtp://doorward:25/" + password + "@mail.example.com", From: sender},
		"digits that look like one, and a ?": {URL: "smtp://doorward:25?" + password + "@mail.example.com", From: sender},
	} {
		_, err := mail.NewSMTP(o)
		if err == nil {
			t.Errorf("%s was accepted", name)
			continue
		}
		for _, secret := range []string{password, url.QueryEscape(password), "w?rd", "ss/w", "p@ss"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: error %q shows the password", name, err)
			}
		}
	}
}

func TestServerIsReadFromTheURL(t *testing.T) {
	for url, want := range map[string]string{
		"smtp://mail.example.com":                          "smtp://mail.example.com:587",
		"smtp://a%40b:c%2Fd@mail.example.com/":             "smtp://mail.example.com:587",
		"smtps://a:b@mail.example.com":                     "smtps://mail.example.com:465",
		"smtp://mail.example.com:2525?starttls=required":   "smtp://mail.example.com:2525",
		"smtp://a:b@localhost?starttls=off":                "smtp://localhost:587",
		"smtp://a:b@127.9.9.9?starttls=optional":           "smtp://127.9.9.9:587",
		"smtp://a:b@[::1]:25?starttls=off":                 "smtp://[::1]:25",
		"smtp://relay.internal:25?starttls=off":            "smtp://relay.internal:25",
		"smtp://doorward@example.com:b@mail.example.com:1": "smtp://mail.example.com:1",
	} {
		s, err := mail.NewSMTP(mail.SMTPOptions{URL: url, From: sender})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := s.String(); got != want {
			t.Errorf("%s is %s, want %s", url, got, want)
		}
	}
}

func FuzzSMTPURLErrorsKeepThePassword(f *testing.F) {
	f.Add("smtp://doorward:", "@mail.example.com")
	f.Add("smtps://doorward:25/", "@mail.example.com?starttls=off")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "Zq7Zq7Zq7"
		_, err := mail.NewSMTP(mail.SMTPOptions{URL: before + secret + after, From: sender})
		if err != nil && strings.Contains(before, ":") && strings.Contains(err.Error(), secret) &&
			!strings.Contains(err.Error(), "is not this machine") { // names the host
			t.Errorf("%q: error %q shows the password", before+secret+after, err)
		}
	})
}
