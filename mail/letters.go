package mail

import (
	"bytes"
	"crypto/rand"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// Every letter is the same page, once in HTML and once in plain text.
var (
	htmlTemplate = htmltemplate.Must(htmltemplate.ParseFS(templateFiles, "templates/letter.html"))
	textTemplate = texttemplate.Must(texttemplate.ParseFS(templateFiles, "templates/letter.txt"))
)

// maxValue bounds, in runes, what a letter repeats of anybody's words: the name
// of a passkey should not have room for a letter of its own.
const maxValue = 100

// LettersOptions say whose letters they are. The zero value is good.
type LettersOptions struct {
	// Name is the site's or the company's, as its users know it. The default is
	// the site that the letter is about.
	Name string

	// Accent is the color of the bar and the button, as #rrggbb. The default is
	// a calm blue.
	Accent string
}

// Letters writes letters. Its methods may be called from several goroutines.
//
// What goes into a letter, the names that users gave their passkeys included,
// is confined to one line, cut to a sensible length, and escaped.
type Letters struct {
	name      string
	accent    string
	onAccent  string // what can be read on accent
	languages *locales
}

// NewLetters returns the Letters that o describes. An Accent that is no color
// is an error.
func NewLetters(o LettersOptions) (*Letters, error) {
	if o.Accent == "" {
		o.Accent = defaultAccent
	}
	onAccent, err := readableOn(o.Accent)
	if err != nil {
		return nil, err
	}
	languages, err := loadLocales(embeddedLocales)
	if err != nil {
		return nil, fmt.Errorf("loading languages: %w", err)
	}
	return &Letters{
		name:      oneLine(o.Name, maxValue),
		accent:    o.Accent,
		onAccent:  onAccent,
		languages: languages,
	}, nil
}

// A page is what the templates lay out: finished text, in the order in which
// the reader meets it.
type page struct {
	Language, Accent, OnAccent string

	Name, Subject, Heading, Intro string
	Code, Validity                string // empty but in a letter with a passcode
	Facts                         []fact
	Paragraphs                    []string
	Link, LinkText                string // Link may be empty
	Footer                        string
	BoundDomain                   string // may be empty; see boundDomain
}

// A fact is a row of the table of circumstances.
type fact struct{ Label, Value string }

// begin starts a page about site, and the values for its phrases.
func (l *Letters) begin(in *locale, site string) (page, values) {
	site = oneLine(site, maxValue)
	name := l.name
	if name == "" {
		name = site
	}
	v := values{"name": name, "site": site}
	return page{
		Language: in.tag.String(),
		Accent:   l.accent,
		OnAccent: l.onAccent,
		Name:     name,
		Footer:   in.phrase("footer", v),
	}, v
}

// add adds a fact unless there is nothing to say.
func (p *page) add(label, value string) {
	if value = oneLine(value, maxValue); value != "" {
		p.Facts = append(p.Facts, fact{label, value})
	}
}

// addCircumstances adds where, by what and when.
func (p *page) addCircumstances(in *locale, site, client string, at time.Time) {
	p.add(in.phrase("fact.site", nil), site)
	p.add(in.phrase("fact.client", nil), client)
	p.add(in.phrase("fact.time", nil), in.time(at))
}

// message lays p out.
func (p page) message(to string) (Message, error) {
	var html, text bytes.Buffer
	if err := htmlTemplate.Execute(&html, p); err != nil {
		return Message{}, err
	}
	if err := textTemplate.Execute(&text, p); err != nil {
		return Message{}, err
	}
	return Message{
		To:       to,
		Subject:  p.Subject,
		Text:     strings.TrimSpace(text.String()) + "\n",
		HTML:     html.String(),
		Language: p.Language,
		ID:       rand.Text(),
	}, nil
}
