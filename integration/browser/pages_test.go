package browser_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/integration/browser"
	"github.com/doorward/doorward/integration/testbed"
)

func TestEveryPageHoldsForEveryone(t *testing.T) {
	for language, signIn := range map[string]string{"en": "Sign in", "de": "Anmelden"} {
		t.Run(language, func(t *testing.T) {
			s := browser.NewRedisScene(t, chromium(t))
			ann := s.Visitor()
			ann.Speaks(language)
			axe := accessibility(t)
			var stops []string
			s.Tour(ann, func(page string) {
				stops = append(stops, page)
				if page == "login" {
					ann.Sees(signIn)
				}
				ann.Finds(`document.documentElement.lang`, language)
				for _, dark := range []bool{false, true} {
					ann.PrefersDark(dark)
					for _, violation := range axe.violations(ann) {
						t.Errorf("%s, dark %t: %s", page, dark, violation)
					}
				}
				ann.Resizes(360, 640, 1)
				var wide []string
				ann.Evaluate(`[...document.querySelectorAll("*")]
					.filter((e) => !e.closest(".unseen") && e.checkVisibility() && e.getBoundingClientRect().right > 360)
					.map((e) => e.outerHTML.slice(0, 120))`, &wide)
				if len(wide) > 0 {
					t.Errorf("%s: got %q beyond the edge of a phone", page, wide)
				}
				ann.Finds(`String(document.documentElement.scrollWidth)`, "360")
				ann.Resizes(1200, 800, 1)
			})
			if !slices.Equal(stops, browser.Pages) {
				t.Errorf("got a tour of %v, want %v", stops, browser.Pages)
			}
			if language == "de" {
				letter := s.Mailbox.All()[0]
				if want := "Anmeldecode"; !strings.Contains(letter.Subject+letter.Text, want) {
					t.Errorf("got a letter that reads %q, want %s in it", letter.Text, want)
				}
			}
		})
	}
}

// axe is the source of axe-core, which knows the rules of accessibility that a
// program can check.
type axe string

func accessibility(t *testing.T) axe {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(testbed.Root(), "integration/npm/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatalf("%v; npm ci --prefix integration/npm installs it", err)
	}
	return axe(source)
}

// violations says what is wrong with the page that a visitor is at. The page's
// own content security policy would not let axe in: the debugger does.
func (a axe) violations(v *browser.Visitor) []string {
	v.Runs(string(a))
	var found []struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	v.Evaluate(`axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations)`, &found)
	var violations []string
	for _, f := range found {
		for _, node := range f.Nodes {
			violations = append(violations, fmt.Sprintf("%s (%s): %s: %s", f.Help, f.ID, node.HTML, node.FailureSummary))
		}
	}
	return violations
}

func TestMistakesAreNotOverlooked(t *testing.T) {
	s := browser.NewScene(t, chromium(t))
	ann := s.Visitor()
	axe := accessibility(t)
	ann.Visits("/wiki")
	if got := axe.violations(ann); len(got) > 0 {
		t.Fatalf("got %q for the page as it is, want nothing", got)
	}
	ann.Runs(`document.querySelector("label").remove()`)
	ann.Runs(`document.querySelector(".lead").style.color = "silver"`)
	got := strings.Join(axe.violations(ann), "\n")
	for _, want := range []string{"(label)", "(color-contrast)"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q for a page with mistakes, want %s among them", got, want)
		}
	}
}
