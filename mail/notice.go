package mail

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// A NoticeKind is a change to an account that its owner is told of.
type NoticeKind string

// The changes that there are letters for.
const (
	PasskeyAdded   NoticeKind = "passkey_added"
	PasskeyRemoved NoticeKind = "passkey_removed"
	AddressAdded   NoticeKind = "address_added"
	AddressRemoved NoticeKind = "address_removed"
	AddressPrimary NoticeKind = "address_primary" // another address is now the primary one
	AccountDeleted NoticeKind = "account_deleted" // has no Subject, and no account to look into
)

// A Notice is what the letter about a change tells. Kind, Site and At are
// required.
type Notice struct {
	Kind       NoticeKind
	Subject    string    // the passkey's name, or the e-mail address
	Site       string    // the host where it happened
	Client     string    // what did it, such as "Firefox on Linux"
	At         time.Time // when it happened
	AccountURL string    // where the reader can look into it
}

// noticePhrases are the phrases that differ from kind to kind, beside those that
// are named after it.
var noticePhrases = map[NoticeKind]struct {
	label string // what to call Subject; empty where there is none
	alarm string // what to do if it was somebody else
}{
	PasskeyAdded:   {"fact.passkey", "notice.alarm"},
	PasskeyRemoved: {"fact.passkey", "notice.alarm"},
	AddressAdded:   {"fact.address", "notice.alarm"},
	AddressRemoved: {"fact.address", "notice.address_removed.alarm"}, // read at that address, too
	AddressPrimary: {"fact.address", "notice.alarm"},
	AccountDeleted: {"", "notice.account_deleted.alarm"},
}

// Notice writes the letter that tells n to the address to, in the language that
// acceptLanguage, an Accept-Language header, asks for.
func (l *Letters) Notice(to, acceptLanguage string, n Notice) (Message, error) {
	phrases, ok := noticePhrases[n.Kind]
	if !ok {
		return Message{}, fmt.Errorf("writing notice: no letter for %q", n.Kind)
	}
	if n.Site == "" || n.At.IsZero() {
		return Message{}, errors.New("writing notice: site or time is missing")
	}
	if err := checkAccountURL(n.AccountURL); err != nil {
		return Message{}, fmt.Errorf("writing notice: %w", err)
	}
	in := l.languages.choose(acceptLanguage)
	letter, v := l.begin(in, n.Site)
	kind := "notice." + string(n.Kind)

	letter.Subject = in.phrase(kind+".subject", v)
	letter.Heading = in.phrase(kind+".heading", v)
	letter.Intro = in.phrase(kind+".intro", v)
	if phrases.label != "" {
		letter.add(in.phrase(phrases.label, nil), n.Subject)
	}
	letter.addCircumstances(in, n.Site, n.Client, n.At)
	letter.Paragraphs = []string{in.phrase("notice.fine", v), in.phrase(phrases.alarm, v)}
	if n.Kind != AccountDeleted {
		letter.Link, letter.LinkText = n.AccountURL, in.phrase("notice.button", v)
	}

	m, err := letter.message(to)
	if err != nil {
		return Message{}, fmt.Errorf("writing notice: %w", err)
	}
	return m, nil
}

// checkAccountURL refuses what is no address of a web page.
func checkAccountURL(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("account URL is not an absolute http or https URL")
	}
	return nil
}
