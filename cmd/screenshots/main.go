// Command screenshots takes the pictures of Doorward's pages and letters that are
// in docs/images. It starts a gateway, an app, a mailbox and a browser, goes past
// every page as a visitor does, and takes each one light, dark, and on a phone:
//
//	go run ./cmd/screenshots
//
// It needs chromium and redis-server. Times, addresses and random numbers are
// replaced on the pages, so that the same page gives the same picture.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"

	"github.com/doorward/doorward/integration/browser"
	"github.com/doorward/doorward/integration/testbed"
)

func main() {
	log.SetFlags(0)
	folder := flag.String("o", filepath.Join(testbed.Root(), "docs", "images"), "folder for the pictures")
	language := flag.String("language", "en", "language of the pages")
	flag.Parse()
	if err := run(*folder, *language); err != nil {
		log.Fatal(err)
	}
}

func run(folder, language string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	letters, err := letters(language)
	if err != nil {
		return err
	}
	chromium, err := browser.Launch()
	if err != nil {
		return err
	}
	defer chromium.Close()
	return onBench(func(b *bench) {
		scene := browser.NewRedisScene(b, chromium)
		ann := scene.Visitor()
		ann.Speaks(language)
		scene.Tour(ann, func(page string) {
			photograph(b, ann, looks, filepath.Join(folder, page), page == "account-forms")
		})
		for _, letter := range letters {
			ann.Reads(letter.html)
			photograph(b, ann, looks[:2], filepath.Join(folder, letter.name), false)
		}
	})
}

// A look is one way to see a page.
type look struct {
	name          string
	dark          bool
	width, height int64
	scale         float64
}

var looks = []look{
	{name: "light", width: 1200, height: 800, scale: 1},
	{name: "dark", dark: true, width: 1200, height: 800, scale: 1},
	{name: "phone", width: 360, height: 740, scale: 2},
}

// photograph takes a picture of the page that v is at in each look: of the whole
// page, or of what a window of the look's size shows of it.
func photograph(b *bench, v *browser.Visitor, looks []look, name string, whole bool) {
	v.Runs(steady)
	for _, l := range looks {
		v.PrefersDark(l.dark)
		v.Resizes(l.width, l.height, l.scale)
		if whole {
			height := l.height
			v.Evaluate(`document.documentElement.scrollHeight`, &height)
			v.Resizes(l.width, height, l.scale)
		}
		small, err := shrink(v.Picture())
		if err == nil {
			err = os.WriteFile(name+"-"+l.name+".png", small, 0o644)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	v.Resizes(looks[0].width, looks[0].height, looks[0].scale)
}

// steady replaces what is another at each run: times, the visitor's network, the
// numbers of incidents, and whether the caret is just blinking.
const steady = `
	for (const time of document.querySelectorAll("time")) {
		const style = time.dataset.day === undefined ? { timeStyle: "short" } : {};
		time.textContent = new Date(2026, 2, 3, 9, 41).toLocaleString(document.documentElement.lang, { dateStyle: "medium", ...style });
	}
	for (const bdi of document.querySelectorAll(".facts bdi")) {
		bdi.textContent = bdi.textContent.replace(/^(127\.0\.0\.1|::1)$/, "192.0.2.7");
	}
	for (const id of document.querySelectorAll("code")) id.textContent = "K7QX2MJ4R9TB";
	for (const field of document.querySelectorAll("input")) field.style.caretColor = "transparent";
`
