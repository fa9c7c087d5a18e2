package mail

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func embedded(t testing.TB) *locales {
	t.Helper()
	l, err := loadLocales(embeddedLocales)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEveryLanguageSaysWhatEnglishSays(t *testing.T) {
	all := embedded(t).all
	if len(all) < 2 {
		t.Fatalf("%d languages, want at least 2", len(all))
	}
	for _, l := range all {
		if err := l.fits(all[0]); err != nil {
			t.Errorf("%s: %v", l.tag, err)
		}
		for key, text := range l.Phrases {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", l.tag, key)
			}
			if rest := placeholder.ReplaceAllString(text, ""); strings.ContainsAny(rest, "{}") {
				t.Errorf("%s: %s has a brace that is no placeholder", l.tag, key)
			}
		}
	}
}

// files are the embedded languages and one more: German, changed by spoil.
func filesWith(t *testing.T, name string, spoil func(*locale)) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	for _, file := range []string{"locales/en.json", "locales/de.json"} {
		content, err := embeddedLocales.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files[file] = &fstest.MapFile{Data: content}
	}
	another := new(locale)
	if err := json.Unmarshal(files["locales/de.json"].Data, another); err != nil {
		t.Fatal(err)
	}
	spoil(another)
	content, err := json.Marshal(another)
	if err != nil {
		t.Fatal(err)
	}
	files[name] = &fstest.MapFile{Data: content}
	return files
}

func TestAnotherLanguageIsOneMoreFile(t *testing.T) {
	l, err := loadLocales(filesWith(t, "locales/pl.json", func(l *locale) {
		l.Plurals["minutes"] = map[string]string{
			"one": "{count} minuta", "few": "{count} minuty", "many": "{count} minut", "other": "{count} minuty",
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	polish := l.choose("pl-PL,pl;q=0.9,en;q=0.5")
	for minutes, want := range map[int]string{1: "1 minuta", 3: "3 minuty", 5: "5 minut", 22: "22 minuty"} {
		if got := polish.duration(time.Duration(minutes) * time.Minute); got != want {
			t.Errorf("%d minutes = %q, want %q", minutes, got, want)
		}
	}
}

func TestIncompleteLanguageIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*locale){
		"a phrase is missing":     func(l *locale) { delete(l.Phrases, "footer") },
		"a phrase is too many":    func(l *locale) { l.Phrases["foot"] = "x" },
		"a placeholder is lost":   func(l *locale) { l.Phrases["passcode.subject"] = "Ihr Code für {name}" },
		"a placeholder is new":    func(l *locale) { l.Phrases["footer"] = "{code}" },
		"a plural is missing":     func(l *locale) { delete(l.Plurals, "minutes") },
		"a plural form is needed": func(l *locale) { delete(l.Plurals["minutes"], "other") },
		"a plural form is new":    func(l *locale) { l.Plurals["minutes"]["dual"] = "{count}" },
		"a plural has no number":  func(l *locale) { l.Plurals["minutes"]["one"] = "eine Minute" },
		"a month is missing":      func(l *locale) { l.Months = l.Months[:11] },
	} {
		if _, err := loadLocales(filesWith(t, "locales/nl.json", spoil)); err == nil {
			t.Errorf("%s, and nobody noticed", name)
		} else if !strings.Contains(err.Error(), "nl.json") {
			t.Errorf("%s: error %q does not name the file", name, err)
		}
	}
	if _, err := loadLocales(filesWith(t, "locales/not a language.json", func(*locale) {})); err == nil {
		t.Error("a file that is named for no language was accepted")
	}
}

func TestLanguageFollowsTheReader(t *testing.T) {
	l := embedded(t)
	for accept, want := range map[string]string{
		"":                                    "en",
		"*":                                   "en",
		"de":                                  "de",
		"de-CH, fr;q=0.8":                     "de",
		"fr-FR, de;q=0.7, en;q=0.3":           "de",
		"en-GB,en;q=0.9,de;q=0.8":             "en",
		"ja, zh;q=0.9":                        "en",
		"\x00;;q=,":                           "en",
		"de" + strings.Repeat(",de", 100_000): "en", // too long to be a browser's
	} {
		if got := l.choose(accept).tag.String(); got != want {
			t.Errorf("Accept-Language %.40q chooses %s, want %s", accept, got, want)
		}
	}
}

func FuzzAcceptLanguage(f *testing.F) {
	for _, s := range []string{"", "de-CH, fr;q=0.8", "en-u-ca-buddhist", "x-", "*;q=0"} {
		f.Add(s)
	}
	l := embedded(f)
	f.Fuzz(func(t *testing.T, accept string) {
		if l.choose(accept) == nil {
			t.Errorf("Accept-Language %q chooses nothing", accept)
		}
	})
}
