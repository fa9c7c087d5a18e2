package browser

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"
)

// Picture returns what the visitor's window shows, as PNG.
func (v *Visitor) Picture() []byte {
	v.t.Helper()
	// Whatever has just changed has been painted in the frame after the next.
	evaluate[bool](v, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		v.t.Fatalf("taking a picture: %v", err)
	}
	return png
}

// keepEvidence keeps a picture of the page at which a test failed, and its HTML,
// and says where. It fails nothing itself: the test has failed already.
func (v *Visitor) keepEvidence() {
	ctx, cancel := context.WithTimeout(v.ctx, 5*time.Second)
	defer cancel()
	dir, err := os.MkdirTemp("", "doorward-evidence-")
	if err != nil {
		v.t.Log(err)
		return
	}
	keep := func(name string, content []byte, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			v.t.Logf("keeping %s: %v", name, err)
		}
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	keep("page.png", picture, err)
	html, err := chromedp.Run(ctx, chromedp.Evaluate[string](`"<!-- " + location.href + " -->\n" + document.documentElement.outerHTML`))
	keep("page.html", []byte(html), err)
	v.t.Logf("what %s saw last is in %s", v.t.Name(), dir)
}
