package mail_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/mail"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	noon     = time.Date(2026, 3, 14, 12, 5, 0, 0, time.UTC)
	passcode = mail.Passcode{
		Code:     "402816",
		Lifetime: 5 * time.Minute,
		Site:     "app.example.com",
		Client:   "Firefox on Linux",
		At:       noon,
	}
	notice = mail.Notice{
		Kind:       mail.PasskeyAdded,
		Subject:    "iCloud Keychain",
		Site:       "app.example.com",
		Client:     "Safari on iPhone",
		At:         noon,
		AccountURL: "https://app.example.com/doorward/account",
	}
)

func newLetters(t *testing.T, o mail.LettersOptions) *mail.Letters {
	t.Helper()
	letters, err := mail.NewLetters(o)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func writePasscode(t *testing.T, p mail.Passcode, acceptLanguage string) mail.Message {
	t.Helper()
	m, err := newLetters(t, mail.LettersOptions{Name: "Example"}).Passcode("ann@example.com", acceptLanguage, p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what was approved (-update approves it):\n%s", path, got)
	}
}

func TestEveryLetterReadsAsApproved(t *testing.T) {
	letters := newLetters(t, mail.LettersOptions{Name: "Example"})
	write := map[string]func(language string) (mail.Message, error){
		"passcode": func(language string) (mail.Message, error) {
			return letters.Passcode("ann@example.com", language, passcode)
		},
		"passcode_adding": func(language string) (mail.Message, error) {
			p := passcode
			p.Adding = true
			return letters.Passcode("ann@work.example", language, p)
		},
	}
	for kind, subject := range map[mail.NoticeKind]string{
		mail.PasskeyAdded:   "iCloud Keychain",
		mail.PasskeyRemoved: "YubiKey 5",
		mail.AddressAdded:   "ann@work.example",
		mail.AddressRemoved: "ann@old.example",
		mail.AddressPrimary: "ann@work.example",
		mail.AccountDeleted: "",
	} {
		write[string(kind)] = func(language string) (mail.Message, error) {
			n := notice
			n.Kind, n.Subject = kind, subject
			return letters.Notice("ann@example.com", language, n)
		}
	}
	for name, write := range write {
		for _, language := range []string{"en", "de"} {
			t.Run(name+"."+language, func(t *testing.T) {
				m, err := write(language)
				if err != nil {
					t.Fatal(err)
				}
				if m.Language != language {
					t.Errorf("language = %q, want %q", m.Language, language)
				}
				golden(t, name+"."+language+".txt", "Subject: "+m.Subject+"\n\n"+m.Text)
				golden(t, name+"."+language+".html", m.HTML)
			})
		}
	}
}

func TestPasscodeLetterExpiresWithThePasscode(t *testing.T) {
	m := writePasscode(t, passcode, "")
	if want := noon.Add(5 * time.Minute); !m.ExpiresAt.Equal(want) {
		t.Errorf("expires at %v, want %v", m.ExpiresAt, want)
	}
}

func TestPasscodeIsOneSelectableWord(t *testing.T) {
	m := writePasscode(t, passcode, "")
	if !strings.Contains(m.HTML, ">402816<") {
		t.Error("HTML does not have the passcode as one string")
	}
	if !strings.HasPrefix(m.Subject, "402816 ") {
		t.Errorf("subject = %q, want the passcode first", m.Subject)
	}
}

func TestPasscodeLetterHasNothingToFollowOrLoad(t *testing.T) {
	for _, language := range []string{"en", "de"} {
		m := writePasscode(t, passcode, language)
		for _, s := range []string{"<a", "<img", "href", "src=", "http", "url(", "@import"} {
			if strings.Contains(strings.ToLower(m.HTML+m.Text), s) {
				t.Errorf("%s letter has %q in it", language, s)
			}
		}
	}
}

func TestPasscodeLetterEndsInADomainBoundCode(t *testing.T) {
	for site, want := range map[string]string{
		"app.example.com":      "\n@app.example.com #402816\n",
		"app.example.com:8443": "\n@app.example.com #402816\n",
		"localhost":            "\n@localhost #402816\n",
		"a b.example.com":      "",
		"x\n@evil.example":     "",
		"[::1]:443":            "",
	} {
		p := passcode
		p.Site = site
		m := writePasscode(t, p, "")
		if got := strings.HasSuffix(m.Text, want); !got {
			t.Errorf("letter for %q does not end in %q:\n%s", site, want, m.Text)
		}
		if want == "" && strings.Contains(m.Text, " #402816") {
			t.Errorf("letter for %q binds the passcode to a domain:\n%s", site, m.Text)
		}
	}
}

func TestLifetimeIsInWholeUnitsAndNeverTooLong(t *testing.T) {
	for _, test := range []struct {
		lifetime time.Duration
		language string
		want     string
	}{
		{5 * time.Minute, "en", "for 5 minutes."},
		{time.Minute, "en", "for 1 minute."},
		{119 * time.Second, "en", "for 1 minute."},
		{45 * time.Second, "en", "for 45 seconds."},
		{time.Second, "en", "for 1 second."},
		{5 * time.Minute, "de", "gilt 5 Minuten lang"},
		{time.Minute, "de", "gilt 1 Minute lang"},
		{30 * time.Second, "de", "gilt 30 Sekunden lang"},
	} {
		p := passcode
		p.Lifetime = test.lifetime
		if m := writePasscode(t, p, test.language); !strings.Contains(m.Text, test.want) {
			t.Errorf("%v in %s: no %q in\n%s", test.lifetime, test.language, test.want, m.Text)
		}
	}
}

func TestTimesAreToldInUTC(t *testing.T) {
	p := passcode
	p.At = time.Date(2026, 3, 1, 0, 7, 0, 0, time.FixedZone("", 2*60*60))
	for language, want := range map[string]string{
		"en": "28 February 2026 at 22:07 UTC",
		"de": "28. Februar 2026 um 22:07 Uhr (UTC)",
	} {
		if m := writePasscode(t, p, language); !strings.Contains(m.Text, want) {
			t.Errorf("no %q in\n%s", want, m.Text)
		}
	}
}

func TestLetterWithoutANameSpeaksOfTheSite(t *testing.T) {
	m, err := newLetters(t, mail.LettersOptions{}).Passcode("ann@example.com", "", passcode)
	if err != nil {
		t.Fatal(err)
	}
	if want := "402816 is your passcode for app.example.com"; m.Subject != want {
		t.Errorf("subject = %q, want %q", m.Subject, want)
	}
}

func TestUnknownCircumstancesAreLeftOut(t *testing.T) {
	n := notice
	n.Client, n.Subject, n.AccountURL = "", "", ""
	m, err := newLetters(t, mail.LettersOptions{}).Notice("ann@example.com", "", n)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"Device", "Passkey:", "Check your account"} {
		if strings.Contains(m.Text, s) || strings.Contains(m.HTML, s) {
			t.Errorf("letter has an empty %q:\n%s", s, m.Text)
		}
	}
}

// Whoever is told that their account is gone cannot look into it.
func TestLetterAboutADeletedAccountHasNoLink(t *testing.T) {
	n := notice
	n.Kind, n.Subject = mail.AccountDeleted, "ann@example.com"
	m, err := newLetters(t, mail.LettersOptions{}).Notice("ann@example.com", "", n)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"http", "<a", "Check your account", "ann@example.com", "Passkey:", "E-mail address:"} {
		if strings.Contains(m.Text, s) || strings.Contains(m.HTML, s) {
			t.Errorf("letter has %q in it:\n%s", s, m.Text)
		}
	}
}

func TestUnusableValuesAreRefused(t *testing.T) {
	letters := newLetters(t, mail.LettersOptions{})
	for name, spoil := range map[string]func(*mail.Passcode){
		"no code":     func(p *mail.Passcode) { p.Code = "" },
		"no lifetime": func(p *mail.Passcode) { p.Lifetime = 0 },
		"no site":     func(p *mail.Passcode) { p.Site = "" },
		"no time":     func(p *mail.Passcode) { p.At = time.Time{} },
	} {
		p := passcode
		spoil(&p)
		if _, err := letters.Passcode("ann@example.com", "", p); err == nil {
			t.Errorf("passcode letter with %s was written", name)
		}
	}
	for name, spoil := range map[string]func(*mail.Notice){
		"no kind":           func(n *mail.Notice) { n.Kind = "" },
		"an unknown kind":   func(n *mail.Notice) { n.Kind = "fine" },
		"no site":           func(n *mail.Notice) { n.Site = "" },
		"no time":           func(n *mail.Notice) { n.At = time.Time{} },
		"a script to click": func(n *mail.Notice) { n.AccountURL = "javascript:alert(1)" },
		"a relative link":   func(n *mail.Notice) { n.AccountURL = "/doorward/account" },
	} {
		n := notice
		spoil(&n)
		if _, err := letters.Notice("ann@example.com", "", n); err == nil {
			t.Errorf("notice with %s was written", name)
		}
	}
	for _, accent := range []string{"blue", "#12345", "#12345g", "#123456;x:y"} {
		if _, err := mail.NewLetters(mail.LettersOptions{Accent: accent}); err == nil {
			t.Errorf("accent %q was accepted", accent)
		}
	}
}

func TestButtonCanBeReadOnAnyAccent(t *testing.T) {
	for accent, want := range map[string]string{
		"#000000": "#ffffff",
		"#2563eb": "#ffffff",
		"#ffd400": "#111827",
		"#FFFFFF": "#111827",
	} {
		m, err := newLetters(t, mail.LettersOptions{Accent: accent}).Notice("ann@example.com", "", notice)
		if err != nil {
			t.Fatal(err)
		}
		if style := "background: " + accent + "; border-radius: 6px; color: " + want; !strings.Contains(m.HTML, style) {
			t.Errorf("button on %s is not written in %s", accent, want)
		}
	}
}

// A passkey's name is its owner's to choose, or that of whoever stole the
// session. It must stay a name.
func TestNamesCannotBecomeMarkupOrLines(t *testing.T) {
	hostile := "<img src=x onerror=alert(1)>\r\nBcc: eve@evil.example\r\n\r\n\u202egnp.exe {code}\x00"
	n := notice
	n.Subject, n.Client, n.Site = hostile, hostile, hostile
	m, err := newLetters(t, mail.LettersOptions{Name: hostile}).Notice("ann@example.com", "", n)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(m.Subject, "\r\n\x00\u202e") {
		t.Errorf("subject = %q, want one line without control characters", m.Subject)
	}
	if strings.Contains(m.HTML, "<img") {
		t.Error("HTML has the markup of a name")
	}
	if strings.Contains(m.Text, "\nBcc:") || strings.ContainsAny(m.Text+m.HTML, "\x00\u202e") {
		t.Errorf("text has the lines of a name:\n%q", m.Text)
	}
	if !strings.Contains(m.Text, "{code}") {
		t.Error("a name's braces were taken for a placeholder")
	}
}

func TestLongNamesAreCut(t *testing.T) {
	n := notice
	n.Subject = strings.Repeat("ü", 5000)
	m, err := newLetters(t, mail.LettersOptions{}).Notice("ann@example.com", "", n)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(m.Text, "ü"); got != 99 {
		t.Errorf("letter has %d letters of a name, want 99", got)
	}
}
