package mail

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"
)

// A Passcode is what the letter with a passcode tells. All but Adding and
// Client is required.
type Passcode struct {
	Code     string
	Lifetime time.Duration
	Adding   bool      // it gives the address to an account, and signs nobody in
	Site     string    // the host that the reader signs in to
	Client   string    // what asked for the code, such as "Firefox on Linux"
	At       time.Time // when it did
}

// Passcode writes the letter that brings p to the address to, in the language
// that acceptLanguage, an Accept-Language header, asks for. The letter expires
// with the passcode.
//
// It has no link, so that nobody learns to sign in by following one that came
// by mail, and no program that looks at mail can use the passcode up.
func (l *Letters) Passcode(to, acceptLanguage string, p Passcode) (Message, error) {
	if p.Code == "" || p.Lifetime <= 0 || p.Site == "" || p.At.IsZero() {
		return Message{}, errors.New("writing passcode letter: code, lifetime, site or time is missing")
	}
	in := l.languages.choose(acceptLanguage)
	letter, v := l.begin(in, p.Site)
	v["code"] = oneLine(p.Code, maxValue)
	v["lifetime"] = in.duration(p.Lifetime)

	letter.Subject = in.phrase("passcode.subject", v)
	letter.Heading = in.phrase("passcode.heading", v)
	letter.Intro = in.phrase("passcode.intro", v)
	if p.Adding {
		// Who is talked into passing it on should know for what.
		letter.Intro = in.phrase("passcode.adding", v)
	}
	letter.Code = v["code"]
	letter.Validity = in.phrase("passcode.validity", v)
	letter.addCircumstances(in, p.Site, p.Client, p.At)
	letter.Paragraphs = []string{in.phrase("passcode.advice", v), in.phrase("passcode.ignore", v)}
	letter.BoundDomain = boundDomain(p.Site)

	m, err := letter.message(to)
	if err != nil {
		return Message{}, fmt.Errorf("writing passcode letter: %w", err)
	}
	m.ExpiresAt = p.At.Add(p.Lifetime)
	return m, nil
}

var domain = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// boundDomain returns the domain for a last line "@domain #code", by which
// autofill offers a code to the site it is for and to no other. It is empty if
// site is not a domain: the format has no room for a port or anything else.
// https://wicg.github.io/sms-one-time-codes/
func boundDomain(site string) string {
	if host, _, err := net.SplitHostPort(site); err == nil {
		site = host
	}
	if !domain.MatchString(site) {
		return ""
	}
	return site
}
