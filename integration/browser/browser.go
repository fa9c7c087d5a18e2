// Package browser puts people in front of Doorward's pages: a real Chromium, with
// an authenticator that the browser itself simulates, so that what is tested is
// what a visitor meets and not what a client library thinks of it.
//
// A [Browser] is the process, a [Visitor] one person in it with cookies and
// passkeys of their own, and a [Scene] what they come to: a gateway, an app
// behind it, and a mailbox. Visitors find things on a page by the words that
// stand on it, click and type with real input events, and fail their test if a
// page complains in its console. A [Scene.Tour] leads past every page there is.
//
// Beside the tests, cmd/screenshots is made of it.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/chromedp/chromedp"
)

// A Browser is a running Chromium without a screen. Its visitors share the
// process and nothing else.
type Browser struct {
	ctx     context.Context
	profile string // its user-data-dir
}

// Launch starts a browser with a new profile.
func Launch() (*Browser, error) {
	if _, err := exec.LookPath("chromium"); err != nil {
		return nil, fmt.Errorf("%w; ./scripts/test installs what the tests need", err)
	}
	profile, err := os.MkdirTemp("", "doorward-chromium-")
	if err != nil {
		return nil, err
	}
	allocator, _ := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"),
		chromedp.NoSandbox, // tests run as root in containers, and open no strange pages
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-US"),
		chromedp.UserDataDir(profile))...)
	ctx, _ := chromedp.NewContext(allocator) // Close cancels both
	b := &Browser{ctx, profile}
	if err := chromedp.Do(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("starting chromium: %w", err)
	}
	return b, nil
}

// Close ends the browser and removes its profile.
func (b *Browser) Close() error {
	if err := chromedp.Cancel(b.ctx); err != nil {
		return fmt.Errorf("closing chromium: %w", err)
	}
	return os.RemoveAll(b.profile)
}
