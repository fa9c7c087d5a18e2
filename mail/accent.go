package mail

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

const defaultAccent = "#2563eb"

var hexColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// readableOn returns white or near-black, whichever contrasts better with
// color.
func readableOn(color string) (string, error) {
	if !hexColor.MatchString(color) {
		return "", fmt.Errorf("accent %q is not a color of the form #rrggbb", color)
	}
	const white, black = "#ffffff", "#111827"
	if contrast(white, color) >= contrast(black, color) {
		return white, nil
	}
	return black, nil
}

// contrast is the contrast ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b string) float64 {
	light, dark := luminance(a), luminance(b)
	return (max(light, dark) + 0.05) / (min(light, dark) + 0.05)
}

// luminance is the relative luminance of WCAG 2.2 of a color #rrggbb.
func luminance(color string) float64 {
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(color[1+2*i:3+2*i], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
