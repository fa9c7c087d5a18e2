package mailtest_test

import (
	"context"
	"errors"
	"net/smtp"
	"net/textproto"
	"os"
	"testing"
	"time"

	"github.com/doorward/doorward/mail/mailtest"
)

func send(t *testing.T, box *mailtest.Mailbox, to, letter string) {
	t.Helper()
	// Another client than the one that package mail uses.
	err := smtp.SendMail(box.Address(), nil, "no-reply@example.com", []string{to}, []byte(letter))
	if err != nil {
		t.Fatal(err)
	}
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

const alternatives = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Content-Type: multipart/mixed; boundary=outer\r\n\r\n" +
	"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n" +
	"--inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nR3LDvMOf\r\nZQ==\r\n" +
	"--inner\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>Gr=C3=BC=C3=9Fe\r\n" +
	"--inner--\r\n" +
	"--outer\r\nContent-Type: application/octet-stream\r\n\r\nabc\r\n" +
	"--outer--\r\n"

func TestLettersAreDecoded(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	send(t, box, "ann@example.com", alternatives)
	letter, err := box.Next(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if letter.Subject != "Grüße" || letter.Text != "Grüße" || letter.HTML != "<p>Grüße" {
		t.Errorf("letter = %q, %q, %q, want Grüße in each", letter.Subject, letter.Text, letter.HTML)
	}
	if letter.From != "no-reply@example.com" || len(letter.To) != 1 || letter.To[0] != "ann@example.com" {
		t.Errorf("envelope = %q to %q", letter.From, letter.To)
	}
}

func TestWatchersSeeALetterBeforeItsReader(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	seen := make(chan mailtest.Letter, 1)
	mailtest.Watch(func(l mailtest.Letter) {
		if l.Subject == "watched" {
			seen <- l
		}
	})
	send(t, box, "ann@example.com", "Subject: watched\r\n\r\nhello\r\n")
	if _, err := box.Next(soon(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case l := <-seen:
		if len(l.To) != 1 || l.To[0] != "ann@example.com" {
			t.Errorf("to %q, want ann@example.com", l.To)
		}
	default:
		t.Error("the letter was read before the watcher saw it")
	}
}

func TestPasscodeIsSixDigitsThatStandAlone(t *testing.T) {
	for text, want := range map[string]string{
		"14 March 2026: 402816.":  "402816",
		"id 1234567\n\n  000042":  "000042",
		"call 555 0123, or don't": "",
	} {
		if got := (mailtest.Letter{Text: text}).Passcode(); got != want {
			t.Errorf("passcode of %q = %q, want %q", text, got, want)
		}
	}
}

func TestJourneysDoNotReadEachOthersMail(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	for _, to := range []string{"ann@example.com", "bob@example.com", "ann@example.com"} {
		send(t, box, to, "Subject: for "+to+"\r\n\r\nhello\r\n")
	}
	bob, err := box.For(soon(t), "Bob@example.com")
	if err != nil || bob.To[0] != "bob@example.com" {
		t.Errorf("letter for Bob = %q, %v", bob.To, err)
	}
	for range 2 {
		if ann, err := box.Next(soon(t)); err != nil || ann.To[0] != "ann@example.com" {
			t.Errorf("next letter = %q, %v, want one for Ann", ann.To, err)
		}
	}
	if got := len(box.All()); got != 3 {
		t.Errorf("%d letters in all, want 3", got)
	}
}

func TestWaitingForALetterEndsWithTheContextOrTheMailbox(t *testing.T) {
	box, err := mailtest.Listen(mailtest.Options{Security: mailtest.TLS})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := box.Next(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want %v", err, context.Canceled)
	}
	if _, err := os.Stat(box.CACertificates()); err != nil {
		t.Error(err)
	}
	waiting := make(chan error)
	go func() {
		_, err := box.For(t.Context(), "ann@example.com")
		waiting <- err
	}()
	for range 2 {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-waiting; !errors.Is(err, mailtest.ErrClosed) {
		t.Errorf("err = %v, want %v", err, mailtest.ErrClosed)
	}
	if _, err := os.Stat(box.CACertificates()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("certificate is still there: %v", err)
	}
}

func TestFaultsAreUsedUpInOrder(t *testing.T) {
	box := mailtest.Start(t, mailtest.Options{})
	box.Fail(2, mailtest.Fault{Stage: mailtest.AtRecipient, Code: 450, Text: "later"})
	box.Fail(1, mailtest.Fault{Stage: mailtest.AtData, Code: 554, Text: "never"})
	for _, want := range []textproto.Error{{Code: 450, Msg: "4.0.0 later"}, {Code: 450, Msg: "4.0.0 later"}, {Code: 554, Msg: "5.0.0 never"}, {}} {
		err := smtp.SendMail(box.Address(), nil, "a@example.com", []string{"b@example.com"}, []byte("Subject: x\r\n\r\nx\r\n"))
		got := new(textproto.Error)
		if err != nil && !errors.As(err, &got) || *got != want {
			t.Errorf("answer = %v, want %v", err, &want)
		}
	}
	if got := len(box.All()); got != 1 {
		t.Errorf("%d letters arrived, want 1", got)
	}
}
