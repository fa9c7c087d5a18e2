package attacks

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// A Window is one of a real Chromium, with cookies of its own: what an attacker
// finds out about how browsers read things, it tells. It finds every host below
// test, the sites of a house among them, on this machine, and takes all
// certificates.
type Window struct {
	s   *Scene
	ctx context.Context

	mu      sync.Mutex
	dialogs []string // what scripts said by alert() and the like
	asked   []string // the URLs of requests
}

// chromium is the process that all windows share. It takes longer to start than
// most tests do.
var chromium = sync.OnceValues(func() (context.Context, error) {
	if _, err := exec.LookPath("chromium"); err != nil {
		return nil, fmt.Errorf("%w; ./scripts/test installs what the tests need", err)
	}
	allocator, _ := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"),
		chromedp.NoSandbox, // tests run as root in containers
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
		chromedp.UserDataDir(ever.TempDir()))...)
	ctx, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		return nil, fmt.Errorf("starting chromium: %w", err)
	}
	ever.Cleanup(func() { _ = chromedp.Cancel(ctx) })
	return ctx, nil
})

// Window opens a window, which is closed with the test. What dialogs its pages
// open is forgotten there and then, and remembered here.
func (s *Scene) Window() *Window {
	s.T.Helper()
	browser, err := chromium()
	if err != nil {
		s.T.Fatal(err)
	}
	w := &Window{s: s}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.hear))
	s.T.Cleanup(cancel)
	w.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // the window lives as long as this context
		s.T.Fatalf("opening a window: %v", err)
	}
	return w
}

func (w *Window) hear(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *page.EventJavascriptDialogOpening:
		w.dialogs = append(w.dialogs, e.Message)
		go func() { _, _ = chromedp.Call(w.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{}) }()
	case *network.EventRequestWillBeSent:
		w.asked = append(w.asked, e.Request.URL)
	}
}

// Cookie gives the window a session of a person at a site.
func (w *Window) Cookie(site string, p *Person) {
	w.s.T.Helper()
	yes := true
	w.try("setting a cookie", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{
			Name: "__Host-doorward", Value: p.Token, URL: w.s.Origin(site), Path: "/", Secure: &yes, HTTPOnly: &yes,
			SameSite: network.CookieSameSiteLax,
		})
		return err
	})
}

// Cookies returns the names and values of the cookies that the window has for a
// site.
func (w *Window) Cookies(site string) Jar {
	w.s.T.Helper()
	jar := make(Jar)
	w.try("reading cookies", func(ctx context.Context) error {
		all, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{w.s.Origin(site)}})
		for _, c := range all.Cookies {
			jar[c.Name] = c.Value
		}
		return err
	})
	return jar
}

// Before runs a script in every document ahead of its own.
func (w *Window) Before(script string) {
	w.s.T.Helper()
	w.try("preparing pages", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	})
}

// Visit opens a URL as by typing it, and returns where the window is then. Where
// nothing could be shown, that is an address of the browser's own.
func (w *Window) Visit(url string) string {
	w.s.T.Helper()
	w.try("opening "+url, func(ctx context.Context) error {
		err := chromedp.Do(ctx, chromedp.Navigate(url))
		if load := (*chromedp.LoadError)(nil); errors.As(err, &load) {
			return nil // not shown
		}
		return err
	})
	return w.At()
}

// At returns the URL of the page that is shown.
func (w *Window) At() string {
	w.s.T.Helper()
	return Evaluate[string](w, "location.href")
}

// Dialogs returns what scripts have said so far.
func (w *Window) Dialogs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.dialogs...)
}

// Asked returns the URLs that the window has asked for at a host, so far.
func (w *Window) Asked(host string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var urls []string
	for _, u := range w.asked {
		if strings.Contains(u, "//"+host) {
			urls = append(urls, u)
		}
	}
	return urls
}

func (w *Window) try(what string, do func(ctx context.Context) error) {
	w.s.T.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 30*time.Second)
	defer cancel()
	if err := do(ctx); err != nil {
		w.s.T.Fatalf("%s: %v", what, err)
	}
}

// Evaluate returns what an expression of JavaScript is in the page that is shown,
// or what it promises. The page's policy does not apply to it.
func Evaluate[T any](w *Window, expression string) T {
	w.s.T.Helper()
	var got T
	w.try("evaluating "+expression, func(ctx context.Context) (err error) {
		got, err = chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
		return err
	})
	return got
}

// Until waits until an expression is want. While one page makes way for another
// there is nothing to ask.
func (w *Window) Until(expression, want string) {
	w.s.T.Helper()
	w.s.Eventually(expression+" to be "+want, func() bool {
		ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
		defer cancel()
		got, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
		return err == nil && got == want
	})
}
