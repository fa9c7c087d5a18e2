package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/text/language"
)

//go:embed locales/*.json
var localeFiles embed.FS

// A catalogue is what the pages say in one language. Placeholders are names in
// braces. A further language is one more file in locales, named for its tag.
type catalogue struct {
	tag   language.Tag
	texts map[string]string
}

// languages is every catalogue, English first: it is for those who like none.
type languages struct {
	catalogues []*catalogue
	matcher    language.Matcher
}

func loadLanguages() (*languages, error) {
	files, err := localeFiles.ReadDir("locales")
	if err != nil {
		return nil, fmt.Errorf("reading languages: %w", err)
	}
	l := &languages{catalogues: []*catalogue{nil}}
	for _, f := range files {
		c := &catalogue{}
		if c.tag, err = language.Parse(strings.TrimSuffix(f.Name(), path.Ext(f.Name()))); err != nil {
			return nil, fmt.Errorf("reading language %s: %w", f.Name(), err)
		}
		data, err := localeFiles.ReadFile("locales/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("reading language %s: %w", f.Name(), err)
		}
		if err := json.Unmarshal(data, &c.texts); err != nil {
			return nil, fmt.Errorf("reading language %s: %w", f.Name(), err)
		}
		if c.tag == language.English {
			l.catalogues[0] = c
		} else {
			l.catalogues = append(l.catalogues, c)
		}
	}
	tags := make([]language.Tag, len(l.catalogues))
	for i, c := range l.catalogues {
		tags[i] = c.tag
	}
	l.matcher = language.NewMatcher(tags)
	return l, nil
}

// match returns the catalogue that the header acceptLanguage likes best.
func (l *languages) match(acceptLanguage string) *catalogue {
	// Parsing takes time that grows with the header, and no browser sends
	// more than a few dozen bytes.
	if len(acceptLanguage) > 500 {
		return l.catalogues[0]
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return l.catalogues[0]
	}
	_, i, confidence := l.matcher.Match(tags...)
	if confidence == language.No {
		return l.catalogues[0]
	}
	return l.catalogues[i]
}

// text returns the text under key with its placeholders filled from pairs: a
// name, its value, and so on.
func (c *catalogue) text(key string, pairs ...any) (string, error) {
	s, ok := c.texts[key]
	if !ok {
		return "", fmt.Errorf("no text %q in %s", key, c.tag)
	}
	if len(pairs) == 0 {
		return s, nil
	}
	filled := make([]string, len(pairs))
	for i, v := range pairs {
		filled[i] = fmt.Sprint(v)
		if i%2 == 0 {
			filled[i] = "{" + filled[i] + "}"
		}
	}
	return strings.NewReplacer(filled...).Replace(s), nil
}

// choose returns the text for key among those of kind, or the kind's general
// one.
func (c *catalogue) choose(kind, key string) (string, error) {
	if s, ok := c.texts[kind+"."+key]; ok {
		return s, nil
	}
	return c.text(kind + ".general")
}

// date returns t in words by the catalogue's layout "time" or "day", in UTC: the
// script puts it in the visitor's zone.
func (c *catalogue) date(layout string, t time.Time) (string, error) {
	t = t.UTC()
	month, err := c.text(fmt.Sprintf("month.%02d", t.Month()))
	if err != nil {
		return "", err
	}
	return c.text("date."+layout, "day", t.Day(), "month", month, "year", t.Year(), "time", t.Format("15:04"))
}
