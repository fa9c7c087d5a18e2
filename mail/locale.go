package mail

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// embeddedLocales has one file for each language, named for its BCP 47 tag.
// Another language is another file: no code names any but English, which is the
// pattern that every file is held to and the language of readers whose own is
// missing.
//
//go:embed locales/*.json
var embeddedLocales embed.FS

const (
	sourceLanguage = "en"

	// maxAcceptLanguage bounds what a stranger can have us parse.
	maxAcceptLanguage = 256
)

// A locale is what the letters say in one language. Values go where the text
// has their names in braces.
type locale struct {
	tag language.Tag

	Phrases map[string]string            `json:"phrases"`
	Plurals map[string]map[string]string `json:"plurals"` // by CLDR plural form
	Months  []string                     `json:"months"`
}

// locales are the languages to choose from, English first.
type locales struct {
	all     []*locale
	matcher language.Matcher
}

// loadLocales reads each file of the folder locales.
func loadLocales(files fs.FS) (*locales, error) {
	names, err := fs.Glob(files, "locales/*.json")
	if err != nil {
		return nil, err
	}
	source, err := loadLocale(files, "locales/"+sourceLanguage+".json")
	if err != nil {
		return nil, err
	}
	l := &locales{all: []*locale{source}}
	tags := []language.Tag{source.tag}
	for _, name := range names {
		if path.Base(name) == sourceLanguage+".json" {
			continue
		}
		other, err := loadLocale(files, name)
		if err != nil {
			return nil, err
		}
		if err := other.fits(source); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		l.all = append(l.all, other)
		tags = append(tags, other.tag)
	}
	l.matcher = language.NewMatcher(tags)
	return l, nil
}

func loadLocale(files fs.FS, name string) (*locale, error) {
	tag, err := language.Parse(strings.TrimSuffix(path.Base(name), ".json"))
	if err != nil {
		return nil, fmt.Errorf("%s: reading its language: %w", name, err)
	}
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	l := &locale{tag: tag}
	if err := json.Unmarshal(content, l); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// choose returns the language that suits an Accept-Language header best.
func (l *locales) choose(acceptLanguage string) *locale {
	if len(acceptLanguage) > maxAcceptLanguage {
		return l.all[0]
	}
	_, i := language.MatchStrings(l.matcher, acceptLanguage)
	return l.all[i]
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// fits reports what keeps l from standing in for source.
func (l *locale) fits(source *locale) error {
	if err := sameKeys(l.Phrases, source.Phrases); err != nil {
		return err
	}
	for key, text := range source.Phrases {
		if got, want := placeholders(l.Phrases[key]), placeholders(text); !slices.Equal(got, want) {
			return fmt.Errorf("%s has the placeholders %v, want %v", key, got, want)
		}
	}
	if err := sameKeys(l.Plurals, source.Plurals); err != nil {
		return err
	}
	for key, forms := range l.Plurals {
		if forms["other"] == "" {
			return fmt.Errorf("%s lacks the form other", key)
		}
		for form, text := range forms {
			if !slices.Contains(slices.Collect(maps.Values(pluralForms)), form) {
				return fmt.Errorf("%s: no plural form is called %q", key, form)
			}
			if got, want := placeholders(text), placeholders(source.Plurals[key]["other"]); !slices.Equal(got, want) {
				return fmt.Errorf("%s.%s has the placeholders %v, want %v", key, form, got, want)
			}
		}
	}
	if len(l.Months) != 12 {
		return fmt.Errorf("months: %d, want 12", len(l.Months))
	}
	return nil
}

func sameKeys[V any](got, want map[string]V) error {
	for key := range want {
		if _, ok := got[key]; !ok {
			return fmt.Errorf("%s is missing", key)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			return fmt.Errorf("%s is not a key of %s", key, sourceLanguage)
		}
	}
	return nil
}

// placeholders returns the distinct placeholders of text, sorted.
func placeholders(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

var pluralForms = map[plural.Form]string{
	plural.Zero: "zero", plural.One: "one", plural.Two: "two",
	plural.Few: "few", plural.Many: "many", plural.Other: "other",
}

// phrase returns the text under key with values in place of their names. All
// values are put in at once, so that a value cannot name another.
func (l *locale) phrase(key string, values values) string {
	return values.fill(l.Phrases[key])
}

// count returns n things in the plural form that the language wants.
func (l *locale) count(key string, n int) string {
	forms := l.Plurals[key]
	text, ok := forms[pluralForms[plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0)]]
	if !ok {
		text = forms["other"]
	}
	return values{"count": fmt.Sprint(n)}.fill(text)
}

// duration returns d in whole minutes, or in seconds where that would be less
// than one; never more than d is.
func (l *locale) duration(d time.Duration) string {
	if d < time.Minute {
		return l.count("seconds", int(d/time.Second))
	}
	return l.count("minutes", int(d/time.Minute))
}

// time returns t in UTC: we do not know where the reader is.
func (l *locale) time(t time.Time) string {
	t = t.UTC()
	return l.phrase("time", values{
		"day":    t.Format("2"),
		"month":  l.Months[t.Month()-1],
		"year":   t.Format("2006"),
		"hour":   t.Format("15"),
		"minute": t.Format("04"),
	})
}

// values are what goes into a phrase, by the placeholder's name.
type values map[string]string

func (v values) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		return v[strings.Trim(name, "{}")]
	})
}
