package mail

import (
	"bytes"
	"io"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// outline is the elements of a letter with their attributes, whose values are left
// out but where they say how something looks or where a link leads.
func outline(t *testing.T, letter string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(letter))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		b.WriteString("<" + n.Data)
		for _, a := range n.Attr {
			b.WriteString(" " + a.Key)
			if a.Key == "style" || a.Key == "href" || a.Key == "src" {
				b.WriteString("=" + a.Val)
			}
		}
		b.WriteString(">")
	}
	return b.String()
}

// What somebody else's words in a letter are (the name that they gave a passkey,
// what their browser calls itself), they stay words: the letter has the elements,
// the links and the lines that it has with any word there.
func FuzzLettersHoldNoWordsThatAreMore(f *testing.F) {
	for _, s := range []string{
		"Firefox on Linux", "<img src=x onerror=alert(1)>", `"><a href="https://evil.test">`, "a\r\nBcc: evil@example.net\r\n\r\nb", "{code} {site} {{.Code}}",
		"\u202emoc.elpmaxe", "https://evil.test/x", strings.Repeat("x", 1000), "\xff\xfe", "\x00", "--\n.\n", "123456",
	} {
		f.Add(s, "Laptop", "de")
		f.Add("Firefox", s, s)
	}
	letters, err := NewLetters(LettersOptions{Name: "Example"})
	if err != nil {
		f.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	write := func(t *testing.T, client, name, language string) (passcode, notice Message) {
		t.Helper()
		passcode, err := letters.Passcode("ann@example.com", language, Passcode{Code: "314159", Lifetime: time.Minute, Site: "app.example.com", Client: client, At: at})
		if err != nil {
			t.Fatal(err)
		}
		notice, err = letters.Notice("ann@example.com", language, Notice{
			Kind: PasskeyAdded, Subject: name, Site: "app.example.com", Client: client, At: at, AccountURL: "https://app.example.com/doorward/account",
		})
		if err != nil {
			t.Fatal(err)
		}
		return passcode, notice
	}
	// What is nothing on one line is left out, label and all.
	plain := func(s string) string {
		if oneLine(s, maxValue) == "" {
			return ""
		}
		return "x"
	}
	f.Fuzz(func(t *testing.T, client, name, language string) {
		got1, got2 := write(t, client, name, language)
		want1, want2 := write(t, plain(client), plain(name), language)
		for _, pair := range [][2]Message{{got1, want1}, {got2, want2}} {
			got, want := pair[0], pair[1]
			if got.Subject != want.Subject || got.To != want.To || got.Language != want.Language {
				t.Errorf("client %q, name %q: the head of the letter is %q to %q, want %q", client, name, got.Subject, got.To, want.Subject)
			}
			if g, w := outline(t, got.HTML), outline(t, want.HTML); g != w {
				t.Errorf("client %q, name %q: the letter is built as\n%s\nwant\n%s", client, name, g, w)
			}
			if g, w := strings.Count(got.Text, "\n"), strings.Count(want.Text, "\n"); g != w {
				t.Errorf("client %q, name %q: the letter has %d lines, want %d", client, name, g, w)
			}
		}
	})
}

// What is sent is one letter to one reader, whatever its address and its subject
// hold: no header is added, and no second reader.
func FuzzComposedLetterHasOneReader(f *testing.F) {
	for _, s := range []string{"ann@example.com", "ann@example.com\r\nBcc: evil@example.net", "ann@example.com, evil@example.net", "Ann <ann@example.com>", "\"a b\"@x.yz", "", "用户@例え.jp", "a@b@c.de", "evil@x.yz> <ann@example.com"} {
		f.Add(s, "314159 is your passcode", "id")
		f.Add("ann@example.com", s, "id\r\nX: y")
		f.Add("ann@example.com", s+"\r\n\r\nbody", s)
	}
	s, err := NewSMTP(SMTPOptions{URL: "smtp://localhost", From: "Example <door@example.com>"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, to, subject, id string) {
		m, err := s.compose(Message{To: to, Subject: subject, Text: "text\n", HTML: "<p>text</p>", Language: "en", ID: id})
		if err != nil {
			if len(to) > 12 && strings.Contains(err.Error(), to) {
				t.Errorf("the error %q has the whole address", err)
			}
			return
		}
		var sent bytes.Buffer
		if _, err := m.WriteTo(&sent); err != nil {
			return // refused before it is sent
		}
		read, err := mail.ReadMessage(io.LimitReader(&sent, 1<<20))
		if err != nil {
			t.Fatalf("to %q, subject %q, ID %q: %v", to, subject, id, err)
		}
		for _, name := range []string{"Bcc", "Cc", "Reply-To", "X"} {
			if got, there := read.Header[name]; there {
				t.Errorf("to %q, subject %q, ID %q: the letter has %s: %q", to, subject, id, name, got)
			}
		}
		readers, err := m.GetRecipients()
		if err != nil || len(readers) != 1 {
			t.Errorf("to %q: the readers are %q, %v, want one", to, readers, err)
		}
		if to, err := read.Header.AddressList("To"); err != nil || len(to) != 1 {
			t.Errorf("the reader is %v, %v, want one", to, err)
		}
	})
}

// Nothing of what a mail server answers that is written to the log shows the
// passcode of the letter, or whose address it went to; and it is one line.
func FuzzWhatServersAnswerIsHidden(f *testing.F) {
	for _, answer := range []string{
		"550 5.1.1 <ann.example@example.com>: no such user", "554 spam: \"314159 is your passcode\"", "550 ann.example@example.com,bob@x.yz\r\nX: y",
		"250 ok, affected ann.example@example.com", "ann.example@EXAMPLE.com 3141590", "\x00\x1b[31m\u202e", "550 ann.example @example.com", strings.Repeat("a@", 500), "",
	} {
		f.Add(answer, "")
		f.Add("550 ", answer)
	}
	letter := Message{To: "ann.example@example.com", Subject: "314159 is your passcode", Text: "Your passcode: 314159\n"}
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, answer := range []string{before + after, before + letter.To + after, before + letter.Subject + after} {
			got := hide(letter, answer)
			if strings.Contains(got, letter.To) || strings.Contains(got, "314159") {
				t.Errorf("%q becomes %q", answer, got)
			}
			if strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) || !utf8.ValidString(got) {
				t.Errorf("%q becomes %q, which is not one line of text", answer, got)
			}
		}
	})
}

// A line is one line of text, no longer than it may be, and making one of it again
// changes nothing.
func FuzzOneLine(f *testing.F) {
	for _, s := range []string{"", "a", " a\tb\r\nc\u2028d ", "\u202ea\u2066b", "\u202e a \u202c b", "\xffa", "\x00\x1b[0m", strings.Repeat("é", 200), "a\u0085b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := oneLine(s, 20)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 20 || strings.ContainsFunc(got, func(r rune) bool {
			return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
		}) {
			t.Errorf("oneLine(%q) = %q", s, got)
		}
		// What is shown of an address is its first character, whatever follows it.
		if runes := []rune(s); len(runes) > 1 {
			if masked, want := maskAddress(s+"@example.com"), maskAddress(string(runes[:1])+"ny@example.com"); masked != want {
				t.Errorf("of %q is shown %q, want %q", s, masked, want)
			}
		}
		if again := oneLine(got, 20); again != got {
			t.Errorf("oneLine(%q) = %q, and of that %q", s, got, again)
		}
	})
}
