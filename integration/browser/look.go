package browser

import (
	"fmt"
	"strings"
)

// text is what a person can read on the page.
const text = `document.body.innerText.replace(/\s+/g, " ").trim()`

// Sees waits until words stand on the page.
func (v *Visitor) Sees(words string) {
	v.t.Helper()
	var got string
	if !until(func() bool {
		got, _ = try[string](v, text)
		return strings.Contains(got, words)
	}) {
		v.t.Fatalf("got a page that reads %q, want %q on it", got, words)
	}
}

// SeesNothingOf fails if words stand on the page, as it is now.
func (v *Visitor) SeesNothingOf(words string) {
	v.t.Helper()
	if got := evaluate[string](v, text); strings.Contains(got, words) {
		v.t.Fatalf("got a page that reads %q, want no %q on it", got, words)
	}
}

// IsAt waits until the page at path is shown.
func (v *Visitor) IsAt(path string) {
	v.t.Helper()
	v.Finds(`document.readyState === "complete" && location.pathname + location.search`, path)
}

// Finds waits until an expression, of JavaScript, is want.
func (v *Visitor) Finds(expression, want string) {
	v.t.Helper()
	var got string
	if !until(func() bool {
		got, _ = try[string](v, expression)
		return got == want
	}) {
		v.t.Fatalf("got %q for %s, want %q", got, expression, want)
	}
}

// focus names what has the focus, as a person would.
const focus = `(() => {
	` + eyes + `
	return words(document.activeElement.labels?.[0] ?? document.activeElement);
})()`

// HasFocusOn waits until the field with a label, or the button or link with a
// name, has the focus.
func (v *Visitor) HasFocusOn(name string) {
	v.t.Helper()
	var got string
	if !until(func() bool {
		got, _ = try[string](v, focus)
		return got == name
	}) {
		v.t.Fatalf("got the focus on %q, want it on %q", got, name)
	}
}

// SeesFocus fails unless it is visible what has the focus.
func (v *Visitor) SeesFocus() {
	v.t.Helper()
	if !evaluate[bool](v, `(() => {
		const style = getComputedStyle(document.activeElement);
		return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
	})()`) {
		v.t.Errorf("got no outline around %q, which has the focus", evaluate[string](v, focus))
	}
}

// An Answer is what a script in the page is answered.
type Answer struct {
	Status      int
	ContentType string
	Body        string
}

// Fetches asks for a path from a script, in the page that is open.
func (v *Visitor) Fetches(path string) Answer {
	v.t.Helper()
	var a Answer
	v.Evaluate(fmt.Sprintf(`fetch(%s).then(async (r) => ({
		Status: r.status, ContentType: r.headers.get("Content-Type"), Body: await r.text(),
	}))`, quote(path)), &a)
	return a
}

// SeesNoAlert fails if the page, as it is now, says that something went wrong.
func (v *Visitor) SeesNoAlert() {
	v.t.Helper()
	alert := evaluate[string](v, `[...document.querySelectorAll("[role=alert]")].filter((e) => e.checkVisibility()).map((e) => e.textContent).join()`)
	if alert != "" {
		v.t.Errorf("got an alert that reads %q, want none", alert)
	}
}

// Sends waits until n requests were sent to a path, or more, since the visitor
// last opened a page by its address.
func (v *Visitor) Sends(n int, path string) {
	v.t.Helper()
	if !until(func() bool { return v.wire.sent(path) >= n }) {
		v.t.Fatalf("got %d requests to %s, want %d", v.wire.sent(path), path, n)
	}
}
