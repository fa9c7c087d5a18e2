package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTheLanguageIsTheVisitors(t *testing.T) {
	p := newPages(t, Options{})
	for header, want := range map[string]string{
		"":                                 "en",
		"en":                               "en",
		"de":                               "de",
		"DE-ch, de;q=0.9":                  "de",
		"de-Latn-AT":                       "de",
		"fr":                               "en",
		"fr, de;q=0.8, en;q=0.7":           "de",
		"de;q=0.5, en;q=0.8":               "en",
		"de;q=0":                           "en",
		"*":                                "en",
		"de-DE;q=x":                        "en",
		"<script>":                         "en",
		strings.Repeat("de,", 1_000):       "en", // longer than any browser's
		"de" + strings.Repeat("-a", 1_000): "en",
	} {
		w := render(t, p, header, SignedOutPage{})
		if got := w.Header().Get("Content-Language"); got != want {
			t.Errorf("%.40q: got %s, want %s", header, got, want)
		}
		if !strings.Contains(w.Body.String(), `<html lang="`+want+`"`) {
			t.Errorf("%.40q: the page does not say that it is in %s", header, want)
		}
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]*\}`)

func TestEachLanguageSaysTheSame(t *testing.T) {
	l, err := loadLanguages()
	if err != nil {
		t.Fatal(err)
	}
	en := l.catalogues[0]
	if got := en.tag.String(); got != "en" {
		t.Fatalf("got %s first, want en", got)
	}
	if len(l.catalogues) < 2 {
		t.Fatalf("got %d languages, want en and de at least", len(l.catalogues))
	}
	placeholders := func(s string) []string { return slices.Sorted(slices.Values(placeholder.FindAllString(s, -1))) }
	for _, c := range l.catalogues {
		t.Run(c.tag.String(), func(t *testing.T) {
			got, want := slices.Sorted(maps.Keys(c.texts)), slices.Sorted(maps.Keys(en.texts))
			if !slices.Equal(got, want) {
				t.Errorf("got keys %q, want %q", got, want)
			}
			for key, text := range c.texts {
				if text == "" || text != strings.TrimSpace(text) {
					t.Errorf("%s: got %q, want a text without space around it", key, text)
				}
				if got, want := placeholders(text), placeholders(en.texts[key]); !slices.Equal(got, want) {
					t.Errorf("%s: got placeholders %q, want %q", key, got, want)
				}
			}
		})
	}
}

// constants returns the values of the constants of problems.go, by type.
func constants(t *testing.T) map[string][]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "problems.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string][]string)
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			name := spec.Type.(*ast.Ident).Name
			values[name] = append(values[name], value)
		}
		return true
	})
	return values
}

func TestEveryProblemNoticeAndCauseHasItsSentence(t *testing.T) {
	p := newPages(t, Options{})
	known := constants(t)
	for kind, name := range map[string]string{"problem": "Problem", "notice": "Notice", "loop": "LoopCause"} {
		if len(known[name]) == 0 {
			t.Fatalf("got no constants of type %s", name)
		}
		for _, c := range p.languages.catalogues {
			for _, key := range known[name] {
				if c.texts[kind+"."+key] == "" {
					t.Errorf("%s: nothing to say about %s %s", c.tag, name, key)
				}
			}
		}
	}
}

func TestNoTextIsThereForNothing(t *testing.T) {
	var used strings.Builder
	err := fs.WalkDir(templateFiles, "templates", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := templateFiles.ReadFile(path)
		used.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	known := constants(t)
	chosen := map[string][]string{
		"problem": append(known["Problem"], "general"),
		"heading": append(known["Problem"], "general"),
		"notice":  append(known["Notice"], "general"),
		"loop":    append(known["LoopCause"], "general"),
		"month":   {"01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"},
		"date":    {"day", "time"},
		"method":  {"passcode", "passkey", "password"},
	}
	for key := range newPages(t, Options{}).languages.catalogues[0].texts {
		kind, name, _ := strings.Cut(key, ".")
		if !slices.Contains(chosen[kind], name) && !strings.Contains(used.String(), `.T "`+key+`"`) {
			t.Errorf("%s is said nowhere", key)
		}
	}
}

func TestUnknownKeysAreToldInGeneralWords(t *testing.T) {
	p := newPages(t, Options{})
	general := p.languages.catalogues[0].texts
	for want, page := range map[string]Page{
		general["problem.general"]: LoginPage{Problem: "<strange>"},
		general["notice.general"]:  AccountPage{Notice: "<strange>"},
		general["heading.general"]: ErrorPage{Status: http.StatusTeapot, Problem: "<strange>"},
		general["loop.general"]:    LoopPage{Cause: "<strange>"},
	} {
		body := render(t, p, "en", page).Body.String()
		if !strings.Contains(body, want) {
			t.Errorf("%T: %q is not on the page", page, want)
		}
		if strings.Contains(body, "strange") {
			t.Errorf("%T: the key itself is on the page", page)
		}
	}
}

func TestTimesAreInWordsAndInUTC(t *testing.T) {
	p := newPages(t, Options{})
	at := time.Date(2026, time.March, 1, 0, 30, 0, 0, time.FixedZone("", 3600)) // still February in UTC
	page := AccountPage{Sessions: []Session{{StartedAt: at, LastSeenAt: at}}, Passkeys: []Passkey{{CreatedAt: at}}}
	for language, want := range map[string][]string{
		"en": {`<time datetime="2026-02-28T23:30:00Z">28 February 2026, 23:30 UTC</time>`, `<time datetime="2026-02-28T23:30:00Z" data-day>28 February 2026</time>`},
		"de": {`<time datetime="2026-02-28T23:30:00Z">28. Februar 2026, 23:30 UTC</time>`, `<time datetime="2026-02-28T23:30:00Z" data-day>28. Februar 2026</time>`},
	} {
		body := render(t, p, language, page).Body.String()
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s: %s is not on the page", language, w)
			}
		}
	}
}
