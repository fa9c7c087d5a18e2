package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// do runs actions in the visitor's window.
func (v *Visitor) do(actions ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		v.t.Fatal(err)
	}
}

// call runs a command of the DevTools protocol in the visitor's window.
func call[P, R any](v *Visitor, command cdp.Command[P, R], params P) R {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		v.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// try evaluates an expression, waiting for it if it is a promise. While one page
// makes way for another there is nothing to ask, so an error may well be nothing
// but that.
func try[T any](v *Visitor, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// evaluate is try for what has to succeed.
func evaluate[T any](v *Visitor, expression string) T {
	v.t.Helper()
	got, err := try[T](v, expression)
	if err != nil {
		v.t.Fatalf("evaluating %s: %v", expression, err)
	}
	return got
}

// Evaluate returns what an expression of JavaScript is in the visitor's page. The
// page's content security policy does not apply to it.
func (v *Visitor) Evaluate(expression string, result any) {
	v.t.Helper()
	if err := json.Unmarshal(evaluate[[]byte](v, expression), result); err != nil {
		v.t.Fatalf("evaluating %s: %v", expression, err)
	}
}

// Runs a script in the visitor's page, once.
func (v *Visitor) Runs(script string) {
	v.t.Helper()
	v.do(chromedp.Evaluate[chromedp.Void](script))
}

// until asks ok again and again, and reports whether it said yes in time.
func until(ok func() bool) bool {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// quote writes s as a string of JavaScript.
func quote(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("quoting %q: %v", s, err)) // strings always can be
	}
	return string(quoted)
}
