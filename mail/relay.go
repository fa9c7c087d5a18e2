package mail

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// A relay is the server that takes our letters, as its URL describes it.
type relay struct {
	host               string
	port               int
	username, password string
	implicitTLS        bool             // smtps: TLS from the first byte
	startTLS           gomail.TLSPolicy // smtp: what to ask of STARTTLS
}

// parseRelay reads an SMTP URL. Its errors never repeat a part of the URL that
// could belong to the password: one that was not percent-encoded can end up
// in any part of it.
func parseRelay(raw string) (relay, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return relay{}, errors.New("not a URL (are special characters in the password percent-encoded?)")
	}
	r := relay{host: u.Hostname()}
	switch u.Scheme {
	case "smtp":
		r.port = 587
	case "smtps":
		r.port, r.implicitTLS, r.startTLS = 465, true, gomail.NoTLS
	default:
		return relay{}, errors.New("scheme is neither smtp nor smtps")
	}
	if r.host == "" {
		return relay{}, errors.New("no host")
	}
	if u.Port() != "" {
		if r.port, err = strconv.Atoi(u.Port()); err != nil || r.port < 1 || r.port > 65535 {
			return relay{}, errors.New("port is not one of 1 to 65535")
		}
	}
	if strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return relay{}, errors.New("something follows the port (are special characters in the password percent-encoded?)")
	}
	if u.User != nil {
		r.username = u.User.Username()
		r.password, _ = u.User.Password()
	}
	if err := r.parseQuery(u.RawQuery); err != nil {
		return relay{}, err
	}
	return r, nil
}

func (r *relay) parseQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return errors.New("options cannot be read")
	}
	for key, values := range query {
		switch {
		case key != "starttls" || len(values) != 1:
			return errors.New("options other than one starttls")
		case r.implicitTLS:
			return errors.New("starttls is for smtp; smtps is TLS from the start")
		case values[0] == "required":
			r.startTLS = gomail.TLSMandatory
		case values[0] == "optional":
			r.startTLS = gomail.TLSOpportunistic
		case values[0] == "off":
			r.startTLS = gomail.NoTLS
		default:
			return errors.New("starttls is not one of required, optional, off")
		}
	}
	return nil
}

// check refuses what would be a mistake or a leak.
func (r relay) check() error {
	switch {
	case (r.username == "") != (r.password == ""):
		return errors.New("a user name and a password go together")
	case r.username != "" && !r.encrypted() && !r.loopback():
		// "optional" too: whoever sits between can take STARTTLS out of the
		// server's answer (RFC 3207, section 6).
		return fmt.Errorf("the password would cross the network in clear text: "+
			"%s is not this machine, so starttls has to be required", r.host)
	}
	return nil
}

// encrypted reports whether nothing is said to the server without TLS.
func (r relay) encrypted() bool { return r.implicitTLS || r.startTLS == gomail.TLSMandatory }

func (r relay) loopback() bool {
	ip, err := netip.ParseAddr(r.host)
	return r.host == "localhost" || err == nil && ip.IsLoopback()
}

func (r relay) address() string { return net.JoinHostPort(r.host, strconv.Itoa(r.port)) }

// mechanisms are the ways to authenticate, best first: the ones that do not
// show the server the password, then the ones that do. The -NOENC variants are
// the same without TLS, which check has allowed for loopback only.
func (r relay) mechanisms() []gomail.SMTPAuthType {
	m := []gomail.SMTPAuthType{gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1}
	if r.encrypted() {
		return append(m, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin)
	}
	return append(m, gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc)
}
