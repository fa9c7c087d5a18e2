package mailtest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
)

// A Letter is one that the server has taken.
type Letter struct {
	From string   // the envelope's sender
	To   []string // the envelope's recipients
	UTF8 bool     // the client has asked for SMTPUTF8 (RFC 6531)

	Header  mail.Header
	Subject string // decoded
	Text    string // the text/plain part, decoded, with \n at line ends
	HTML    string // the text/html part, likewise
	Raw     []byte // as it came over the wire
}

var sixDigits = regexp.MustCompile(`\b[0-9]{6}\b`)

// Passcode returns the first run of exactly six digits in the letter's text, or
// nothing.
func (l Letter) Passcode() string { return sixDigits.FindString(l.Text) }

// parse reads a letter. Parts other than text are left in Raw.
func parse(raw []byte) (Letter, error) {
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Letter{}, fmt.Errorf("reading header: %w", err)
	}
	l := Letter{Header: message.Header, Raw: raw}
	if l.Subject, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject")); err != nil {
		return Letter{}, fmt.Errorf("reading subject: %w", err)
	}
	if err := l.addPart(textproto.MIMEHeader(message.Header), message.Body); err != nil {
		return Letter{}, err
	}
	return l, nil
}

func (l *Letter) addPart(header textproto.MIMEHeader, body io.Reader) error {
	mediaType, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if errors.Is(err, mime.ErrInvalidMediaParameter) || header.Get("Content-Type") == "" {
		mediaType = "text/plain"
	} else if err != nil {
		return fmt.Errorf("reading content type: %w", err)
	}
	if strings.HasPrefix(mediaType, "multipart/") {
		return l.addParts(multipart.NewReader(body, params["boundary"]))
	}
	var into *string
	switch mediaType {
	case "text/plain":
		into = &l.Text
	case "text/html":
		into = &l.HTML
	default:
		return nil
	}
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("reading %s: %w", mediaType, err)
	}
	*into += strings.ReplaceAll(string(content), "\r\n", "\n")
	return nil
}

func (l *Letter) addParts(r *multipart.Reader) error {
	for {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading parts: %w", err)
		}
		if err := l.addPart(part.Header, part); err != nil {
			return err
		}
	}
}
