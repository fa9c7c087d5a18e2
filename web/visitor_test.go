package web

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// A visitor is a tab of a browser with an authenticator of its own.
type visitor struct {
	t   *testing.T
	ctx context.Context
	d   *desk
}

func startBrowser(t *testing.T) context.Context {
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	switch err := chromedp.Do(ctx); {
	case errors.Is(err, exec.ErrNotFound):
		t.Fatal("install chromium; ./scripts/test installs what the tests need")
	case err != nil:
		t.Fatal(err)
	}
	return ctx
}

// newVisitor opens a tab in which before runs ahead of each page's script.
func newVisitor(t *testing.T, browser context.Context, before string) *visitor {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 30*time.Second)
	t.Cleanup(cancel)
	v := &visitor{t, ctx, newDesk(t)}
	v.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
			Options: &webauthn.VirtualAuthenticatorOptions{
				Protocol:                    webauthn.AuthenticatorProtocolCtap2,
				Transport:                   webauthn.AuthenticatorTransportInternal,
				HasResidentKey:              true,
				HasUserVerification:         true,
				IsUserVerified:              true,
				AutomaticPresenceSimulation: true,
			}})
		if err != nil {
			return err
		}
		_, err = chromedp.Call(ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: before})
		return err
	}))
	return v
}

func (v *visitor) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, steps...); err != nil {
		v.t.Fatal(err)
	}
}

// sees opens page.
func (v *visitor) sees(page Page) {
	v.t.Helper()
	v.d.mu.Lock()
	v.d.shown = page
	v.d.mu.Unlock()
	v.do(chromedp.Navigate(v.d.at("/show")))
}

func evaluate[T any](v *visitor, expression string) T {
	v.t.Helper()
	got, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		v.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// until waits until expression, of JavaScript, is want.
func (v *visitor) until(expression, want string) {
	v.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		// While one page makes way for another there is nothing to ask.
		got, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](expression))
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("%s: got %q, %v, want %q", expression, got, err, want)
		}
	}
}

// addsPasskey goes through the offer, up to the app.
func (v *visitor) addsPasskey() {
	v.t.Helper()
	v.sees(OfferPage{Return: "/reports?a=1&b=2"})
	v.do(chromedp.Click(addButton))
	v.until(here, "/reports?a=1&b=2")
}

func (v *visitor) last() finalized {
	v.t.Helper()
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	if len(v.d.finalized) == 0 {
		v.t.Fatal("nothing was finalized")
	}
	return v.d.finalized[len(v.d.finalized)-1]
}

func (v *visitor) challenges() int {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	return v.d.initialized
}

func (v *visitor) refuse(status int, at, slug string) {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	v.d.refuse = func(path string) (int, string) {
		if strings.HasSuffix(path, at) {
			return status, slug
		}
		return 0, ""
	}
}
