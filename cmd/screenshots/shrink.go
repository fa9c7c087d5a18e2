package main

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"slices"
)

// shrink writes a PNG with a palette: a third of the size, and to the eye the
// same, since pages have few colors and many shades of them at the edges of
// letters.
func shrink(picture []byte) ([]byte, error) {
	decoded, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	full := image.NewRGBA(decoded.Bounds())
	draw.Draw(full, full.Bounds(), decoded, full.Bounds().Min, draw.Src)
	colors, index := palette(full)
	small := image.NewPaletted(full.Bounds(), colors)
	for i := range small.Pix {
		small.Pix[i] = index[pixel(full, i)]
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small)
	return out.Bytes(), err
}

// palette returns the 256 most frequent colors of a picture, and which of them
// stands for each color: the nearest one for those that are too many.
func palette(m *image.RGBA) (color.Palette, map[color.RGBA]uint8) {
	count := make(map[color.RGBA]int)
	for i := range len(m.Pix) / 4 {
		count[pixel(m, i)]++
	}
	found := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var colors color.Palette
	for _, c := range found[:min(len(found), 256)] {
		colors = append(colors, c)
	}
	index := make(map[color.RGBA]uint8)
	for _, c := range found {
		index[c] = uint8(colors.Index(c))
	}
	return colors, index
}

// pixel returns the i-th pixel.
func pixel(m *image.RGBA, i int) color.RGBA {
	p := m.Pix[4*i : 4*i+4 : 4*i+4]
	return color.RGBA{p[0], p[1], p[2], p[3]}
}
