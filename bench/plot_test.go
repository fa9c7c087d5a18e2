package bench

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

// Measures of the plot, in pixels.
const (
	plotWidth  = 890
	plotLeft   = 330 // where the axis begins
	plotRight  = 740 // where it ends; figures are right of it
	plotTop    = 76  // of the first row
	plotRow    = 24
	plotMargin = 40 // below the last row, for the axis
)

const plotStyle = `
	text { font: 13px system-ui, sans-serif; fill: #1f2328 }
	.title { font-size: 16px; font-weight: 600 }
	.quiet { fill: #59636e }
	.grid { stroke: #d1d9e0 }
	.one { stroke: #59636e; stroke-dasharray: 4 3 }
	.range { stroke: #8c959f; stroke-width: 2 }
	.bar { fill: #8c959f; fill-opacity: .45 }
	.guarded { fill: #0969da; fill-opacity: .85 }
	.range-guarded { stroke: #0550ae; stroke-width: 2 }
	@media (prefers-color-scheme: dark) {
		text { fill: #f0f6fc }
		.quiet { fill: #9198a1 }
		.grid { stroke: #3d444d }
		.one { stroke: #9198a1 }
		.guarded { fill: #4493f8 }
		.range-guarded { stroke: #a5d6ff }
	}
`

// A plotted row is a bar from zero to the median, and a line from min to max.
type plotted struct {
	name  string
	ratio spread
	door  bool
}

// svg returns a plot of all ratios but those of the unguarded set-up, which are 1.
// The background is that of the page, light or dark.
func (r *report) svg() ([]byte, error) {
	var rows []plotted
	axisEnd := 1.0
	for _, s := range r.Series {
		for _, row := range s.rows() {
			if row.SetUp != unguarded {
				rows = append(rows, plotted{row.SetUp + ": " + s.Load, row.Ratio, row.SetUp == guarded})
				axisEnd = max(axisEnd, row.Ratio.Max)
			}
		}
	}
	axisEnd = math.Ceil(axisEnd*2) / 2
	x := func(ratio float64) float64 { return plotLeft + ratio/axisEnd*(plotRight-plotLeft) }
	bottom := plotTop + plotRow*len(rows)

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title about">`+"\n",
		plotWidth, bottom+plotMargin)
	b.WriteString(`<title id="title">CPU per request, to that of an unguarded request of the same process</title>` + "\n")
	b.WriteString(`<desc id="about">A bar for each set-up ends at the median of its ratio, and a line goes from the smallest to the largest.</desc>` + "\n")
	fmt.Fprintf(&b, "<style>%s</style>\n", plotStyle)
	b.WriteString(`<text class="title" x="16" y="28">CPU per request, unguarded = 1</text>` + "\n")
	b.WriteString(`<text class="quiet" x="16" y="50">bar: median over rounds; line: min to max; to the site without a door in the process with one, within each round</text>` + "\n")
	for tick := 0.0; tick <= axisEnd; tick += 0.5 {
		class := "grid"
		if tick == 1 {
			class = "one"
		}
		fmt.Fprintf(&b, `<line class="%s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", class, x(tick), plotTop-8, x(tick), bottom)
		fmt.Fprintf(&b, `<text class="quiet" x="%.1f" y="%d" text-anchor="middle">%.1f</text>`+"\n", x(tick), bottom+20, tick)
	}
	for i, row := range rows {
		row.draw(&b, plotTop+plotRow*i, x)
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

// draw writes a row whose upper edge is at y.
func (p plotted) draw(b *bytes.Buffer, y int, x func(float64) float64) {
	bar, line := "bar", "range"
	if p.door {
		bar, line = "guarded", "range-guarded"
	}
	middle := y + plotRow/2
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">`, plotLeft-10, middle+4)
	_ = xml.EscapeText(b, []byte(p.name)) // to memory: it does not fail
	b.WriteString("</text>\n")
	fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"/>`+"\n",
		bar, x(0), y+4, x(p.ratio.Median)-x(0), plotRow-8)
	fmt.Fprintf(b, `<line class="%s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", line, x(p.ratio.Min), middle, x(p.ratio.Max), middle)
	fmt.Fprintf(b, `<text x="%d" y="%d">%.2f<tspan class="quiet"> (%.2f–%.2f)</tspan></text>`+"\n",
		plotRight+10, middle+4, p.ratio.Median, p.ratio.Min, p.ratio.Max)
}
