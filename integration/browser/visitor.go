package browser

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is how long a visitor waits for a page to show what they look for.
const patience = 20 * time.Second

// A Visitor is a person at a browser of their own: no cookie, no passkey and no
// window is shared with another one. What they cannot do, or do not see, fails
// their test, which then keeps a picture of the page.
type Visitor struct {
	t    testing.TB
	ctx  context.Context
	base string // of the site that they visit
	wire *wire
}

// Visitor returns somebody who is about to visit the site at base.
func (b *Browser) Visitor(t testing.TB, base string) *Visitor {
	t.Helper()
	v := &Visitor{t: t, base: base, wire: &wire{}}
	ctx, cancel := chromedp.NewContext(b.ctx,
		chromedp.WithNewBrowserContext(), chromedp.WithListener(v.wire.hear))
	t.Cleanup(cancel)
	v.ctx = ctx
	// The window lives as long as the context that opens it: no timeout here.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("opening a window: %v", err)
	}
	v.do(chromedp.EmulateViewport(1200, 800))
	// Only one window of a process has the focus; here everybody's has.
	call(v, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	t.Cleanup(func() {
		if complaints := v.wire.complaints(); len(complaints) > 0 {
			t.Errorf("the pages complained in the console: %q", complaints)
		}
		if t.Failed() {
			v.keepEvidence()
		}
	})
	return v
}

// Speaks makes the browser ask for pages in a language.
func (v *Visitor) Speaks(language string) {
	v.t.Helper()
	agent := evaluate[string](v, `navigator.userAgent.replace("Headless", "")`)
	call(v, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: language})
}

// Uses makes the browser call itself agent.
func (v *Visitor) Uses(agent string) {
	v.t.Helper()
	call(v, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent})
}

// PrefersDark turns the browser's dark mode on or off.
func (v *Visitor) PrefersDark(dark bool) {
	v.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	call(v, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
		{Name: "prefers-reduced-motion", Value: "reduce"}, // no picture of a transition
	}})
}

// Resizes gives the window another size, in CSS pixels.
func (v *Visitor) Resizes(width, height int64, scale float64) {
	v.t.Helper()
	v.do(chromedp.EmulateViewport(width, height, chromedp.EmulateScale(scale)))
}

// LosesCookies empties the browser's cookie jar.
func (v *Visitor) LosesCookies() {
	v.t.Helper()
	call(v, network.ClearBrowserCookies, cdp.Empty{})
}

// TurnsScriptsOff makes the pages do without JavaScript.
func (v *Visitor) TurnsScriptsOff() {
	v.t.Helper()
	call(v, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// Before runs script in every page ahead of the page's own.
func (v *Visitor) Before(script string) {
	v.t.Helper()
	call(v, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}
