package web

import (
	"fmt"
	"math"
	"strconv"
)

// A color is opaque sRGB.
type color struct{ r, g, b uint8 }

var (
	black = color{0, 0, 0}
	white = color{255, 255, 255}
)

// parseColor reads #rrggbb.
func parseColor(s string) (color, error) {
	if len(s) == 7 && s[0] == '#' {
		if n, err := strconv.ParseUint(s[1:], 16, 32); err == nil {
			return color{uint8(n >> 16), uint8(n >> 8), uint8(n)}, nil
		}
	}
	return color{}, fmt.Errorf("%q: want a color such as #2458c5", s)
}

func (c color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// luminance is the relative luminance of WCAG 2.2, from 0 to 1.
func (c color) luminance() float64 {
	linear := func(v uint8) float64 {
		f := float64(v) / 255
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is the contrast ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b color) float64 {
	hi, lo := a.luminance(), b.luminance()
	if hi < lo {
		hi, lo = lo, hi
	}
	return (hi + 0.05) / (lo + 0.05)
}

// toward returns c moved by the share f, from 0 to 1, to the color end.
func (c color) toward(end color, f float64) color {
	mix := func(a, b uint8) uint8 {
		return uint8(math.Round(float64(a) + (float64(b)-float64(a))*f))
	}
	return color{mix(c.r, end.r), mix(c.g, end.g), mix(c.b, end.b)}
}

// until moves c toward end no further than it has to for a contrast of ratio
// with each of the surfaces.
func (c color) until(ratio float64, end color, surfaces ...color) color {
	for step := range 101 {
		moved := c.toward(end, float64(step)/100)
		enough := true
		for _, s := range surfaces {
			enough = enough && contrast(moved, s) >= ratio
		}
		if enough {
			return moved
		}
	}
	return end
}

// readableOn returns white or black, whichever text on c can be read in. One
// of them always has a contrast of 4.5, which is what WCAG asks of text; white
// is taken where both have.
func readableOn(c color) color {
	if contrast(white, c) >= textContrast {
		return white
	}
	return black
}
