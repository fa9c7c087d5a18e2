package web

import "fmt"

// The contrast that WCAG 2.2 asks for, level AA.
const (
	textContrast = 4.5 // 1.4.3: text and links
	edgeContrast = 3.0 // 1.4.11: what shows where a control is
)

var defaultAccent = color{0x24, 0x58, 0xc5}

// A scheme is what a page looks like in light or in dark: the surfaces that
// text lies on, and the shades of the accent.
type scheme struct {
	page, card, soft color
	fill             color // of a button
	on               color // text on fill
	hover            color // fill under the pointer; text on it is at least as clear
	edge             color // around fill, so that a pale button on white is seen
	link             color // links, and the focus ring
}

// A theme is both schemes.
type theme struct{ light, dark scheme }

// newTheme derives the shades. On a light page a pale accent stays what it is
// and gets an edge; on a dark page a dark one is lifted, because a navy button
// on black says "disabled" whatever its edge.
func newTheme(accent color) theme {
	light := scheme{page: color{0xf4, 0xf5, 0xf7}, card: white, soft: color{0xf1, 0xf3, 0xf5}}
	light.fill = accent
	light.edge = accent.until(edgeContrast, black, light.page, light.card, light.soft)
	light.link = accent.until(textContrast, black, light.page, light.card, light.soft)

	dark := scheme{page: color{0x0e, 0x10, 0x14}, card: color{0x17, 0x1a, 0x20}, soft: color{0x20, 0x24, 0x2c}}
	dark.fill = accent.until(edgeContrast, white, dark.page, dark.card, dark.soft)
	dark.edge = dark.fill
	dark.link = accent.until(textContrast, white, dark.page, dark.card, dark.soft)

	for _, s := range []*scheme{&light, &dark} {
		s.on = readableOn(s.fill)
		away := black
		if s.on == black {
			away = white
		}
		s.hover = s.fill.toward(away, 0.14)
	}
	return theme{light, dark}
}

// css declares the theme for the style sheet, which names these properties and
// no color of the accent itself.
func (t theme) css() string {
	return fmt.Sprintf(":root {\n%s}\n@media (prefers-color-scheme: dark) {\n:root {\n%s}\n}\n",
		t.light.css(), t.dark.css())
}

func (s scheme) css() string {
	return fmt.Sprintf("--page: %s;\n--card: %s;\n--soft: %s;\n--fill: %s;\n--on-fill: %s;\n--fill-hover: %s;\n--fill-edge: %s;\n--link: %s;\n",
		s.page, s.card, s.soft, s.fill, s.on, s.hover, s.edge, s.link)
}
