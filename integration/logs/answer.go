package logs

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Answer notes what an answer of a gateway's hands to its client: cookies, the
// session token in X-Auth-Token, and what a body of JSON has.
func (i *Issued) Answer(header http.Header, body []byte) {
	i.Add(Token, header.Get("X-Auth-Token"))
	for _, cookie := range (&http.Response{Header: header}).Cookies() {
		switch {
		case strings.HasSuffix(cookie.Name, "-deleted"): // the ID of a user, which the log may have
		case isJWT(cookie.Value):
			i.Add(Token, cookie.Value)
		default:
			i.Add(Cookie, cookie.Value)
		}
	}
	var content struct {
		ID        string
		PublicKey struct{ Challenge string }
		TTL       *int
	}
	if !strings.Contains(header.Get("Content-Type"), "json") || json.Unmarshal(body, &content) != nil {
		return
	}
	i.Add(Challenge, content.PublicKey.Challenge)
	if content.TTL != nil {
		i.Add(Ceremony, content.ID)
	}
}

// Asked notes the addresses in what a client sends, a form or JSON.
func (i *Issued) Asked(header http.Header, body []byte) {
	var content struct{ Email, Address string }
	if strings.HasPrefix(header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return
		}
		content.Email, content.Address = form.Get("email"), form.Get("address")
	} else if json.Unmarshal(body, &content) != nil {
		return
	}
	i.Person(content.Email)
	i.Person(content.Address)
}

var mailbox = regexp.MustCompile(`^[^\s@"\\]{2,}@[^\s@"\\]+\.[^\s@"\\]{2,}$`)

// Person notes somebody's address, if it is one. One whose local part is a single
// letter is masked like nothing.
func (i *Issued) Person(address string) {
	if mailbox.MatchString(address) {
		i.Add(Address, address)
	}
}

var (
	passcode    = regexp.MustCompile(`\b[0-9]{6,10}\b`)
	urlPassword = regexp.MustCompile(`://[^\s/:@"]*:([^\s@"{}]+)@`)
	ownSecret   = regexp.MustCompile(`(?m)^\s*secret\s+"?([^\s"{}]{32,})`)
)

// Letter notes the passcode in a letter's text.
func (i *Issued) Letter(text string) {
	i.Add(Passcode, passcode.FindString(text))
}

// Configuration notes the passwords and the secrets that stand in a configuration,
// or in the environment of a gateway.
func (i *Issued) Configuration(text string) {
	for _, found := range urlPassword.FindAllStringSubmatch(text, -1) {
		i.Add(Password, found[1])
		if plain, err := url.PathUnescape(found[1]); err == nil {
			i.Add(Password, plain)
		}
	}
	for _, found := range ownSecret.FindAllStringSubmatch(text, -1) {
		i.Add(Sealing, found[1])
	}
}
