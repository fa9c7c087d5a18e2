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

// subjectLabels are what to call a notice's Subject.
var subjectLabels = map[NoticeKind]string{
	PasskeyAdded:   "fact.passkey",
	PasskeyRemoved: "fact.passkey",
	AddressAdded:   "fact.address",
	AddressRemoved: "fact.address",
	AddressPrimary: "fact.address",
}

// Notice writes the letter that tells n to the address to, in the language that
// acceptLanguage, an Accept-Language header, asks for.
func (l *Letters) Notice(to, acceptLanguage string, n Notice) (Message, error) {
	label, ok := subjectLabels[n.Kind]
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
	letter.add(in.phrase(label, nil), n.Subject)
	letter.addCircumstances(in, n.Site, n.Client, n.At)
	letter.Paragraphs = []string{in.phrase("notice.fine", v), in.phrase("notice.alarm", v)}
	letter.Link, letter.LinkText = n.AccountURL, in.phrase("notice.button", v)

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
