package web

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
)

func TestContrastIsThatOfWCAG(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21},
		{"#ffffff", "#000000", 21},
		{"#2458c5", "#2458c5", 1},
		{"#767676", "#ffffff", 4.54},
		{"#777777", "#ffffff", 4.48},
		{"#ff0000", "#ffffff", 4.00},
		{"#0000ff", "#ffffff", 8.59},
	} {
		a, errA := parseColor(c.a)
		b, errB := parseColor(c.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if got := contrast(a, b); math.Abs(got-c.want) > 0.005 {
			t.Errorf("contrast(%s, %s): got %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

func TestAnyAccentCanBeRead(t *testing.T) {
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				accent := color{uint8(r), uint8(g), uint8(b)}
				theme := newTheme(accent)
				if theme.light.fill != accent {
					t.Fatalf("%s: got a light button of %s, want the accent itself", accent, theme.light.fill)
				}
				for name, s := range map[string]scheme{"light": theme.light, "dark": theme.dark} {
					atLeast := func(what string, a, b color, want float64) {
						if got := contrast(a, b); got < want {
							t.Errorf("%s, %s: got contrast %.2f of %s, want %.1f", accent, name, got, what, want)
						}
					}
					atLeast("text on the button", s.on, s.fill, textContrast)
					atLeast("text on the button under the pointer", s.on, s.hover, textContrast)
					for _, surface := range []color{s.page, s.card, s.soft} {
						atLeast("links", s.link, surface, textContrast)
						atLeast("the button's edge", s.edge, surface, edgeContrast)
					}
				}
			}
		}
	}
}

func TestAnAccentThatIsReadableStaysWhatItIs(t *testing.T) {
	theme := newTheme(defaultAccent)
	for what, got := range map[string]color{"fill": theme.light.fill, "edge": theme.light.edge, "link": theme.light.link} {
		if got != defaultAccent {
			t.Errorf("got %s %s, want %s", what, got, defaultAccent)
		}
	}
	if theme.light.on != white {
		t.Errorf("got text of %s on the button, want %s", theme.light.on, white)
	}
}

var (
	declaration = regexp.MustCompile(`(--[a-z-]+):\s*(#[0-9a-f]{6})?`)
	use         = regexp.MustCompile(`var\((--[a-z-]+)\)`)
)

// palettes returns the colors that the style sheet declares, light and dark.
func palettes(t *testing.T, css string) (light, dark map[string]string) {
	t.Helper()
	light, dark = map[string]string{}, map[string]string{}
	declare := func(palette map[string]string, css string) {
		for _, m := range declaration.FindAllStringSubmatch(css, -1) {
			palette[m[1]] = m[2]
		}
	}
	for i, part := range strings.Split(css, "@media (prefers-color-scheme: dark) {") {
		if i > 0 {
			var inside string
			inside, part, _ = strings.Cut(part, "\n}\n")
			declare(dark, inside)
		}
		declare(light, part)
	}
	return light, dark
}

func TestTheStyleSheetCanBeRead(t *testing.T) {
	p := newPages(t, Options{})
	css := string(p.static.files[p.StaticPath("doorward.css")].content)
	light, dark := palettes(t, css)
	for _, m := range use.FindAllStringSubmatch(css, -1) {
		if _, ok := light[m[1]]; !ok {
			t.Errorf("%s is used and never declared", m[1])
		}
	}
	for name, palette := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, c := range []struct {
			text, surface string
			want          float64
		}{
			{"--ink", "--page", textContrast}, {"--ink", "--card", textContrast}, {"--ink", "--soft", textContrast},
			{"--quiet", "--card", textContrast}, {"--bad", "--card", textContrast}, {"--bad", "--bad-soft", textContrast},
			{"--good", "--good-soft", textContrast}, {"--bad", "--soft", textContrast}, {"--field", "--card", edgeContrast},
			{"--field", "--soft", edgeContrast},
		} {
			t.Run(fmt.Sprint(name, c.text, " on ", c.surface), func(t *testing.T) {
				text, err := parseColor(palette[c.text])
				if err != nil {
					t.Fatal(err)
				}
				surface, err := parseColor(palette[c.surface])
				if err != nil {
					t.Fatal(err)
				}
				if got := contrast(text, surface); got < c.want {
					t.Errorf("got contrast %.2f, want %.1f", got, c.want)
				}
			})
		}
	}
}
